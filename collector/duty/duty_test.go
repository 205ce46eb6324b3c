package duty

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/people"
)

type settings map[string]string

func (s settings) KVGet(_ context.Context, name string) (string, error) {
	if v, ok := s[name]; ok {
		return v, nil
	}
	return "", engine.ErrNotFound
}

func (s settings) KVPut(_ context.Context, name, value string) error { s[name] = value; return nil }

func (s settings) KVList(_ context.Context, prefix string) (map[string]string, error) {
	out := maps.Clone(s)
	maps.DeleteFunc(out, func(k, _ string) bool { return !strings.HasPrefix(k, prefix) })
	return out, nil
}

func (s settings) KVDelete(_ context.Context, names ...string) error {
	for _, n := range names {
		delete(s, n)
	}
	return nil
}

// t0 is a Monday in a week of wang's.
var t0 = time.Date(2026, 1, 5, 4, 0, 0, 0, time.UTC)

type book struct {
	*Book
	now     time.Time
	audited []string
	access  map[string]bool
}

func newBook(t *testing.T, kept settings) *book {
	t.Helper()
	d, err := people.Load(fstest.MapFS{"p.yaml": {Data: []byte(`apiVersion: faultline/v1
kind: People
people:
  - {id: wang, name: 王工, roles: [hq_network], deputies: [qian]}
  - {id: zhao, name: 赵工, roles: [hq_network]}
  - {id: qian, name: 钱工, roles: [hq_network]}
rotas:
  - id: net
    title: {zh-CN: 网络值班, en: network}
    role: hq_network
    rotations: [{id: w, people: [wang, zhao], start: "2026-01-05T09:00", every: 1w}]
`)}}, people.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := &book{now: t0, access: map[string]bool{}}
	b.Book, err = Open(t.Context(), Options{Store: kept, Base: func() *people.Directory { return d }, Now: func() time.Time { return b.now },
		Access: func(context.Context) (map[string]bool, error) { return b.access, nil },
		Audit: func(_ context.Context, by, action, _, _ string) error {
			b.audited = append(b.audited, by+" "+action)
			return nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *book) serves(at time.Time) string {
	var out []string
	for _, x := range b.Directory().Who("hq_network", "", at) {
		out = append(out, x.Person)
	}
	return strings.Join(out, ",")
}

func TestSwapNeedsTheOther(t *testing.T) {
	kept := settings{}
	b, other := newBook(t, kept), newBook(t, kept)
	c, err := b.Add(t.Context(), "wang", Change{Kind: Swap, Rota: "net", First: "wang", FirstAt: t0, Second: "zhao", SecondAt: t0.AddDate(0, 0, 7)})
	if err != nil || b.serves(t0) != "wang" {
		t.Fatalf("asked for: %v, %s serves", err, b.serves(t0))
	}
	var refused *Refused
	if err := other.Agree(t.Context(), "qian", c.ID); !errors.As(err, &refused) {
		t.Errorf("somebody else agrees: %v", err)
	}
	if err := other.Agree(t.Context(), "zhao", c.ID); err != nil || other.serves(t0) != "zhao" || other.serves(t0.AddDate(0, 0, 7)) != "wang" {
		t.Errorf("agreed on another collector: %v, %s serves", err, other.serves(t0))
	}
	if err := b.Refresh(t.Context()); err != nil || b.serves(t0) != "zhao" {
		t.Errorf("the first collector: %v, %s serves", err, b.serves(t0))
	}
	if err := b.Undo(t.Context(), "wang", c.ID); err != nil || b.serves(t0) != "wang" {
		t.Errorf("undone: %v, %s serves", err, b.serves(t0))
	}
	if got := slices.Concat(b.audited, other.audited); !slices.Equal(got, []string{"wang duty.swap", "wang duty.swap_undone", "zhao duty.swap_agreed"}) {
		t.Errorf("audited %q", got)
	}
	b.now = t0.Add(Keep + 24*time.Hour)
	if err := b.Prune(t.Context()); err != nil || len(kept) != 0 {
		t.Errorf("%v, still kept: %v", err, kept)
	}
}

func TestAbsenceAndAccess(t *testing.T) {
	b := newBook(t, settings{})
	if _, err := b.Add(t.Context(), "wang", Change{Kind: Absence, Absence: &people.Absence{Person: "wang", From: "2026-01-05T00:00", To: "2026-01-06T00:00"}}); err != nil {
		t.Fatal(err)
	}
	if got := b.serves(t0); got != "qian" {
		t.Errorf("while wang is away %s serves", got)
	}
	b.access = map[string]bool{"qian": false}
	if err := b.Refresh(t.Context()); err != nil || b.serves(t0) == "qian" {
		t.Errorf("who lost access is told: %v, %s", err, b.serves(t0))
	}
	var refused *Refused
	for _, c := range []Change{
		{Kind: Absence, Absence: &people.Absence{Person: "nobody", From: "2026-01-05T00:00", To: "2026-01-06T00:00"}},
		{Kind: Override, Rota: "net", Override: &people.Override{Person: "zhao", From: "2026-01-06T00:00", To: "2026-01-05T00:00"}},
		{Kind: Override, Rota: "none", Override: &people.Override{Person: "zhao", From: "2026-01-05T00:00", To: "2026-01-06T00:00"}},
		{Kind: Calendar, Rota: "net", ICS: "no calendar"},
	} {
		if _, err := b.Add(t.Context(), "wang", c); !errors.As(err, &refused) {
			t.Errorf("%s %s: %v", c.Kind, c.Rota, err)
		}
	}
}

func TestHandOver(t *testing.T) {
	b := newBook(t, settings{})
	at := time.Date(2026, 1, 12, 1, 0, 0, 0, time.UTC) // Monday 09:00 in Shanghai
	if err := b.Note(t.Context(), "wang", "net", at, "专线 2 观察中"); err != nil {
		t.Fatal(err)
	}
	var refused *Refused
	if err := b.Accept(t.Context(), "qian", "net", at); !errors.As(err, &refused) {
		t.Errorf("somebody else takes over: %v", err)
	}
	if err := b.Accept(t.Context(), "zhao", "net", at); err != nil {
		t.Fatal(err)
	}
	list, err := b.HandOvers(t.Context(), "net", at.Add(-time.Hour), at.Add(time.Hour))
	if err != nil || len(list) != 1 || list[0].Accepted != "zhao" || len(list[0].Notes) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	if err := b.Note(t.Context(), "wang", "net", at.Add(time.Minute), "x"); !errors.Is(err, ErrNone) {
		t.Errorf("a note on no change of duty: %v", err)
	}
}
