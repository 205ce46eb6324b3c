#!/bin/sh
# Makes plugin.pb.go, plugin_grpc.pb.go and the Python template's module from
# plugin.proto. Needs Debian's protobuf-compiler and the two Go generators in
# PATH: protoc-gen-go of the version in go.mod, protoc-gen-go-grpc v1.5.1.
# The generated init function becomes a variable: this repository has none.
set -eu
cd "$(dirname "$0")"
protoc --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative plugin.proto
sed -i 's/^func init() { file_plugin_proto_init() }$/var _ = func() bool { file_plugin_proto_init(); return true }()/' plugin.pb.go
gofmt -w plugin.pb.go
mkdir -p .py && cp plugin.proto .py/faultline_plugin.proto
protoc -I .py --python_out=../../template/python .py/faultline_plugin.proto
rm -r .py
