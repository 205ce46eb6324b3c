package main

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// What packages allocate when the program starts is kept as long as it runs: a
// regular expression with a bound of 200 letters once took 4 MiB of its 18.
func TestPackagesStartSmall(t *testing.T) {
	const most, mostOfOne = 3 << 20, 1 << 20 // bytes, with what is free again after the start
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	var out bytes.Buffer
	cmd.Stderr = &out
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	total, packages := 0, 0
	for line := range bytes.Lines(out.Bytes()) { // init NAME @0.1 ms, 0.2 ms clock, 1234 bytes, 5 allocs
		f := bytes.Fields(line)
		if len(f) < 10 || string(f[0]) != "init" {
			continue
		}
		n, err := strconv.Atoi(string(f[7]))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		total, packages = total+n, packages+1
		if n > mostOfOne {
			t.Errorf("%s allocates %d bytes, more than %d", f[1], n, mostOfOne)
		}
	}
	t.Logf("%d packages allocate %d bytes", packages, total)
	if packages < 50 || total > most {
		t.Errorf("%d packages allocate %d bytes; at most %d are for all", packages, total, most)
	}
}
