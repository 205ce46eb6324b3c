package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/inspection"
	"github.com/faultline/faultline/collector/register"
	"github.com/faultline/faultline/collector/scoreboard"
)

// testImports keeps imports with their files, and lists them without.
func testImports(t *testing.T, e *env) {
	ctx := t.Context()
	var want []register.Import
	for n := range 3 {
		i := register.Import{ID: string(rune('a' + n)), At: t0.Add(time.Duration(n) * time.Minute), By: "wang", State: register.Previewed,
			Plan: register.Plan{Same: n, Files: []register.FileEdit{{Name: "x.yaml", Before: "# 旧\n", After: "新\n"}}}}
		if err := e.store.PutImport(ctx, i); err != nil {
			t.Fatal(err)
		}
		want = append(want, i)
	}
	want[1].State, want[1].ChangedBy = register.Applied, "li"
	if err := e.store.PutImport(ctx, want[1]); err != nil {
		t.Fatal(err)
	}
	got, err := e.store.Import(ctx, "b")
	if err != nil || cmp.Diff(want[1], got) != "" {
		t.Fatalf("%v\n%s", err, cmp.Diff(want[1], got))
	}
	list, err := e.store.Imports(ctx, 2)
	if err != nil || len(list) != 2 || list[0].ID != "c" || list[1].State != register.Applied || list[0].Plan.Files != nil {
		t.Fatalf("%v, %+v", err, list)
	}
	if _, err := e.store.Import(ctx, "none"); !errors.Is(err, engine.ErrNotFound) {
		t.Fatalf("none: %v", err)
	}
}

// testInspections: a signed sheet stays as it is; spot checks add up.
func testInspections(t *testing.T, e *env) {
	ctx, s := t.Context(), e.store.Inspections()
	r := inspection.Record{Site: "b1", Day: "2026-11-20", SignedBy: "li", SignedAt: t0.Truncate(time.Microsecond), Answers: []inspection.Answer{{Item: "fire", Said: inspection.OK}}, Hash: "h"}
	if err := s.Sign(ctx, r); err != nil {
		t.Fatal(err)
	}
	forged := r
	forged.SignedBy = "other"
	if err := s.Sign(ctx, forged); !errors.Is(err, inspection.ErrSigned) {
		t.Fatalf("signed twice: %v", err)
	}
	other := r
	other.Site, other.Day = "b2", "2026-11-21"
	if err := s.Sign(ctx, other); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		site, from, to string
		want           []inspection.Record
	}{
		{"b1", "2026-11-01", "2026-11-30", []inspection.Record{r}}, {"", "2026-11-20", "2026-11-21", []inspection.Record{r, other}},
		{"", "2026-11-21", "2026-11-21", []inspection.Record{other}}, {"b3", "2026-11-01", "2026-11-30", []inspection.Record{}},
	} {
		got, err := s.Signed(ctx, c.site, c.from, c.to)
		if err != nil || cmp.Diff(c.want, got) != "" {
			t.Fatalf("%+v: %v\n%s", c, err, cmp.Diff(c.want, got))
		}
	}
	for _, id := range []string{"1", "2"} {
		if err := s.PutCheck(ctx, inspection.Check{ID: id, Site: "b1", Day: r.Day, At: t0, By: "zhao", Agrees: id == "1"}); err != nil {
			t.Fatal(err)
		}
	}
	checks, err := s.Checks(ctx, "b1", r.Day, r.Day)
	if err != nil || len(checks) != 2 {
		t.Fatalf("%v, %+v", err, checks)
	}
}

// testLinks keeps links by the hash of their token until they expire.
func testLinks(t *testing.T, e *env) {
	ctx := t.Context()
	_, l := scoreboard.NewLink("ct", "2026-11", "wang", t0)
	if err := e.store.PutLink(ctx, l); err != nil {
		t.Fatal(err)
	}
	l.Revoked = true
	if err := e.store.PutLink(ctx, l); err != nil {
		t.Fatal(err)
	}
	got, err := e.store.LinkByHash(ctx, l.Hash)
	if err != nil || cmp.Diff(l, got) != "" {
		t.Fatalf("%v, %s", err, cmp.Diff(l, got))
	}
	for at, want := range map[time.Time]int{t0: 1, l.Expires: 0} {
		if list, err := e.store.Links(ctx, at); err != nil || len(list) != want {
			t.Fatalf("at %s: %v, %+v", at, err, list)
		}
	}
	if _, err := e.store.LinkByHash(ctx, "none"); !errors.Is(err, engine.ErrNotFound) {
		t.Fatalf("none: %v", err)
	}
}
