package release

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
)

func manifest() Manifest {
	return Manifest{Version: "0.1.12", Sequence: 100, Spool: SpoolFormat, Files: []File{{OS: "linux", Arch: "amd64", Name: "a", SHA256: strings.Repeat("0", 64), Size: 1}}}
}

func TestSignedByAKnownKey(t *testing.T) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, sig, err := Sign(key, manifest())
	if err != nil {
		t.Fatal(err)
	}
	if m, err := Verify([]ed25519.PublicKey{other, pub}, text, sig); err != nil || m.Version != "0.1.12" {
		t.Errorf("%+v, %v", m, err)
	}
	for name, try := range map[string]func() error{
		"another key":   func() error { _, err := Verify([]ed25519.PublicKey{other}, text, sig); return err },
		"no key":        func() error { _, err := Verify(nil, text, sig); return err },
		"changed":       func() error { _, err := Verify([]ed25519.PublicKey{pub}, append(text, ' '), sig); return err },
		"cut signature": func() error { _, err := Verify([]ed25519.PublicKey{pub}, text, sig[:10]); return err },
		"other purpose": func() error { _, err := Verify([]ed25519.PublicKey{pub}, text, ed25519.Sign(key, text)); return err },
		"empty key":     func() error { _, err := Verify([]ed25519.PublicKey{{}}, text, sig); return err },
	} {
		if err := try(); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v, want ErrSignature", name, err)
		}
	}
}

func TestWhatMayReplaceWhat(t *testing.T) {
	for name, c := range map[string]struct {
		change   func(*Manifest)
		version  string
		sequence int64
		want     error
	}{
		"later":                {func(*Manifest) {}, "0.1.9", 0, nil},
		"the same":             {func(*Manifest) {}, "0.1.12", 0, ErrOld},
		"earlier":              {func(*Manifest) {}, "0.1.13", 0, ErrOld},
		"signed downgrade":     {func(m *Manifest) { m.Downgrade = true }, "0.1.13", 99, nil},
		"downgrade replayed":   {func(m *Manifest) { m.Downgrade = true }, "0.1.13", 100, ErrReplayed},
		"upgrade replayed":     {func(*Manifest) {}, "0.1.9", 101, ErrReplayed},
		"another spool format": {func(m *Manifest) { m.Spool = 2 }, "0.1.9", 0, ErrSpool},
	} {
		m := manifest()
		c.change(&m)
		if err := m.Allowed(c.version, c.sequence); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestCompare(t *testing.T) {
	order := []string{"dev", "0.1.9", "0.1.10", "0.1.10.1", "0.1.10-1-gabc", "0.2", "1"}
	for i, a := range order {
		for j, b := range order {
			if got, want := Compare(a, b), sign(i-j); got != want {
				t.Errorf("Compare(%s, %s) = %d, want %d", a, b, got, want)
			}
		}
	}
}

func sign(n int) int { return min(max(n, -1), 1) }

func TestManifestFaults(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Manifest){
		"version":  func(m *Manifest) { m.Version = "../../etc" },
		"no files": func(m *Manifest) { m.Files = nil },
		"path":     func(m *Manifest) { m.Files[0].Name = "../a" },
		"checksum": func(m *Manifest) { m.Files[0].SHA256 = "0" },
		"size":     func(m *Manifest) { m.Files[0].Size = MaxProgram + 1 },
		"sequence": func(m *Manifest) { m.Sequence = 0 },
	} {
		m := manifest()
		change(&m)
		if _, _, err := Sign(key, m); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
}
