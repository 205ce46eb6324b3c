package embedded

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/compression"

	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/plugins/base"
)

const walCompression = compression.Snappy

// scratch is what one Append works with; it is reused.
type scratch struct {
	builder labels.ScratchBuilder
	labels  labels.Labels // overwritten for each series, never kept
}

func newScratch() *scratch { return &scratch{builder: labels.NewScratchBuilder(32)} }

// set makes sc.labels the series' labels without allocating.
func (sc *scratch) set(ls base.Labels) {
	sc.builder.Reset()
	for i := range ls {
		sc.builder.Add(ls[i].Name, ls[i].Value)
	}
	sc.builder.Overwrite(&sc.labels)
}

// Append implements metricstore.Appender.
func (s *Store) Append(ctx context.Context, series []metricstore.Series) (metricstore.Stats, error) {
	stats, err := s.append(ctx, series)
	if err != nil {
		s.metrics.appendErrors.Inc()
		return metricstore.Stats{}, fmt.Errorf("metric store append: %w", err)
	}
	s.metrics.appended.Add(float64(stats.Appended))
	return stats, nil
}

func (s *Store) append(ctx context.Context, series []metricstore.Series) (metricstore.Stats, error) {
	if err := ctx.Err(); err != nil {
		return metricstore.Stats{}, err
	}
	if err := s.Ready(); err != nil {
		return metricstore.Stats{}, err
	}
	gen, err := s.acquire()
	if err != nil {
		return metricstore.Stats{}, err
	}
	defer s.release()
	a := appending{
		app:     gen.db.Appender(ctx),
		scratch: s.scratch.Get().(*scratch),
		limit:   s.opts.Now().Add(s.opts.MaxAhead).UnixMilli(),
	}
	defer s.scratch.Put(a.scratch)
	if a.known, _ = a.app.(storage.GetRef); a.known == nil {
		return metricstore.Stats{}, errors.Join(errors.New("engine gives no references"), a.app.Rollback())
	}
	for i := range series {
		if err := a.series(&series[i]); err != nil {
			return metricstore.Stats{}, errors.Join(err, a.app.Rollback())
		}
	}
	if err := a.app.Commit(); err != nil {
		s.fail(err)
		return metricstore.Stats{}, err
	}
	// A commit that followed another's torn record, and one whose late samples
	// could not be logged, returns no error of its own.
	if err := gen.watch.err(); err != nil {
		s.fail(err)
		return metricstore.Stats{}, err
	}
	for reason, n := range a.stats.ByReason {
		s.metrics.rejected.WithLabelValues(reason).Add(float64(n))
	}
	s.sequence.Add(1)
	return a.stats, nil
}

// appending is one Append under way.
type appending struct {
	app     storage.Appender
	known   storage.GetRef
	scratch *scratch
	limit   int64 // newest acceptable time, milliseconds
	stats   metricstore.Stats
}

func (a *appending) series(s *metricstore.Series) error {
	a.scratch.set(s.Labels)
	ls := a.scratch.labels
	ref, kept := a.known.GetRef(ls, ls.Hash())
	if ref != 0 {
		ls = kept
	} else {
		ls = ls.Copy()
	}
	for i, p := range s.Points {
		if p.T > a.limit {
			a.stats.Reject(s.Labels, metricstore.ReasonTooFarAhead, 1)
			continue
		}
		if i > 0 && s.Points[i-1].T == p.T && math.Float64bits(s.Points[i-1].V) != math.Float64bits(p.V) {
			a.stats.Reject(s.Labels, metricstore.ReasonDuplicateTime, 1)
			continue
		}
		got, err := a.app.Append(ref, ls, p.T, p.V)
		if err != nil {
			reason := rejection(err)
			if reason == "" {
				return err
			}
			a.stats.Reject(s.Labels, reason, 1)
			continue
		}
		ref = got
		a.stats.Appended++
	}
	return nil
}

// rejection tells which fault of the sample itself err is, or "".
func rejection(err error) string {
	switch {
	case errors.Is(err, storage.ErrTooOldSample), errors.Is(err, storage.ErrOutOfBounds), errors.Is(err, storage.ErrOutOfOrderSample):
		return metricstore.ReasonTooOld
	case errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
		return metricstore.ReasonDuplicateTime
	case errors.Is(err, tsdb.ErrInvalidSample):
		return metricstore.ReasonInvalidLabels
	default:
		return ""
	}
}
