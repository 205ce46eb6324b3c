package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/faultline/faultline/plugins/remedy"
	"github.com/faultline/faultline/plugins/runner"
)

const (
	name    = "example"
	version = "1"
)

// scripts runs programs of a directory: the remedy NAME is the program NAME,
// which is handed --check in a dry run and parameters as variables PARAM_….
type scripts struct{ dir string }

func configure(settings map[string]string) (*scripts, error) {
	if !filepath.IsAbs(settings["scripts"]) || !filepath.IsAbs(settings["book"]) {
		return nil, fmt.Errorf("settings scripts and book: absolute paths of directories are needed")
	}
	return &scripts{settings["scripts"]}, nil
}

func (*scripts) Name() string { return name }

// Prepare reads the program: what was hashed is what runs.
func (s *scripts) Prepare(o remedy.Order) (runner.Job, error) {
	text, err := os.ReadFile(filepath.Join(s.dir, o.Remedy))
	if err != nil {
		return runner.Job{}, err
	}
	dir, err := os.MkdirTemp("", "run")
	if err != nil {
		return runner.Job{}, err
	}
	program, args, env := filepath.Join(dir, o.Remedy), []string{}, []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	if o.DryRun {
		args = []string{"--check"}
	}
	for k, v := range o.Parameters {
		env = append(env, "PARAM_"+strings.ToUpper(k)+"="+v)
	}
	do := func(ctx context.Context, out io.Writer) remedy.Outcome {
		code, err := runner.Program(ctx, out, env, program, args...)
		return runner.Ended(ctx, code, err)
	}
	return runner.Job{Pin: fmt.Sprintf("sha256:%x", sha256.Sum256(text)), Do: do, Close: func() { _ = os.RemoveAll(dir) }}, os.WriteFile(program, text, 0o700)
}
