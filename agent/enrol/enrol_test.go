package enrol

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/internal/pki"
)

// identityText is a whole identity file.
func identityText(t *testing.T, now time.Time) []byte {
	t.Helper()
	a, err := pki.NewAuthority(now)
	if err != nil {
		t.Fatal(err)
	}
	key, err := pki.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := a.IssueAgent(key.Public(), pki.Identity{Agent: "a1", Site: "分公司"}, now, 30*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	keyText, err := pki.EncodeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := encode(meta{URL: "https://hq", Machine: "m1"}, keyText, leaf, a.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A file torn anywhere is refused with words, never half believed.
func TestTornIdentity(t *testing.T) {
	text := identityText(t, time.Now())
	if _, err := parse(text); err != nil {
		t.Fatal(err)
	}
	whole := len(strings.TrimRight(string(text), "\n"))
	for n := range whole {
		if h, err := parse(text[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes were taken for agent %s", n, whole, h.who.Agent)
		}
	}
	other := identityText(t, time.Now())
	cut := strings.Index(string(text), "-----BEGIN CERTIFICATE")
	otherCut := strings.Index(string(other), "-----BEGIN CERTIFICATE")
	if _, err := parse(append(append([]byte(nil), text[:cut]...), other[otherCut:]...)); err == nil {
		t.Error("a key with another's certificate was believed")
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	if _, err := open(dir, "m1", time.Now); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("not enrolled: %v", err)
	}
	if err := writePrivate(filepath.Join(dir, File), identityText(t, time.Now())); err != nil {
		t.Fatal(err)
	}
	id, err := open(dir, "m1", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if agent, site := id.Agent(); agent != "a1" || site != "分公司" {
		t.Errorf("%s of %s", agent, site)
	}
	if h := id.Header(); h.Get(pki.HeaderSite) != "" || len(strings.Fields(h.Get(pki.HeaderInstance))) != 3 {
		t.Errorf("header %v: a name that is not ASCII cannot be in it", h)
	}
	if _, err := open(dir, "", time.Now); err != nil {
		t.Errorf("a machine without an id of its own: %v", err)
	}
	var copied *MachineError
	if _, err := open(dir, "m2", time.Now); !errors.As(err, &copied) || copied.Agent != "a1" {
		t.Errorf("another machine: %v", err)
	}
	if fi, err := os.Stat(filepath.Join(dir, File)); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v %v", fi.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) != 0 {
		t.Errorf("writing left %v", left)
	}
}

// The renewal is due by the collector's clock, whatever ours says.
func TestRenewalIsDueByTheCollectorsClock(t *testing.T) {
	now := time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	if err := writePrivate(filepath.Join(dir, File), identityText(t, now)); err != nil {
		t.Fatal(err)
	}
	id, err := open(dir, "m1", func() time.Time { return now.Add(-20 * 365 * 24 * time.Hour) })
	if err != nil {
		t.Fatal(err)
	}
	at := func(collector time.Time) time.Duration {
		id.Answered(map[string][]string{"Date": {collector.Format("Mon, 02 Jan 2006 15:04:05 GMT")}})
		return id.next()
	}
	if d := at(now); d < 18*24*time.Hour || d > 22*24*time.Hour {
		t.Errorf("due in %v, want two thirds of 30 days", d)
	}
	if d := at(now.Add(22 * 24 * time.Hour)); d > 0 {
		t.Errorf("due in %v after 22 of 30 days", d)
	}
	if s := id.Status(); !s.Heard || s.Skew < 19*365*24*time.Hour {
		t.Errorf("skew %v", s.Skew)
	}
}

func TestPendingKey(t *testing.T) {
	p := pendingKey{filepath.Join(t.TempDir(), "k")}
	first, _, err := p.get()
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := p.get()
	if err != nil || pki.KeyHash(first.Public()) != pki.KeyHash(again.Public()) {
		t.Errorf("another key after an interruption: %v", err)
	}
	if fi, err := os.Stat(p.path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v %v", fi.Mode(), err)
	}
	if err := os.WriteFile(p.path, []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if k, _, err := p.get(); err != nil || pki.KeyHash(k.Public()) == pki.KeyHash(first.Public()) {
		t.Errorf("after a torn file: %v", err)
	}
	p.done()
	if _, err := os.Stat(p.path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the key is still there")
	}
}

func TestHashMachine(t *testing.T) {
	a := hashMachine("0123456789abcdef0123456789abcdef\n")
	if len(a) != 32 || a != hashMachine("0123456789ABCDEF0123456789abcdef") || strings.Contains(a, "0123456789") {
		t.Errorf("hash %q", a)
	}
	for _, none := range []string{"", "\n", "uninitialized\n"} {
		if hashMachine(none) != "" {
			t.Errorf("%q counts as an id", none)
		}
	}
}
