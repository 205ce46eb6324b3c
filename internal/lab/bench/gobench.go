package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// result is one Go benchmark's figures by unit, such as "ns/op".
type result map[string]float64

// benchmark is a package's Go benchmarks to run.
type benchmark struct {
	pkg, pattern, time string // as of go test -bench and -benchtime
}

// goBench runs Go benchmarks of this tree and returns their results by name,
// without the prefix Benchmark and the suffix that says how many cores there were.
func goBench(ctx context.Context, o options, b benchmark) (map[string]result, error) {
	cmd := exec.CommandContext(ctx, o.goTool, "test", "-run", "^$", "-bench", b.pattern, "-benchtime", b.time, "-timeout", "30m", b.pkg)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go test -bench %s: %w\n%s", b.pkg, err, out.String())
	}
	found := parseBench(out.String())
	if len(found) == 0 {
		return nil, fmt.Errorf("go test -bench %s %s: no results\n%s", b.pattern, b.pkg, out.String())
	}
	return found, nil
}

var coresSuffix = regexp.MustCompile(`-\d+$`)

// parseBench reads the lines that the testing package prints: name, number of
// iterations, then pairs of value and unit.
func parseBench(text string) map[string]result {
	found := map[string]result{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		name, ok := strings.CutPrefix(line, "Benchmark")
		if !ok || len(f) < 4 || len(f)%2 != 0 {
			continue
		}
		name, _, _ = strings.Cut(name, " ")
		name, _, _ = strings.Cut(name, "\t")
		r := result{}
		for i := 2; i < len(f); i += 2 {
			v, err := strconv.ParseFloat(f[i], 64)
			if err != nil {
				break
			}
			r[f[i+1]] = v
		}
		found[coresSuffix.ReplaceAllString(name, "")] = r
	}
	return found
}
