package scenario

import (
	"cmp"
	"context"
	"hash/maphash"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/collector/metricstore/embedded"
	"github.com/faultline/faultline/plugins/base"
)

// sparse is a metric store that does not ask its engine what it knows already.
// Most rules are about things a scenario has not, and most of the time nothing
// that a rule looks at has changed since it last found nothing.
type sparse struct {
	tsdb    *embedded.Store
	all     bool // ask always; tests compare
	seed    maphash.Seed
	last    map[uint64]float64          // by series: its newest value
	fresh   map[string]map[uint64]int64 // by metric and series: the time of the newest value, in milliseconds
	changed map[string]uint64           // by metric: the append at which a value was another than before, or a series new
	varied  map[string]bool             // by metric: a value was another than before, at some time
	known   map[string]bool             // metrics seen
	appends uint64
	exprs   map[string]*question
}

// question is an expression that was asked.
type question struct {
	names  []string // of metrics, perhaps
	made   bool     // it may be answered out of nothing
	always bool     // its answer may change although no value does
	spans  bool     // it looks back over a time
	empty  bool     // it was answered with nothing
	asked  uint64   // after this append
	before string   // the names as known then
}

func newSparse(s *embedded.Store) *sparse {
	return &sparse{tsdb: s, seed: maphash.MakeSeed(), last: map[uint64]float64{}, fresh: map[string]map[uint64]int64{}, changed: map[string]uint64{}, varied: map[string]bool{}, known: map[string]bool{}, exprs: map[string]*question{}}
}

var (
	identifier = regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*`)
	made       = regexp.MustCompile(`absent|vector\s*\(|__name__`)
	moving     = regexp.MustCompile(`time\s*\(|unless|offset|@`)
)

func (s *sparse) append(series []metricstore.Series) (metricstore.Stats, error) {
	s.appends++
	for _, e := range series {
		name, key := e.Labels.Name(), s.key(e.Labels)
		v := e.Points[len(e.Points)-1].V
		if had, ok := s.last[key]; !ok || had != v {
			s.changed[name] = s.appends
			s.varied[name] = s.varied[name] || ok
		}
		s.last[key], s.known[name] = v, true
		if s.fresh[name] == nil {
			s.fresh[name] = map[uint64]int64{}
		}
		s.fresh[name][key] = max(s.fresh[name][key], e.Points[len(e.Points)-1].T)
	}
	return s.tsdb.Append(context.Background(), series)
}

func (s *sparse) key(ls base.Labels) uint64 {
	var h maphash.Hash
	h.SetSeed(s.seed)
	for _, l := range ls {
		_, _ = h.WriteString(l.Name)
		_ = h.WriteByte(0xff)
		_, _ = h.WriteString(l.Value)
		_ = h.WriteByte(0xff)
	}
	return h.Sum64()
}

// Instant implements ruler.Querier.
func (s *sparse) Instant(ctx context.Context, expr string, at time.Time, lookback time.Duration) ([]metricstore.Vector, error) {
	q := s.exprs[expr]
	if q == nil {
		q = &question{names: identifier.FindAllString(expr, -1), made: made.MatchString(expr), always: moving.MatchString(expr), spans: strings.Contains(expr, "[")}
		s.exprs[expr] = q
	}
	if !s.all && s.nothing(q, at.Add(-lookback/2)) {
		return nil, nil
	}
	v, err := s.tsdb.Instant(ctx, expr, at, cmp.Or(lookback, 20*time.Second))
	q.empty, q.asked, q.before = err == nil && len(v) == 0, s.appends, s.present(q)
	return v, err
}

// nothing tells whether the answer is known to be empty: none of its metrics was
// ever seen; or it was empty, no value has changed since nor, when it looks back,
// ever, and no series is about to be too old to count.
func (s *sparse) nothing(q *question, old time.Time) bool {
	if q.made {
		return false
	}
	if !slices.ContainsFunc(q.names, func(n string) bool { return s.known[n] }) {
		return true
	}
	if q.always || !q.empty || q.before != s.present(q) {
		return false
	}
	return !slices.ContainsFunc(q.names, func(n string) bool {
		return s.changed[n] > q.asked || q.spans && s.varied[n] || s.ages(n, old.UnixMilli())
	})
}

// ages tells whether a series of the metric has no value newer than that.
func (s *sparse) ages(name string, old int64) bool {
	for _, t := range s.fresh[name] {
		if t < old {
			return true
		}
	}
	return false
}

// present names the metrics of a question that are known.
func (s *sparse) present(q *question) string {
	var b strings.Builder
	for _, n := range q.names {
		if s.known[n] {
			b.WriteString(n)
			b.WriteByte(' ')
		}
	}
	return b.String()
}
