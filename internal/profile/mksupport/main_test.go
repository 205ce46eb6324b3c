package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faultline/faultline/internal/profile"
)

var root = filepath.Join("..", "..", "..")

// TestFresh: the page says what the profiles say now.
func TestFresh(t *testing.T) {
	want, err := render(filepath.Join(root, "rules", "profiles"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, "docs", "support.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/support.md is older than the profiles: go generate ./rules")
	}
}

// TestEveryProfileOnce: each profile has one row, and what nothing proves says so.
func TestEveryProfileOnce(t *testing.T) {
	dir := filepath.Join(root, "rules", "profiles")
	text, err := render(dir)
	if err != nil {
		t.Fatal(err)
	}
	set, err := profile.Load(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, " | "); len(cells) >= 7 && strings.HasPrefix(cells[1], "`") {
			name := strings.Trim(cells[1], "`")
			if rows[name] != "" {
				t.Errorf("%s is there twice", name)
			}
			rows[name] = line
		}
	}
	for _, n := range set.Names() {
		if row := rows[n]; row == "" || strings.Contains(row, "written, not tested") != (set.Profile(n).Verified == profile.VerifiedNone) {
			t.Errorf("%s, verified %q, has the row %q", n, set.Profile(n).Verified, row)
		}
	}
	if len(rows) != len(set.Names()) {
		t.Errorf("%d rows for %d profiles", len(rows), len(set.Names()))
	}
}

// TestRow: what one profile reads, with all that it extends.
func TestRow(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"acme.yaml": "# Acme UPS | all models:\n# with a card. More of it.\nprofile: acme\nclass: ups\nverified: none\nsource: [ACME-MIB 2023-04, RFC 1628]\nextends: [base]\nmatch: {sys_object_id: [1.3.6.1.4.1.99999]}\n" +
			"identity: {vendor: Acme, model: {oid: 1.3.1}, serial: {oid: 1.3.2}}\nsensors: [{oid: 1.3.3, class: charge, name: c}]\n",
		"base.yaml": "profile: base\nverified: server\nsource: [x]\nidentity: {version: {oid: 1.3.4}}\ntables:\n  - {name: t, entry: 1.3.9, index: [i], cells: {k: .9}, " +
			"sensors: [{oid: .1, class_from: {cell: k, map: {1: voltage, 2: charge}}}], storage: [{name: s, percent: .2}]}\n",
		"layer.yaml": "# A layer.\nprofile: layer\nmatch: {always: true}\nprocessors: [{oid: 1.3.5, name: p}]\nscalars: [{metric: m, oid: 1.3.6, type: gauge, sensor: {class: count, name: m}}]\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	page, err := render(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"3 profiles: 0 verified by recordings of real devices, 1 by real servers, 1 written, not tested, 1 that say nothing of it.",
		"\n## UPS\n",
		"| Acme | `acme` | own | Acme UPS \\| all models: with a card | identity (model serial version), sensors (charge voltage), storage | written, not tested | ACME-MIB 2023-04, RFC 1628 |\n",
		"|  | `base` | part |  | identity (version), sensors (charge voltage), storage | server | x |\n",
		"|  | `layer` | layer | A layer | sensors (count), processors, raw metrics |  |  |\n",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("missing %q in:\n%s", want, page)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "bad.yaml"), []byte("profile: bad\nclass: toaster\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(dir, filepath.Join(dir, "out.md")); err == nil || !strings.Contains(err.Error(), "bad.yaml:2") {
		t.Errorf("a faulty profile: %v", err)
	}
}
