package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/reporter"
	"github.com/faultline/faultline/collector/writeup"
)

// testReporting keeps reports by their links and tells which go on.
func testReporting(t *testing.T, e *env) {
	ctx := t.Context()
	e.mustOpen(t, "rep-1")
	r := reporter.Report{ID: "r1", IncidentID: "rep-1", Site: "hq", Category: reporter.System, Symptoms: "打不开 ' \" \\", Name: "李", Language: "zh-CN",
		By: incident.Actor{Kind: "person", Name: "李"}, At: t0}
	if err := e.store.PutReport(ctx, r, "hash-1"); err != nil {
		t.Fatal(err)
	}
	got, err := e.store.ReportByLink(ctx, "hash-1")
	if err != nil || cmp.Diff(r, got) != "" {
		t.Fatalf("%v\n%s", err, cmp.Diff(r, got))
	}
	if _, err := e.store.ReportByLink(ctx, "hash-2"); !errors.Is(err, engine.ErrNotFound) {
		t.Fatalf("no such link: %v", err)
	}
	later := r
	later.ID, later.At = "r2", t0.Add(time.Minute)
	if err := e.store.PutReport(ctx, later, "hash-1"); err == nil {
		t.Fatal("two reports have one link")
	}
	if err := e.store.PutReport(ctx, later, "hash-2"); err != nil {
		t.Fatal(err)
	}
	r.Answer, r.Over = reporter.AnswerOK, true
	if err := e.store.UpdateReport(ctx, r); err != nil {
		t.Fatal(err)
	}
	if err := e.store.UpdateReport(ctx, reporter.Report{ID: "none"}); !errors.Is(err, engine.ErrNotFound) {
		t.Fatalf("no such report: %v", err)
	}
	all, err := e.store.ReportsOf(ctx, "rep-1")
	if err != nil || cmp.Diff([]reporter.Report{r, later}, all) != "" {
		t.Fatalf("%v\n%s", err, cmp.Diff([]reporter.Report{r, later}, all))
	}
	open, err := e.store.ReportsToTell(ctx, 10)
	if err != nil || cmp.Diff([]reporter.Report{later}, open) != "" {
		t.Fatalf("%v\n%s", err, cmp.Diff([]reporter.Report{later}, open))
	}
}

// testEditions writes each version once.
func testEditions(t *testing.T, e *env) {
	ctx := t.Context()
	e.mustOpen(t, "ed-1")
	var want []writeup.Edition
	for n := 1; n <= 11; n++ { // by number, not by letter
		ed := writeup.Edition{IncidentID: "ed-1", Kind: writeup.IncidentReport, Version: n, Fields: writeup.Fields{writeup.FieldLessons: "教训"}, By: "li", At: t0}
		if err := e.store.PutEdition(ctx, ed); err != nil {
			t.Fatal(err)
		}
		want = append(want, ed)
	}
	if err := e.store.PutEdition(ctx, want[3]); !errors.Is(err, engine.ErrConflict) {
		t.Fatalf("an edition is written twice: %v", err)
	}
	got, err := e.store.Editions(ctx, "ed-1", writeup.IncidentReport)
	if err != nil || cmp.Diff(want, got) != "" {
		t.Fatalf("%v\n%s", err, cmp.Diff(want, got))
	}
	if got, err := e.store.Editions(ctx, "ed-1", writeup.Emergency); err != nil || len(got) != 0 {
		t.Fatalf("%v, %v", got, err)
	}
}
