package spool

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/faultline/faultline/internal/selfmetric"
)

// Lane is a log of its own in the spool.
type Lane uint8

// The lanes. Samples may be thinned and dropped when space or time runs out;
// events stay until they are acknowledged.
const (
	Events Lane = iota
	Samples
	lanes // how many there are
)

// String returns the lane's name, which is also its directory's.
func (l Lane) String() string { return [...]string{"events", "samples"}[l] }

// Cursor is a way of reading a lane.
type Cursor uint8

// The cursors. Between them the samples' two hand out every record once: what
// falls behind the newest data moves from SamplesLive to SamplesBacklog.
const (
	EventsOldest   Cursor = iota // events, oldest first
	SamplesLive                  // the newest samples
	SamplesBacklog               // samples older than the live ones, oldest first
)

func (c Cursor) lane() Lane {
	if c == EventsOldest {
		return Events
	}
	return Samples
}

// Defaults of Options.
const (
	DefaultMaxBytes     = 1 << 30
	DefaultMaxAge       = 7 * 24 * time.Hour
	DefaultSegmentBytes = 4 << 20
)

// ackEvery is how often acknowledgements are written to disk at most; those
// lost in a crash are sent again.
const ackEvery = time.Second

// ErrFull is wrapped by Append's error when the spool's own bound is reached
// and nothing may be dropped for the record.
var ErrFull = errors.New("spool is full")

// ErrClosed is returned after Close.
var ErrClosed = errors.New("spool is closed")

// Options are a spool's settings. Only Dir is required.
type Options struct {
	Dir          string                // made if missing; used by one spool at a time
	MaxBytes     int64                 // bound of everything in Dir; zero: DefaultMaxBytes
	MaxAge       time.Duration         // samples older are dropped; zero: DefaultMaxAge
	Pace         time.Duration         // samples wait until so long after their lane's last flush, so that many share one; zero: they do not
	SegmentBytes int64                 // size of a segment file; zero: DefaultSegmentBytes, or less for a small MaxBytes
	Now          func() time.Time      // zero: time.Now
	FS           FS                    // zero: the operating system's
	Logger       *slog.Logger          // zero: discards
	Registerer   selfmetric.Registerer // gets the spool's metrics; zero: none
}

func (o *Options) setDefaults() error {
	if o.Dir == "" {
		return errors.New("open spool: no directory given")
	}
	o.MaxBytes = cmp.Or(o.MaxBytes, DefaultMaxBytes)
	o.MaxAge = cmp.Or(o.MaxAge, DefaultMaxAge)
	o.SegmentBytes = cmp.Or(o.SegmentBytes, min(DefaultSegmentBytes, o.MaxBytes/16))
	if o.Pace < 0 || o.Pace > time.Second {
		return fmt.Errorf("open spool: pace %v, at most 1s", o.Pace)
	}
	if o.MaxBytes < 64<<10 || o.MaxAge < time.Minute || o.SegmentBytes < 1<<10 || o.SegmentBytes > min(o.MaxBytes/4, 1<<30) {
		return fmt.Errorf("open spool: max bytes %d (at least 64 KiB), max age %v (at least 1m) or segment bytes %d (1 KiB to a quarter of max bytes) out of range", o.MaxBytes, o.MaxAge, o.SegmentBytes)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.FS == nil {
		o.FS = osFS{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Spool is an open spool. Its methods may be called from many goroutines.
type Spool struct {
	opt      Options
	appended chan struct{} // capacity 1: something was appended
	closing  chan struct{} // closed by the first Close
	closer   sync.Once

	mu       sync.Mutex // guards the fields below and the lanes' unmarked ones
	lanes    [lanes]*lane
	stats    Stats
	ackDirty bool
	ackedAt  time.Time // when acknowledgements were last written
	quarFull bool      // the bound of quarantine was reported
	closed   bool
}

// lane is one log. Spool.mu guards the fields unless said otherwise.
type lane struct {
	kind  Lane
	dir   string
	segs  []*segment // by number
	next  uint64     // number of the next segment
	bytes int64      // of segs
	acked spans      // acknowledged, of segments that exist
	taken spans      // handed out by Peek, neither acknowledged nor returned

	liveFrom uint64 // where SamplesLive begins
	recent   recent // newest records

	commit sync.Mutex // held by the one appender that writes for all who wait; taken before Spool.mu
	active *segment   // last of segs while it can be appended to; commit and Spool.mu guard changes
	file   File       // of active; commit guards
	buf    []byte     // commit guards

	queueMu sync.Mutex
	queue   []*waiting // queueMu guards
	flushed time.Time  // when a flush last began; queueMu guards
}

// Open opens the spool in a directory, cuts what a crash left half-written and
// goes on where the acknowledgements ended. Everything found is backlog.
func Open(opt Options) (*Spool, error) {
	if err := opt.setDefaults(); err != nil {
		return nil, err
	}
	s := &Spool{opt: opt, appended: make(chan struct{}, 1), closing: make(chan struct{})}
	acked, err := s.readAcked()
	if err != nil {
		return nil, err
	}
	for kind := range lanes {
		ln := &lane{kind: kind, dir: filepath.Join(opt.Dir, kind.String()), acked: acked[kind]}
		if err := s.openLane(ln); err != nil {
			return nil, err
		}
		s.lanes[kind] = ln
	}
	if err := s.countQuarantine(); err != nil {
		return nil, err
	}
	if opt.Registerer != nil {
		if err := opt.Registerer.Register(collector{s}); err != nil {
			return nil, fmt.Errorf("open spool %s: register metrics: %w", opt.Dir, err)
		}
	}
	if s.pending() {
		s.wake()
	}
	return s, nil
}

// Appended returns a channel of capacity one that receives after records were
// appended or returned. One reader waits on it.
func (s *Spool) Appended() <-chan struct{} { return s.appended }

func (s *Spool) wake() {
	select {
	case s.appended <- struct{}{}:
	default:
	}
}

// Close waits for appends under way, writes the acknowledgements and closes the
// files. What was handed out and not acknowledged is handed out again by the
// next Open.
func (s *Spool) Close() error {
	s.closer.Do(func() { close(s.closing) })
	for _, ln := range s.lanes {
		ln.commit.Lock()
		defer ln.commit.Unlock()
		s.commitQueue(ln)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.opt.Registerer != nil {
		s.opt.Registerer.Unregister(collector{s})
	}
	err := s.writeAcked()
	for _, ln := range s.lanes {
		if ln.file != nil {
			err = errors.Join(err, ln.file.Close())
			ln.file, ln.active = nil, nil
		}
	}
	if err != nil {
		return fmt.Errorf("close spool %s: %w", s.opt.Dir, err)
	}
	return nil
}

func (s *Spool) pending() bool {
	for _, ln := range s.lanes {
		if len(ln.segs) > 0 {
			return true
		}
	}
	return false
}
