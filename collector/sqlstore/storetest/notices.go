package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/collector/outbox"
	"github.com/faultline/faultline/collector/people"
	"github.com/faultline/faultline/collector/report"
	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/internal/lang"
)

// testHolding writes in the name of a holder that lost the lease meanwhile.
func testHolding(t *testing.T, e *env) {
	h := e.mustOpen(t, "0001", effect("0001", 1, "ticket"))
	if rows := e.claim(t, t0, 10); len(rows) != 1 {
		t.Fatalf("claimed %d effects, want 1", len(rows))
	}
	if ok, err := e.store.BeginEffect(t.Context(), effect("0001", 1, "ticket").Key, e.gen); !ok || err != nil {
		t.Fatalf("begin: %v, %v", ok, err)
	}
	old := lease.With(t.Context(), e.gen, nil)
	writes := map[string]func() error{
		"setting":       func() error { return e.store.KVPut(old, "a", "1") },
		"settings":      func() error { return e.store.KVPutAll(old, map[string]string{"a": "2"}) },
		"deletion":      func() error { return e.store.KVDelete(old, "a") },
		"row of report": func() error { return e.store.PutReportRow(old, report.FromIncident(h.i)) },
		"number":        func() error { _, err := e.store.Numbers(old, "20261121", 1); return err },
	}
	for _, what := range []string{"setting", "settings", "deletion", "row of report", "number"} {
		if err := writes[what](); err != nil {
			t.Errorf("%s by the holder: %v", what, err)
		}
	}
	before := e.gen
	e.gen = acquire(t, e.store, "node-1")
	for what, write := range writes {
		if err := write(); !errors.Is(err, engine.ErrFenced) {
			t.Errorf("%s by who held the lease before: got %v, want ErrFenced", what, err)
		}
	}
	if n, err := e.store.Numbers(t.Context(), "20261121", 1); err != nil || n != 2 {
		t.Errorf("the next number is %d, %v, want 2", n, err)
	}
	key := effect("0001", 1, "ticket").Key
	if back, err := e.store.RetryEffect(t.Context(), outbox.Retry{Key: key, Generation: before, At: t0}); back || err != nil {
		t.Errorf("put back by who held the lease before: %t, %v", back, err)
	}
	rows, err := e.store.ClaimEffects(t.Context(), e.gen, t0, 10)
	if err != nil || len(rows) != 1 || !rows[0].Ambiguous {
		t.Errorf("the new holder claims %+v, %v, want it as ambiguous", rows, err)
	}
}

// testNotices keeps messages to people with their states, fenced.
func testNotices(t *testing.T, e *env) {
	ctx := t.Context()
	message := func(n int, state string) people.Message {
		return people.Message{Key: fmt.Sprintf("0001/%d/notify/人", n), Incident: fmt.Sprintf("000%d", n%2+1), Round: 1, Receiver: "li", Kind: "mail", Event: "opened",
			Priority: 1, At: t0.Add(time.Duration(n) * time.Minute), Title: lang.Text{ZH: "专线中断", EN: "line down"}, State: state}
	}
	var all []people.Message
	for n, state := range []string{people.MessageQueued, people.MessageSending, people.MessageSent, people.MessageFailed, people.MessageSent} {
		all = append(all, message(n, state))
	}
	if err := e.store.PutNotices(ctx, e.gen, all); err != nil {
		t.Fatal(err)
	}
	all[0].State, all[0].Repeat = people.MessageSent, true
	if err := errors.Join(e.store.PutNotices(ctx, e.gen, all[:1]), e.store.PutNotices(ctx, e.gen, nil)); err != nil {
		t.Fatal(err)
	}
	kept, err := e.store.KeptNotices(ctx)
	if err != nil || len(kept) != len(all) {
		t.Fatalf("kept %d, %v, want %d", len(kept), err, len(all))
	}
	for n := range kept {
		if kept[n].Key != all[n].Key || kept[n].State != all[n].State || kept[n].Repeat != all[n].Repeat || kept[n].Title != all[n].Title || !kept[n].At.Equal(all[n].At) {
			t.Errorf("kept %+v, want %+v", kept[n], all[n])
		}
	}
	for _, q := range []struct {
		name  string
		query sqlstore.NoticeQuery
		want  []int
	}{
		{"all", sqlstore.NoticeQuery{}, []int{4, 3, 2, 1, 0}},
		{"of an incident", sqlstore.NoticeQuery{Incident: "0001"}, []int{4, 2, 0}},
		{"by state", sqlstore.NoticeQuery{States: []string{people.MessageFailed, people.MessageSending}}, []int{3, 1}},
		{"the newest", sqlstore.NoticeQuery{Limit: 2}, []int{4, 3}},
		{"since", sqlstore.NoticeQuery{Since: t0.Add(3 * time.Minute)}, []int{4, 3}},
		{"nothing", sqlstore.NoticeQuery{Incident: "none"}, nil},
	} {
		found, err := e.store.Notices(ctx, q.query)
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, m := range found {
			got = append(got, slices.IndexFunc(all, func(x people.Message) bool { return x.Key == m.Key }))
		}
		if !slices.Equal(got, q.want) {
			t.Errorf("%s: %v, want %v", q.name, got, q.want)
		}
	}
	counts, err := e.store.NoticeCounts(ctx, t0.Add(time.Minute))
	if err != nil || counts[people.MessageSent] != 2 || counts[people.MessageFailed] != 1 || counts[people.MessageQueued] != 0 {
		t.Errorf("counts %v, %v", counts, err)
	}
	for _, gen := range []int64{e.gen - 1, e.gen + 1} {
		if err := e.store.PutNotices(ctx, gen, all[:1]); !errors.Is(err, engine.ErrFenced) {
			t.Errorf("written under generation %d: %v", gen, err)
		}
		if err := e.store.DropNotices(ctx, gen, []string{all[0].Key}); !errors.Is(err, engine.ErrFenced) {
			t.Errorf("dropped under generation %d: %v", gen, err)
		}
	}
	if err := e.store.DropNotices(ctx, e.gen, []string{all[0].Key, all[3].Key, "none"}); err != nil {
		t.Fatal(err)
	}
	if kept, err := e.store.KeptNotices(ctx); err != nil || len(kept) != 3 {
		t.Errorf("%d are left, %v, want 3", len(kept), err)
	}
}
