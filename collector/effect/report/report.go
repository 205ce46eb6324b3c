// Package report carries out the effect "report_row": it writes the incident's
// row of the report as the incident stands. Writing it again replaces it.
package report

import (
	"context"
	"errors"

	"github.com/faultline/faultline/collector/effect"
	"github.com/faultline/faultline/collector/outbox"
	"github.com/faultline/faultline/collector/report"
)

// Store keeps report rows.
type Store interface {
	// PutReportRow writes the row, replacing the incident's earlier one.
	PutReportRow(ctx context.Context, r report.Row) error
}

// New returns the executor.
func New(s Store) (outbox.Executor, error) {
	if s == nil {
		return nil, errors.New("report effect: a store is required")
	}
	return outbox.Func(func(ctx context.Context, j outbox.Job) (outbox.Outcome, error) {
		if err := s.PutReportRow(ctx, report.FromIncident(j.Incident)); err != nil {
			return outbox.Outcome{}, err
		}
		return outbox.Finish(effect.OutcomeWritten, nil), nil
	}), nil
}
