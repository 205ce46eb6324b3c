// Package longcut plays a cut of days in minutes: a real spool is filled as fast as
// its disk takes it with the samples and events that an agent would have measured, each
// with its own time, and is then drained by a real uplink into a real collector
// while live samples go on. It counts what arrived. It starts no program.
package longcut

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/faultline/faultline/agent/link"
	"github.com/faultline/faultline/agent/spool"
	"github.com/faultline/faultline/agent/uplink"
	"github.com/faultline/faultline/internal/selfmetric"
	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
)

// Options say how long the cut is and what is measured meanwhile.
type Options struct {
	Dir      string        // for the spool; made
	URL      string        // the collector's
	Token    string        // an agent's
	Admin    string        // a reader's, for queries
	Cut      time.Duration // how long nothing can be sent
	Interval time.Duration // between measurements of a target; zero: 10 s
	Live     time.Duration // between them while the backlog drains; zero: Interval
	Host     int           // series of the host
	Devices  int           // SNMP devices
	Ports    int           // of each device, six values a port
	MaxBytes int64         // the spool's bound; zero: 2 GiB, as in the agent's configuration
	Rate     float64       // samples of backlog a second; zero: 20,000, as there
	Patience time.Duration // for draining; zero: an hour
}

// Figures are what was counted.
type Figures struct {
	Measured, Stored   uint64 // samples: during the cut, and what of them the collector took
	Kept               uint64 // samples in the spool at the end of the cut
	Records, Thinned   uint64 // batches during the cut, and left out in thinning
	Dropped            uint64 // batches
	Events             int    // during the cut; they must arrive all
	SpoolBytes         int64  // at the end of the cut
	AppendedBytes      uint64 // during the cut
	Refused, Aside     float64
	Fill, Drain        time.Duration
	Live               int // rounds of live samples while the backlog drained
	LiveWorst, LiveP50 time.Duration
	Fewest, Most       float64 // samples of the cut that the collector shows of a target
}

func (o *Options) setDefaults() {
	o.Interval = cmp.Or(o.Interval, 10*time.Second)
	o.Live = cmp.Or(o.Live, o.Interval)
	o.MaxBytes = cmp.Or(o.MaxBytes, 2<<30)
	o.Rate = cmp.Or(o.Rate, 20_000)
	o.Patience = cmp.Or(o.Patience, time.Hour)
}

// EventID is the id of the event number i of a run that began at begin.
func EventID(begin time.Time, i int) string { return fmt.Sprintf("longcut-%d-%d", begin.UnixNano(), i) }

// eventEvery is how many rounds of measuring there are to an event.
const eventEvery = 60

// clock is the spool's time: the cut's while it is played, then the real one.
type clock struct {
	mu sync.Mutex
	at time.Time // zero: now
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.IsZero() {
		return time.Now()
	}
	return c.at
}

func (c *clock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

// run is one cut being played.
type run struct {
	o       Options
	begin   time.Time // of the cut
	clock   clock
	spool   *spool.Spool
	reg     *selfmetric.Registry
	sources []*source
	f       Figures
}

// Run plays the cut that ends now. The events' ids are EventID of what it returns
// as its beginning.
func Run(ctx context.Context, o Options) (f Figures, begin time.Time, err error) {
	o.setDefaults()
	r := &run{o: o, begin: time.Now().Add(-o.Cut), reg: selfmetric.NewRegistry()}
	r.sources = sources(o)
	r.clock.set(r.begin)
	if err := r.open(o.MaxBytes); err != nil {
		return f, r.begin, err
	}
	defer func() { err = errors.Join(err, r.spool.Close()) }()
	if err := r.fill(ctx); err != nil {
		return f, r.begin, fmt.Errorf("fill the spool: %w", err)
	}
	r.clock.set(time.Time{})
	// The agent starts anew when the line is back, with room for what is live, so that
	// nothing more is thinned and what was kept can be counted.
	if err := r.spool.Close(); err != nil {
		return f, r.begin, err
	}
	if err := r.open(o.MaxBytes + roomForLive); err != nil {
		return f, r.begin, err
	}
	if r.f.Kept, err = r.kept(); err != nil {
		return f, r.begin, err
	}
	err = r.drain(ctx)
	return r.f, r.begin, err
}

// roomForLive is more than what is measured while the backlog drains, in bytes.
const roomForLive = 256 << 20

func (r *run) open(most int64) (err error) {
	r.spool, err = spool.Open(spool.Options{Dir: filepath.Join(r.o.Dir, "spool"), MaxBytes: most, MaxAge: r.o.Cut + time.Hour, Now: r.clock.now})
	return err
}

// fill measures through the cut.
func (r *run) fill(ctx context.Context) error {
	started := time.Now()
	round := 0
	for at := r.begin; at.Before(started) && ctx.Err() == nil; at = at.Add(r.o.Interval) {
		r.clock.set(at)
		if err := r.measure(at, round); err != nil {
			return err
		}
		if round%eventEvery == 0 {
			if err := r.event(at, r.f.Events); err != nil {
				return err
			}
			r.f.Events++
		}
		round++
	}
	st := r.spool.Stats()
	lane := st.Lanes[spool.Samples]
	r.f.Records, r.f.Thinned, r.f.Dropped = lane.AppendedRecords, lane.ThinnedRecords, lane.DroppedRecords
	r.f.SpoolBytes, r.f.AppendedBytes, r.f.Fill = st.UsedBytes, lane.AppendedBytes, time.Since(started)
	return ctx.Err()
}

// measure appends what all targets give at one time, as the scheduler would: each
// a batch of its own, flushed together.
func (r *run) measure(at time.Time, round int) error {
	errs := make([]error, len(r.sources))
	var all sync.WaitGroup
	for i, s := range r.sources {
		all.Go(func() { errs[i] = s.append(r.spool, at, round) })
		r.f.Measured += uint64(s.samples)
	}
	all.Wait()
	return errors.Join(errs...)
}

func (r *run) event(at time.Time, i int) error {
	b, err := wire.EncodeEvents([]base.Event{{ID: EventID(r.begin, i), Kind: base.EventTrap, At: at, Text: "told during the cut"}})
	if err != nil {
		return err
	}
	return r.spool.Append(spool.Events, b)
}

// kept counts the samples that the spool holds, by looking at every record.
func (r *run) kept() (uint64, error) {
	var dec wire.SampleDecoder
	var handed []spool.Range
	defer func() {
		for _, h := range handed {
			r.spool.Return(h)
		}
	}()
	n := uint64(0)
	for _, c := range []spool.Cursor{spool.SamplesLive, spool.SamplesBacklog} {
		for {
			b, err := r.spool.Peek(c, 1<<20)
			if err != nil {
				return n, err
			}
			if len(b.Records) == 0 {
				break
			}
			handed = append(handed, b.Range())
			dec.Reset()
			for _, rec := range b.Records {
				batch, err := dec.Decode(rec.Data)
				if err != nil {
					return n, err
				}
				n += uint64(batch.Len())
			}
		}
	}
	return n, nil
}

// drain sends all while live samples go on, until nothing is left.
func (r *run) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.o.Patience)
	defer cancel()
	client, err := link.New(link.Options{URL: r.o.URL, Token: func() string { return r.o.Token }})
	if err != nil {
		return err
	}
	up, err := uplink.New(uplink.Options{Spool: r.spool, Link: client, BacklogRate: r.o.Rate, Registerer: r.reg})
	if err != nil {
		return err
	}
	started, cut := time.Now(), r.f.Measured
	upCtx, stop := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- up.Run(upCtx) }()
	err = r.live(ctx)
	r.f.Drain = time.Since(started)
	stop()
	err = errors.Join(err, <-ran)
	if err == nil {
		err = r.shown(ctx)
	}
	lived := r.f.Measured - cut
	r.f.Measured = cut
	r.f.Stored = uint64(r.metric("faultline_uplink_sent_samples_total")) - lived
	r.f.Refused, r.f.Aside = r.metric("faultline_uplink_rejected_samples_total"), r.metric("faultline_uplink_quarantined_records_total")
	return err
}

// shown asks the collector how many samples of the cut it has of each target's mark.
func (r *run) shown(ctx context.Context) error {
	counts, err := r.query(ctx, fmt.Sprintf("count_over_time(%s[%ds])", mark, int((r.o.Cut+time.Hour).Seconds())))
	if err != nil {
		return err
	}
	if len(counts) != len(r.sources) {
		return fmt.Errorf("the collector shows %d targets of %d", len(counts), len(r.sources))
	}
	lived := float64(r.f.Live)
	r.f.Fewest, r.f.Most = slices.Min(counts)-lived, slices.Max(counts)-lived
	return nil
}

// metric adds up the series of one of the agent's own metrics.
func (r *run) metric(name string) float64 {
	sum := 0.0
	for _, f := range r.reg.Gather() {
		if f.Name != name {
			continue
		}
		for _, m := range f.Metrics {
			sum += m.Value()
		}
	}
	return sum
}
