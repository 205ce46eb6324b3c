package embedded

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"

	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/plugins/base"
)

const (
	defaultLookback = 5 * time.Minute
	maxQuerySamples = 50_000_000
)

func newEngine(opts Options) *promql.Engine {
	return promql.NewEngine(promql.EngineOpts{
		Logger:               quietLogger(opts.Logger, "promql"),
		MaxSamples:           maxQuerySamples,
		Timeout:              opts.QueryTimeout,
		LookbackDelta:        defaultLookback,
		EnableAtModifier:     true,
		EnableNegativeOffset: true,
		ActiveQueryTracker:   make(gate, opts.MaxQueries),
		NoStepSubqueryIntervalFn: func(int64) int64 {
			return time.Minute.Milliseconds()
		},
	})
}

// gate bounds the queries evaluated at once.
type gate chan struct{}

// GetMaxConcurrent implements promql.QueryTracker.
func (g gate) GetMaxConcurrent() int { return cap(g) }

// Insert implements promql.QueryTracker: it waits for a free place.
func (g gate) Insert(ctx context.Context, _ string) (int, error) {
	select {
	case g <- struct{}{}:
		return 0, nil
	case <-ctx.Done():
		return 0, fmt.Errorf("wait for other queries: %w", ctx.Err())
	}
}

// Delete implements promql.QueryTracker.
func (g gate) Delete(int) { <-g }

// Close implements promql.QueryTracker.
func (g gate) Close() error { return nil }

// Instant implements metricstore.Querier.
func (s *Store) Instant(ctx context.Context, expr string, at time.Time, lookback time.Duration) ([]metricstore.Vector, error) {
	q, err := s.engine.NewInstantQuery(ctx, queryable{s}, promql.NewPrometheusQueryOpts(false, lookback), expr, at)
	if err != nil {
		return nil, fmt.Errorf("query %q: %w", expr, err)
	}
	defer q.Close()
	res := q.Exec(ctx)
	if res.Err != nil {
		return nil, fmt.Errorf("query %q: %w", expr, res.Err)
	}
	switch v := res.Value.(type) {
	case promql.Vector:
		out := make([]metricstore.Vector, 0, len(v))
		for _, e := range v {
			if e.H == nil {
				out = append(out, metricstore.Vector{Labels: toBase(e.Metric), T: e.T, V: e.F})
			}
		}
		return out, nil
	case promql.Scalar:
		return []metricstore.Vector{{T: v.T, V: v.V}}, nil
	default:
		return nil, fmt.Errorf("query %q: a %s is not a vector", expr, res.Value.Type())
	}
}

// Range implements metricstore.Querier.
func (s *Store) Range(ctx context.Context, expr string, start, end time.Time, step, lookback time.Duration) ([]metricstore.Series, error) {
	q, err := s.engine.NewRangeQuery(ctx, queryable{s}, promql.NewPrometheusQueryOpts(false, lookback), expr, start, end, step)
	if err != nil {
		return nil, fmt.Errorf("query %q: %w", expr, err)
	}
	defer q.Close()
	res := q.Exec(ctx)
	if res.Err != nil {
		return nil, fmt.Errorf("query %q: %w", expr, res.Err)
	}
	m, ok := res.Value.(promql.Matrix)
	if !ok {
		return nil, fmt.Errorf("query %q: unexpected %s", expr, res.Value.Type())
	}
	out := make([]metricstore.Series, 0, len(m))
	for _, e := range m {
		points := make([]metricstore.Point, len(e.Floats))
		for i, f := range e.Floats {
			points[i] = metricstore.Point{T: f.T, V: f.F}
		}
		out = append(out, metricstore.Series{Labels: toBase(e.Metric), Points: points})
	}
	return out, nil
}

func toBase(ls labels.Labels) base.Labels {
	out := make(base.Labels, 0, ls.Len())
	ls.Range(func(l labels.Label) { out = append(out, base.Label{Name: l.Name, Value: l.Value}) })
	return out
}

// queryable gives queriers that keep the generation open until they are closed.
type queryable struct{ s *Store }

// Querier implements storage.Queryable.
func (q queryable) Querier(mint, maxt int64) (storage.Querier, error) {
	gen, err := q.s.acquire()
	if err != nil {
		return nil, err
	}
	inner, err := gen.db.Querier(mint, maxt)
	if err != nil {
		q.s.release()
		return nil, fmt.Errorf("metric store: %w", err)
	}
	return &querier{Querier: inner, s: q.s}, nil
}

// ChunkQuerier implements storage.ChunkQueryable; only remote read would need it.
func (queryable) ChunkQuerier(_, _ int64) (storage.ChunkQuerier, error) {
	return nil, errors.New("metric store: chunks are not served")
}

// ExemplarQuerier implements storage.ExemplarQueryable: there are never any.
func (queryable) ExemplarQuerier(context.Context) (storage.ExemplarQuerier, error) {
	return noExemplars{}, nil
}

type querier struct {
	storage.Querier
	s      *Store
	closed bool
}

// Close implements storage.Querier. The engine may close a querier twice.
func (q *querier) Close() error {
	if q.closed {
		return nil
	}
	q.closed = true
	defer q.s.release()
	return q.Querier.Close()
}

type noExemplars struct{}

// Select implements storage.ExemplarQuerier.
func (noExemplars) Select(_, _ int64, _ ...[]*labels.Matcher) ([]exemplar.QueryResult, error) {
	return []exemplar.QueryResult{}, nil
}
