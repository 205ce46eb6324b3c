package main

import (
	"bytes"
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

// files are the configurations of one run.
type files struct {
	settings
	agentToken, controlToken string
	inventory                []byte
	smtp                     string // "" is no mail
}

//go:embed plain.yaml.tmpl
var plainTemplate string

// plainInventory is head office with this machine only.
func plainInventory(tokenHash string) ([]byte, error) {
	var b bytes.Buffer
	t, err := template.New("plain").Parse(plainTemplate)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "this-machine"
	}
	err = t.Execute(&b, map[string]string{"Host": host, "TokenHash": tokenHash})
	return b.Bytes(), err
}

func (f *files) path(name string) string { return filepath.Join(f.Data, name) }
func (f *files) hash() string            { return hashOf(f.agentToken) }
func (f *files) url() string             { return fmt.Sprintf("http://127.0.0.1:%d", f.Port) }

func (f *files) write() error {
	var collector strings.Builder
	fmt.Fprintf(&collector, "data: %q\nlisten: 127.0.0.1:%d\nexternal_url: %s\ninventory: %q\nretention: 720h\ninterval: 500ms\nholds: {verify: 15s, settle: 15s, open: 2s}\n",
		f.Data, f.Port, f.url(), f.path("inventory"))
	if f.smtp != "" {
		fmt.Fprintf(&collector, "mail: {host: %q, from: faultline@practice.example, tls: none, reply_to: %q}\npractice: {url: \"http://127.0.0.1:%d\", token: %s}\n", cmp.Or(f.settings.smtp, f.smtp), f.replyTo, f.Port+1, f.controlToken)
	}
	collector.WriteString(f.more)
	agent := fmt.Sprintf("agent: practice\ndata: %q\ninterval: 5s\ntimeout: 4s\nlisten: \"\"\ncollector: {url: %s, token: %s}\n", f.path("agent"), f.url(), f.agentToken)
	return errors.Join(
		f.writeInventory(),
		os.WriteFile(f.path("collector.yaml"), []byte(collector.String()), 0o600),
		os.WriteFile(f.path("agent.yaml"), []byte(agent), 0o600))
}

// writeInventory writes this run's file anew. Other files of the directory are
// the newcomer's own and stay: together they are one inventory.
func (f *files) writeInventory() error {
	if err := os.MkdirAll(f.path("inventory"), 0o700); err != nil {
		return err
	}
	return os.WriteFile(f.path("inventory/run.yaml"), f.inventory, 0o600)
}

// announce prints what a newcomer needs.
func (f *files) announce(out io.Writer) {
	fmt.Fprintf(out, "\n  console   %s\n", f.url())
	if b, err := os.ReadFile(f.path("first-sign-in")); err == nil {
		fmt.Fprintf(out, "  sign in   %s\n", strings.TrimSpace(string(b)))
	} else {
		fmt.Fprintf(out, "  sign in   user admin with the password you set\n")
	}
	if f.Practice {
		fmt.Fprintf(out, "  mailbox   http://127.0.0.1:%d/mailbox   what vendors receive in practice\n", f.Port+1)
	}
	fmt.Fprintf(out, "  API token %s\n  logs      %s  %s\n", f.path("admin.token"), f.path("collector.log"), f.path("agent.log"))
	if f.Practice {
		fmt.Fprintf(out, "\n  Break something on the console's practice page, or in another shell:\n    FAULTLINE_URL=%s FAULTLINE_TOKEN=$(cat %s) %s practice break line\n", f.url(), f.path("admin.token"), filepath.Join(f.Bin, "faultline-collector"))
	}
	fmt.Fprintf(out, "\n  Ctrl-C stops all.\n\n")
}
