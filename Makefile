# Faultline. Two commands are all a newcomer needs: make run, make test.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PORT     ?= 8470
DATA     ?= ./data
PRACTICE ?= 1
LAB      ?= ../shared/lab
OUT      ?= lab-score.json
ARGS     ?=
GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -s -w -X main.version=$(VERSION)
PLUGINS  := ./plugins/bundled/jira/faultline-desk-jira ./plugins/bundled/itop/faultline-desk-itop ./plugins/bundled/servicedeskplus/faultline-desk-servicedeskplus \
            ./plugins/bundled/ansible/faultline-remedy-ansible ./plugins/bundled/enterprise/faultline-input-enterprise

.PHONY: help run programs plugins test build bench lab lint setup package clean

help: ## what there is
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: programs plugins ## bin/: agent, collector, plugin host, and the bundled plugins below bin/plugins

programs: # what make run needs
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/faultline-agent ./agent
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/faultline-collector ./collector
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/faultline-plugin-host ./plugins/host/faultline-plugin-host

plugins: # those we ship as programs of their own
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/plugins/ $(PLUGINS)

run: programs ## collector, agent and a practice branch on this machine; Ctrl-C stops all
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/faultline-practice ./internal/lab/practice
	@exec ./bin/faultline-practice --port $(PORT) --data $(DATA) --practice=$(PRACTICE)

setup: ## what the tests need beyond Go (Debian packages when root, tools in .cache)
	@.ci/setup

test: setup ## every test; as root on Debian with the real servers, elsewhere saying what it skips
	@.ci/test

lint: setup ## gofmt, vet, golangci-lint
	@.ci/lint

bench: build setup ## figures, with the peers' beside them where they are installed
	@.ci/bench

lab: build ## the fault lab with the product in it, scored (root; LAB=DIR OUT=FILE ARGS='--faults …')
	@LAB="$(LAB)" OUT="$(OUT)" .ci/lab $(ARGS)

package: setup ## deb, rpm and bare programs of the agent for all systems, with checksums, into dist/ (ARCHES=amd64 for one)
	@.ci/package

clean: ## binaries and caches of this tree; never ./data
	rm -rf bin dist .cache
