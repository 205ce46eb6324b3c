package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/report"
	"github.com/faultline/faultline/collector/sqlstore"
)

func testQuery(t *testing.T, e *env) {
	for n := range 7 {
		h := opened(fmt.Sprintf("%04d", n))
		h.i.OpenedAt = t0.Add(time.Duration(n/2) * time.Minute) // pairs share a moment
		if n%3 == 0 {
			h.i.State = incident.StateClosed
		}
		if n == 5 {
			h.i.Diagnosis.Site, h.i.Diagnosis.Class = "branch-9", incident.ClassPower
		}
		if err := e.commit(t.Context(), h.change(t, event(incident.Opened, h.i.ID))); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name string
		q    sqlstore.Query
		want []string
	}{
		{"all", sqlstore.Query{}, []string{"0006", "0005", "0004", "0003", "0002", "0001", "0000"}},
		{"closed", sqlstore.Query{States: []string{incident.StateClosed}}, []string{"0006", "0003", "0000"}},
		{"two states", sqlstore.Query{States: []string{incident.StateOpen, incident.StateVerified}}, []string{"0005", "0004", "0002", "0001"}},
		{"site", sqlstore.Query{Sites: []string{"branch-9", "branch-8"}}, []string{"0005"}},
		{"class", sqlstore.Query{Class: incident.ClassPower}, []string{"0005"}},
		{"since", sqlstore.Query{Since: t0.Add(2 * time.Minute)}, []string{"0006", "0005", "0004"}},
		{"nothing", sqlstore.Query{Sites: []string{"nowhere"}}, []string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, limit := range []int{0, 1, 2, 3, 100} {
				q := tt.q
				q.Limit = limit
				want(t, e.pages(t, q), tt.want...)
			}
		})
	}
	if _, _, err := e.store.Incidents(t.Context(), sqlstore.Query{Cursor: "rubbish!"}); err == nil {
		t.Fatal("a foreign cursor was taken")
	}
	open, err := e.store.OpenIncidents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want(t, ids(open), "0001", "0002", "0004", "0005")
}

// pages reads all pages of a query.
func (e *env) pages(t *testing.T, q sqlstore.Query) []string {
	t.Helper()
	got := []string{}
	for {
		page, next, err := e.store.Incidents(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if q.Limit > 0 && len(page) > q.Limit {
			t.Fatalf("page of %d, limit %d", len(page), q.Limit)
		}
		got = append(got, ids(page)...)
		if q.Cursor = next; next == "" {
			return got
		}
	}
}

func ids(is []incident.Incident) []string {
	out := make([]string, len(is))
	for n, i := range is {
		out[n] = i.ID
	}
	return out
}

func testReopen(t *testing.T, e *env) {
	f := effect("0001", 1, incident.EffectReport)
	h := e.mustOpen(t, "0001", f)
	if _, err := e.store.Numbers(t.Context(), "20261121", 1); err != nil {
		t.Fatal(err)
	}
	e.reopen(t)
	if err := e.store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	open, err := e.store.OpenIncidents(t.Context())
	if err != nil || len(open) != 1 {
		t.Fatalf("open incidents %v, %v", open, err)
	}
	if d := cmp.Diff(open[0], h.i); d != "" {
		t.Fatalf("incident (-got +want):\n%s", d)
	}
	want(t, e.claim(t, t0, 10), f.Key)
	if n, err := e.store.Numbers(t.Context(), "20261121", 1); err != nil || n != 2 {
		t.Fatalf("number %d, %v; want 2", n, err)
	}
	if err := e.commit(t.Context(), h.change(t, event(incident.Acked, "a"))); err != nil {
		t.Fatal(err)
	}
}

func testPrune(t *testing.T, e *env) {
	see := func(id string) {
		t.Helper()
		if err := e.store.Commit(t.Context(), engine.Commit{Generation: e.gen, Seen: []string{id}}); err != nil {
			t.Fatal(err)
		}
	}
	see("old")
	e.now = t0.Add(time.Hour)
	see("new")
	n, err := e.store.PruneSeen(t.Context(), t0.Add(time.Minute))
	if err != nil || n != 1 {
		t.Fatalf("pruned %d, %v; want 1", n, err)
	}
}

func testAccounts(t *testing.T, e *env) {
	ctx := t.Context()
	if _, err := e.store.UserByName(ctx, "zhang"); !errors.Is(err, engine.ErrNotFound) {
		t.Fatalf("unknown user: %v", err)
	}
	u := account.User{ID: "u1", Name: "zhang", PasswordHash: "$argon2id$x", Roles: []string{"hq_network"}, Sites: []string{"hq", "branch-2"},
		Language: "zh-CN", MustChange: true, CreatedAt: t0}
	if err := e.store.PutUser(ctx, u); err != nil {
		t.Fatal(err)
	}
	u.MustChange, u.Disabled, u.Name = false, true, "zhang.wei"
	if err := e.store.PutUser(ctx, u); err != nil {
		t.Fatal(err)
	}
	if err := e.store.PutUser(ctx, account.User{ID: "u2", Name: "zhang.wei"}); err == nil {
		t.Fatal("two users of one name")
	}
	if err := e.store.PutUser(ctx, account.User{ID: "u2", Name: "li"}); err != nil {
		t.Fatal(err)
	}
	got, err := e.store.UserByName(ctx, "zhang.wei")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(got, u); d != "" {
		t.Fatalf("user (-got +want):\n%s", d)
	}
	users, err := e.store.Users(ctx)
	if err != nil || len(users) != 2 || users[0].Name != "li" {
		t.Fatalf("users %v, %v", users, err)
	}
	tok := account.Token{Hash: "ab12", Name: "ci", Roles: []string{"admin"}, Expires: t0.AddDate(300, 0, 0)}
	if err := e.store.PutToken(ctx, tok); err != nil {
		t.Fatal(err)
	}
	gotTok, err := e.store.TokenByHash(ctx, "ab12")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(gotTok, tok); d != "" {
		t.Fatalf("token (-got +want):\n%s", d)
	}
	if _, err := e.store.TokenByHash(ctx, "ffff"); !errors.Is(err, engine.ErrNotFound) {
		t.Fatalf("unknown token: %v", err)
	}
}

func testSessions(t *testing.T, e *env) {
	ctx, s := t.Context(), e.store.Sessions()
	data := []byte{0, 1, 0xff, 'x'}
	if err := s.CommitCtx(ctx, "tok", data, t0.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	got, found, err := s.FindCtx(ctx, "tok")
	if err != nil || !found || string(got) != string(data) {
		t.Fatalf("find: %v %v %v", got, found, err)
	}
	if _, found, err := s.Find("other"); err != nil || found {
		t.Fatalf("unknown session: %v %v", found, err)
	}
	e.now = t0.Add(time.Hour)
	if _, found, err := s.FindCtx(ctx, "tok"); err != nil || found {
		t.Fatalf("expired session: %v %v", found, err)
	}
	if n, err := s.Prune(ctx); err != nil || n != 1 {
		t.Fatalf("pruned %d, %v", n, err)
	}
	if err := s.Commit("tok2", data, e.now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for range 2 { // deleting what is not there is no error
		if err := s.DeleteCtx(ctx, "tok2"); err != nil {
			t.Fatal(err)
		}
	}
	if _, found, err := s.FindCtx(ctx, "tok2"); err != nil || found {
		t.Fatalf("deleted session: %v %v", found, err)
	}
}

func testAudit(t *testing.T, e *env) {
	for n := range 5 {
		entry := account.AuditEntry{At: t0, Actor: "zhang", Action: "sign_in", Object: fmt.Sprint(n), Remote: "192.0.2.7"}
		if err := e.store.Audit(t.Context(), entry); err != nil {
			t.Fatal(err)
		}
	}
	got, err := e.store.AuditEntries(t.Context(), 3)
	if err != nil || len(got) != 3 {
		t.Fatalf("%d entries, %v", len(got), err)
	}
	for n, a := range got {
		if a.Object != fmt.Sprint(4-n) || a.Actor != "zhang" || !a.At.Equal(t0) {
			t.Fatalf("entry %d: %+v", n, a)
		}
	}
}

func testKV(t *testing.T, e *env) {
	ctx := t.Context()
	if _, err := e.store.KVGet(ctx, "salt"); !errors.Is(err, engine.ErrNotFound) {
		t.Fatalf("unknown setting: %v", err)
	}
	for _, v := range []string{"one", "two"} {
		if got, err := e.store.KVInit(ctx, "salt", v); err != nil || got != "one" {
			t.Fatalf("init: %q, %v", got, err)
		}
	}
	if err := e.store.KVPut(ctx, "salt", "three"); err != nil {
		t.Fatal(err)
	}
	if got, err := e.store.KVGet(ctx, "salt"); err != nil || got != "three" {
		t.Fatalf("get: %q, %v", got, err)
	}
}

func testReport(t *testing.T, e *env) {
	h := opened("0001")
	row := report.FromIncident(h.i)
	for range 2 {
		row.ClosedAt = row.ClosedAt.Add(time.Hour)
		if err := e.store.PutReportRow(t.Context(), row); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := e.store.ReportRows(t.Context(), t0, t0.Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(rows, []report.Row{row}); d != "" {
		t.Fatalf("rows (-got +want):\n%s", d)
	}
	for _, span := range [][2]time.Time{{t0.Add(time.Second), {}}, {{}, t0}} {
		if rows, err := e.store.ReportRows(t.Context(), span[0], span[1]); err != nil || len(rows) != 0 {
			t.Fatalf("rows of %v: %v, %v", span, rows, err)
		}
	}
}

// testChanged: only what is not at the version known is read whole.
func testChanged(t *testing.T, e *env) {
	var all []*history
	for n := range changedCount {
		h := opened(fmt.Sprintf("%04d", n))
		h.i.OpenedAt = t0.Add(time.Duration(n) * time.Second)
		if err := e.commit(t.Context(), h.change(t, event(incident.Opened, h.i.ID))); err != nil {
			t.Fatal(err)
		}
		all = append(all, h)
	}
	known := map[string]int64{}
	ask := func(since time.Time, want ...string) {
		t.Helper()
		versions, changed, err := e.store.ChangedIncidents(t.Context(), since, known)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int64{}
		for _, i := range changed {
			got[i.ID] = i.Version
		}
		for _, id := range want {
			if got[id] == 0 || got[id] != versions[id] {
				t.Errorf("%s at version %d, want %d", id, got[id], versions[id])
			}
		}
		if want != nil && len(got) != len(want) {
			t.Errorf("%d were read, want %d", len(got), len(want))
		}
		known = versions
	}
	ask(t0)
	if len(known) != changedCount {
		t.Fatalf("%d versions, want %d", len(known), changedCount)
	}
	ask(t0, []string{}...)
	if err := e.commit(t.Context(), all[7].change(t, event(incident.Commented, "said"))); err != nil {
		t.Fatal(err)
	}
	ask(t0, "0007")
	ask(t0.Add((changedCount - 2) * time.Second))
	if len(known) != 2 {
		t.Errorf("%d versions of the last two", len(known))
	}
}

// changedCount is more than are read by their ids.
const changedCount = 203
