package schedule

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"math"
	"time"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// job is one target and its state. The scheduler's mu guards all fields but
// series, samples, failed and lastErr, which belong to the poll under way.
type job struct {
	target   base.Target
	input    input.Input
	interval time.Duration
	timeout  time.Duration
	offset   time.Duration // of its beat within the interval

	next   time.Time
	heapAt int // index in the scheduler's heap, or -1

	running, queued, gone bool
	before                *job            // of the same id, which has to be over first; nil: none
	late                  bool            // it was due meanwhile
	ending                bool            // it is not over yet: its input has still to let go of the target
	goesOn                bool            // gone, and the job in its place writes the same series
	left                  string          // why it is left out; "": it is polled
	deadline              time.Time       // of the poll under way
	waiting, current      []chan struct{} // closed after the next poll, after the one under way
	failures              int
	health                health
	last                  Status

	series  *seriesCache
	own     [5]base.Labels // up and scrape_*
	samples int            // of the last poll: the next batch's capacity
	failed  base.Labels    // of the series that says why the target is not measured; nil: it is
	lastErr string
}

// Positions of job.own.
const (
	serUp = iota
	serDuration
	serScraped
	serKept
	serAdded
)

var ownNames = [...]string{
	serUp:       "up",
	serDuration: "scrape_duration_seconds",
	serScraped:  "scrape_samples_scraped",
	serKept:     "scrape_samples_post_metric_relabeling",
	serAdded:    "scrape_series_added",
}

func (s *Scheduler) newJob(t base.Target) *job {
	t.Labels, t.Options = maps.Clone(t.Labels), maps.Clone(t.Options)
	j := &job{target: t, input: s.opts.Inputs[t.Input], interval: t.Interval, timeout: t.Timeout, heapAt: -1}
	setDefault(&j.interval, s.opts.Interval)
	setDefault(&j.timeout, s.opts.Timeout)
	setDefault(&j.timeout, min(j.interval*9/10, 10*time.Second))
	j.offset = spread(t.ID, j.interval).Truncate(grid(j.interval))
	j.series = newSeriesCache(t.Labels)
	for i, name := range ownNames {
		j.own[i] = base.LabelsFrom(name, t.Labels)
	}
	return j
}

// same tells whether t is what the job already polls.
func (j *job) same(t base.Target) bool {
	o := j.target
	return o.Input == t.Input && o.Address == t.Address && o.Interval == t.Interval && o.Timeout == t.Timeout &&
		maps.Equal(o.Labels, t.Labels) && maps.Equal(o.Options, t.Options)
}

// nextBeat returns the first moment of the job's beat after now. Beats are
// fixed points in time, so that a restart keeps the spread.
func (j *job) nextBeat(now time.Time) time.Time {
	since := time.Duration(now.UnixNano()) - j.offset
	into := since % j.interval
	return now.Add(j.interval - into)
}

// stuckSample says up 0 for a poll that does not return.
func (j *job) stuckSample(now time.Time) base.Sample {
	return base.Sample{Labels: j.own[serUp], Time: now.UnixMilli(), Value: 0}
}

func (j *job) finishWaiters() {
	for _, done := range append(j.current, j.waiting...) {
		close(done)
	}
	j.current, j.waiting = nil, nil
}

// health is what the last polls said: steady until an observation differs,
// then suspected until it has been repeated often enough or went away.
type health struct {
	known, good bool
	against     int // observations in a row that differ from good
}

// suspect takes an observation and tells whether to look again soon.
func (j *job) suspect(good bool, polls int) bool {
	h := &j.health
	if !h.known {
		h.known, h.good = true, good
		return false
	}
	if good == h.good {
		h.against = 0
		return false
	}
	h.against++
	if h.against > polls {
		h.good, h.against = good, 0
		return false
	}
	return true
}

// grid is how far beats are apart at least. Polls that begin together share
// wake-ups, flushes and requests, which cost more than reading what has arrived.
func grid(interval time.Duration) time.Duration {
	return min(interval/20, 500*time.Millisecond)
}

// spread maps an id to a stable offset within d.
func spread(id string, d time.Duration) time.Duration {
	sum := sha256.Sum256([]byte(id)) // weaker hashes bunch ids that differ in a digit
	return time.Duration(float64(d) * (float64(binary.BigEndian.Uint64(sum[:])>>11) / math.Exp2(53)))
}

// firstDelay is how long a new target waits for its first poll: its offset,
// but never long.
func firstDelay(id string, interval time.Duration) time.Duration {
	return spread(id, min(interval, 5*time.Second))
}

func randomID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// jobHeap orders jobs by their next poll (container/heap).
type jobHeap []*job

// Len is the number of jobs.
func (h jobHeap) Len() int { return len(h) }

// Less tells whether job i is due before job k.
func (h jobHeap) Less(i, k int) bool { return h[i].next.Before(h[k].next) }

// Swap exchanges two jobs.
func (h jobHeap) Swap(i, k int) {
	h[i], h[k] = h[k], h[i]
	h[i].heapAt, h[k].heapAt = i, k
}

// Push appends a job.
func (h *jobHeap) Push(x any) {
	j := x.(*job)
	j.heapAt = len(*h)
	*h = append(*h, j)
}

// Pop removes the last job.
func (h *jobHeap) Pop() any {
	old := *h
	j := old[len(old)-1]
	j.heapAt = -1
	*h = old[:len(old)-1]
	return j
}
