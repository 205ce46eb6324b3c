// Package need is for tests that cannot run everywhere: they say what they lack.
// A developer's machine then skips them, CI fails.
package need

import (
	"os"
	"path/filepath"
	"testing"
)

// Missing ends a test for want of what is named.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// Shared returns the absolute path of what lies outside this repository, such as
// recorded devices: below FAULTLINE_SHARED, else in "shared" beside the repository.
func Shared(t testing.TB, parts ...string) string {
	t.Helper()
	root := os.Getenv("FAULTLINE_SHARED")
	if root == "" {
		top, err := repository()
		if err != nil {
			t.Fatal(err)
		}
		root = filepath.Join(filepath.Dir(top), "shared")
	}
	path, err := filepath.Abs(filepath.Join(append([]string{root}, parts...)...))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		Missing(t, "no %s: set FAULTLINE_SHARED to where it is", filepath.Join(parts...))
	}
	return path
}

// Recordings returns the recorded devices' directory.
func Recordings(t testing.TB) string {
	t.Helper()
	return Shared(t, "data", "snmp", "dev")
}

// repository is the directory of the go.mod above the test's own.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", os.ErrNotExist
		}
		dir = up
	}
}
