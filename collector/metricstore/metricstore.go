// Package metricstore says what the collector needs of a time-series engine.
// The engines themselves are in embedded, remote and influx.
package metricstore

import (
	"context"
	"slices"
	"time"

	"github.com/faultline/faultline/plugins/base"
)

// Point is one value; T is milliseconds since the Unix epoch.
type Point struct {
	T int64
	V float64
}

// Series is points of one label set, oldest first.
type Series struct {
	Labels base.Labels
	Points []Point
}

// Reasons of Rejection that every engine and the ingest use alike.
const (
	ReasonTooOld            = "too_old"             // older than the engine takes out of order
	ReasonTooFarAhead       = "too_far_ahead"       // the sender's clock is wrong
	ReasonDuplicateTime     = "duplicate_timestamp" // another value is stored for the moment; the first one stays
	ReasonInvalidLabels     = "invalid_labels"      // no metric name, a bad name, text that is not UTF-8
	ReasonDuplicateLabels   = "duplicate_labels"    // a label name occurs twice
	ReasonLabelLimit        = "label_limit"         // too many or too long labels
	ReasonNativeHistogram   = "native_histogram"    // not stored by this collector
	MaxNamedRejections      = 100                   // how many Rejections a Stats names
	MaxAhead                = 10 * time.Minute      // how far in the future a sample may be
	DefaultOutOfOrderWindow = 8 * 24 * time.Hour    // more than the agents' spools keep
)

// Rejection says why a sample was refused for good: sending it again is useless.
type Rejection struct {
	Labels base.Labels
	Reason string // too_old, too_far_ahead, duplicate_labels, ...
}

// Stats is the outcome of an Append.
type Stats struct {
	Appended   int         // samples stored, repeats of a stored sample included
	Rejections []Rejection // at most 100 are named
	Rejected   int
	ByReason   map[string]int // Rejected by reason; nil when there are none
}

// Reject counts n samples of the labels as refused and names them if there is
// room. It copies the labels.
func (s *Stats) Reject(labels base.Labels, reason string, n int) {
	if s.ByReason == nil {
		s.ByReason = map[string]int{}
	}
	s.Rejected += n
	s.ByReason[reason] += n
	if len(s.Rejections) < MaxNamedRejections {
		s.Rejections = append(s.Rejections, Rejection{Labels: slices.Clone(labels), Reason: reason})
	}
}

// Add adds another outcome to this one.
func (s *Stats) Add(o Stats) {
	s.Appended += o.Appended
	s.Rejected += o.Rejected
	s.Rejections = append(s.Rejections, o.Rejections[:min(len(o.Rejections), max(0, MaxNamedRejections-len(s.Rejections)))]...)
	for reason, n := range o.ByReason {
		if s.ByReason == nil {
			s.ByReason = map[string]int{}
		}
		s.ByReason[reason] += n
	}
}

// Appender stores samples. It may be called from several goroutines.
type Appender interface {
	// Append writes the series to the engine's log before it returns. Samples
	// refused for their own fault are in Stats; an error means nothing can be
	// said to be stored and the caller shall send all again. Series and their
	// slices belong to the caller again when Append returns.
	Append(ctx context.Context, series []Series) (Stats, error)
}

// Durable is implemented by engines that sync their log later than they answer.
type Durable interface {
	// Epoch changes whenever samples answered for may have been lost (a restart).
	Epoch() string
	// Sequence is the number of the newest completed Append.
	Sequence() uint64
	// DurableUntil is the newest Append that is on disk for certain.
	DurableUntil() uint64
}

// Vector is one element of an instant query's answer.
type Vector struct {
	Labels base.Labels
	T      int64 // the evaluation's time, milliseconds
	V      float64
}

// Querier evaluates PromQL. It may be called from several goroutines.
type Querier interface {
	// Instant evaluates expr at the moment; samples older than lookback do not
	// count as present (zero: the engine's default). A scalar comes back as one
	// element without labels.
	Instant(ctx context.Context, expr string, at time.Time, lookback time.Duration) ([]Vector, error)
	// Range evaluates expr from start to end inclusive.
	Range(ctx context.Context, expr string, start, end time.Time, step, lookback time.Duration) ([]Series, error)
}

// Metadata says what a metric is. Type is as in the exposition format: counter,
// gauge, histogram, summary, unknown, ...
type Metadata struct {
	Metric, Type, Help, Unit string
}

// MetadataKeeper remembers metadata for people who write queries. It may be
// called from several goroutines and never blocks for long.
type MetadataKeeper interface {
	KeepMetadata(ms []Metadata)
}
