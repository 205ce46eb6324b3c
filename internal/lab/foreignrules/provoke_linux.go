package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
)

// plays are what can be played, with the rule file that is held against it.
var plays = map[string]struct {
	file string
	play func(ctx context.Context, out io.Writer, file, name string) error
}{
	"postgres": {"postgres-exporter.yml", provokePostgres},
	"mysql":    {"mysqld-exporter.yml", provokeMySQL},
	"snmp":     {"snmp-exporter.yml", provokeSNMP},
}

// provokeAll plays what is named, one after the other.
func provokeAll(ctx context.Context, out io.Writer, dir string, only []string) error {
	var errs []error
	for _, name := range only {
		if name == "node" {
			errs = append(errs, provoke(ctx, out, dir))
			continue
		}
		p, ok := plays[name]
		if !ok {
			errs = append(errs, fmt.Errorf("no play %q: want node, postgres, mysql or snmp", name))
			continue
		}
		if err := p.play(ctx, out, filepath.Join(dir, p.file), p.file); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}
