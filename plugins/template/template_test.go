package template_test

import (
	"bytes"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/faultline/faultline/plugins/host/spec"
	"github.com/faultline/faultline/plugins/plugintest/external"
	"github.com/faultline/faultline/plugins/rpc/pluginpb"
)

// ownLines is how much code of one's own a plugin may need beside the template.
const ownLines = 60

var contracts = map[string]string{"input": spec.Input, "desk": spec.Ticket, "channel": spec.Notify}

// lines fails when a file is longer than promised. Every line counts.
func lines(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := strings.Count(string(b), "\n")
	if n < 10 || n > ownLines {
		t.Errorf("%s has %d lines, %d are promised", path, n, ownLines)
	}
	t.Logf("%s: %d lines", path, n)
}

// conform runs the suite with a real host.
func conform(t *testing.T, trial external.Trial) {
	t.Helper()
	var log, out bytes.Buffer
	trial.Logger = slog.New(slog.NewTextHandler(&log, nil))
	if err := external.Conform(t.Context(), trial, &out); err != nil {
		t.Errorf("%v\n%s\n%s", err, out.String(), log.String())
	}
	if n := strings.Count(out.String(), "ok    "); n < 8 {
		t.Errorf("only %d checks passed:\n%s", n, out.String())
	}
}

func TestGo(t *testing.T) {
	own := map[string]string{"input": "meter.go", "desk": "desk.go", "channel": "channel.go"}
	dir := t.TempDir()
	out, err := exec.Command("go", "build", "-o", dir+"/", "./go/input", "./go/desk", "./go/channel").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for kind, contract := range contracts {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			lines(t, filepath.Join("go", kind, own[kind]))
			only(t, filepath.Join("go", kind), "main.go", own[kind])
			conform(t, external.Trial{Contract: contract, Program: filepath.Join(dir, kind)})
		})
	}
}

// only fails when there is more in a directory than the template and one file.
func only(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(names) {
		t.Errorf("%s holds %d files, want %v only", dir, len(entries), names)
	}
}

// needPython skips where gRPC for Python is not installed, and fails in CI.
func needPython(t *testing.T) {
	t.Helper()
	if err := exec.Command("/usr/bin/python3", "-c", "import grpc, google.protobuf, cryptography").Run(); err != nil {
		const need = "apt-get install python3-grpcio python3-protobuf python3-cryptography"
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v: %s", err, need)
		}
		t.Skip("no gRPC for Python: " + need)
	}
}

func TestPython(t *testing.T) {
	needPython(t)
	own := map[string]string{"input": "meter.py", "desk": "desk.py", "channel": "channel.py"}
	for kind, contract := range contracts {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join("python", own[kind])
			lines(t, path)
			conform(t, external.Trial{Contract: contract, Program: path, Files: []string{"python/faultline_plugin.py", "python/faultline_plugin_pb2.py"}})
		})
	}
}

func TestPythonModuleIsOfThisProtocol(t *testing.T) {
	needPython(t)
	cmd := exec.Command("/usr/bin/python3", "-B", "-c", "import sys, faultline_plugin_pb2 as p; sys.stdout.buffer.write(p.DESCRIPTOR.serialized_pb)")
	cmd.Dir = "python"
	raw, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var python descriptorpb.FileDescriptorProto
	if err := proto.Unmarshal(raw, &python); err != nil {
		t.Fatal(err)
	}
	want := protodesc.ToFileDescriptorProto(pluginpb.File_plugin_proto)
	want.Name = python.Name
	for _, m := range append(want.GetMessageType(), python.GetMessageType()...) {
		plainNames(m)
	}
	if !proto.Equal(&python, want) {
		t.Error("faultline_plugin_pb2.py is not of plugin.proto as Go has it: run plugins/rpc/pluginpb/generate.sh")
	}
}

// plainNames takes out the JSON names, which one of the generators leaves out.
func plainNames(m *descriptorpb.DescriptorProto) {
	for _, f := range m.GetField() {
		f.JsonName = nil
	}
	for _, n := range m.GetNestedType() {
		plainNames(n)
	}
}
