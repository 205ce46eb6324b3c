package report

import (
	"context"
	"errors"
	"testing"

	"github.com/faultline/faultline/collector/effect"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/outbox"
	"github.com/faultline/faultline/collector/report"
)

type store struct {
	rows []report.Row
	err  error
}

func (s *store) PutReportRow(_ context.Context, r report.Row) error {
	s.rows = append(s.rows, r)
	return s.err
}

func TestRowIsWritten(t *testing.T) {
	s := &store{}
	x, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	out, err := x.Execute(t.Context(), outbox.Job{Incident: incident.Incident{ID: "ab12", Number: "20261121-0042"}})
	if err != nil || out.Word() != effect.OutcomeWritten || len(s.rows) != 1 || s.rows[0].Number != "20261121-0042" {
		t.Fatalf("%+v, %v, %v", out, err, s.rows)
	}
	s.err = errors.New("disk full")
	if _, err := x.Execute(t.Context(), outbox.Job{}); !errors.Is(err, s.err) {
		t.Fatalf("got %v", err)
	}
}
