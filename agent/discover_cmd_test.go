package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNothingIsWrittenOver: a file that is there stays as it is unless forced,
// and what is written only its owner can read.
func TestNothingIsWrittenOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inventory.yaml")
	if err := mayWrite(path, false); err != nil {
		t.Fatal(err)
	}
	if err := writeNew(path, false, []byte("first\n")); err != nil {
		t.Fatal(err)
	}
	if err := mayWrite(path, false); err == nil || !strings.Contains(err.Error(), "--force") {
		t.Errorf("a file that is there may be written: %v", err)
	}
	if err := writeNew(path, false, []byte("second\n")); err == nil || !strings.Contains(err.Error(), "--force") {
		t.Errorf("a file that is there was written: %v", err)
	}
	holds(t, path, "first\n")
	if err := writeNew(path, true, []byte("third\n")); err != nil {
		t.Fatal(err)
	}
	holds(t, path, "third\n")
	if err := mayWrite(filepath.Join(t.TempDir(), "no", "file"), true); err == nil {
		t.Error("a directory that is not there may be written to")
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("%d files are left, %v", len(left), err)
	}
}

func holds(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s holds %q, %v; want %q", path, got, err, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of %s: %v, %v", path, info.Mode(), err)
	}
}

// TestCredentialsOfFlags: those of the file come first, and public only where
// there is nothing else.
func TestCredentialsOfFlags(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte("credentials: [{name: f, community: x}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	told := func(c discoverCmd) string {
		all, err := c.credentials()
		if err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, x := range all {
			texts = append(texts, x.Version+":"+x.User+x.Community.Reveal())
		}
		return strings.Join(texts, " ")
	}
	for _, tt := range []struct {
		cmd  discoverCmd
		want string
	}{
		{discoverCmd{}, ":public"},
		{discoverCmd{Community: []string{"a", "b,c"}}, ":a :b,c"},
		{discoverCmd{Credentials: file, User: "u", Community: []string{"a"}}, ":x 3:u :a"},
	} {
		if got := told(tt.cmd); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.cmd, got, tt.want)
		}
	}
	if _, err := (&discoverCmd{Networks: []string{"10.0.0.0/8x"}}).options(); err == nil {
		t.Error("10.0.0.0/8x is no network")
	}
}
