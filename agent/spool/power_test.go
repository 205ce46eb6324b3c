package spool

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// diskFault is what goes wrong with the disk of one case before its power is cut.
type diskFault struct {
	name string
	err  error
	hits func(op string) bool
}

func changes(op string) bool { return op != "list" && op != "open" && op != "read" }

var diskFaults = []diskFault{
	{"power only", nil, nil},
	{"fsync fails", syscall.EIO, func(op string) bool { return op == "sync" || op == "syncdir" }},
	{"writes fail half-way", syscall.EIO, func(op string) bool { return op == "write" || op == "truncate" }},
	{"read-only", syscall.EROFS, changes},
	{"disk full", syscall.ENOSPC, func(op string) bool { return op == "write" || op == "create" }},
}

// powerCase is one life of a spool up to its power cut.
type powerCase struct {
	t      *testing.T
	what   string
	rnd    *rand.Rand
	fs     *memFS
	s      *Spool
	fault  diskFault
	handed bool                   // something was acknowledged
	on     bool                   // the fault is there
	owed   [lanes]map[string]bool // confirmed and not handed out since
	tried  [lanes]map[string]bool // ever given to Append
	seen   map[string]*powerTally // by fault
}

type powerTally struct{ cases, confirmed, refused, torn, dropped int }

// Whatever fault a disk has and whenever its power is cut: what Append confirmed is
// there, in both lanes; what it did not confirm was refused with an error or
// is the torn end, and a torn end is counted. On a full disk samples may have made
// way for events; that is counted too. POWER_CASES is how many lives are
// played (500; 10,000 with CI=true).
func TestPowerLossModel(t *testing.T) {
	cases := 500
	if os.Getenv("CI") == "true" {
		cases = 10_000
	}
	if n, err := strconv.Atoi(os.Getenv("POWER_CASES")); err == nil {
		cases = n
	}
	seen := map[string]*powerTally{}
	for i := range cases {
		fault := diskFaults[i%len(diskFaults)]
		if seen[fault.name] == nil {
			seen[fault.name] = &powerTally{}
		}
		c := &powerCase{t: t, what: fmt.Sprintf("case %d, %s", i, fault.name), rnd: rand.New(rand.NewPCG(uint64(i), 23)), fs: newMemFS(), fault: fault, seen: seen}
		c.play()
		if t.Failed() {
			return
		}
	}
	for _, f := range diskFaults {
		n := seen[f.name]
		t.Logf("%s: %d cases, %d records confirmed and found (but %d samples dropped for events, and counted), %d refused with an error, %d torn ends cut and counted",
			f.name, n.cases, n.confirmed, n.dropped, n.refused, n.torn)
		if f.err != nil && n.refused == 0 || n.confirmed == 0 {
			t.Errorf("%s: nothing was tried", f.name)
		}
	}
}

func (c *powerCase) play() {
	c.seen[c.fault.name].cases++
	for k := range lanes {
		c.owed[k], c.tried[k] = map[string]bool{}, map[string]bool{}
	}
	c.fs.partial = func(n int) int { return c.rnd.IntN(n + 1) }
	c.fs.fault = func(op, _ string) error {
		if c.on && c.fault.hits(op) && c.rnd.IntN(3) > 0 {
			return c.fault.err
		}
		return nil
	}
	c.s = open(c.t, Options{FS: c.fs, SegmentBytes: 2 << 10})
	from := c.rnd.IntN(20)
	to := from + c.rnd.IntN(20)
	for i := range c.rnd.IntN(40) + 1 {
		c.on = c.fault.err != nil && i >= from && i < to
		if c.rnd.IntN(5) == 0 {
			c.handOut()
			continue
		}
		c.append(i)
	}
	c.tear()
	c.reopen()
}

// append gives the spool one record.
func (c *powerCase) append(i int) {
	k := Lane(c.rnd.IntN(int(lanes)))
	p := fmt.Sprintf("%d-%s", i, strings.Repeat("z", c.rnd.IntN(400)))
	c.tried[k][p] = true
	n := c.seen[c.fault.name]
	switch err := c.s.Append(k, []byte(p)); {
	case err == nil:
		c.owed[k][p] = true
		n.confirmed++
	case c.on && errors.Is(err, c.fault.err):
		n.refused++
	default:
		c.t.Errorf("%s: append %d: %v", c.what, i, err)
	}
}

// handOut acknowledges some of the events, as an uplink does.
func (c *powerCase) handOut() {
	b, err := c.s.Peek(EventsOldest, c.rnd.IntN(1500))
	if err != nil || len(b.Records) == 0 {
		return
	}
	for _, p := range texts(b) {
		delete(c.owed[Events], p)
	}
	c.handed = true
	if err := c.s.Ack(b.Range()); err != nil && !c.on {
		c.t.Errorf("%s: ack: %v", c.what, err)
	}
}

// tear leaves, in half of the cases, a record of which only a part reaches the disk.
func (c *powerCase) tear() {
	if c.rnd.IntN(2) == 0 {
		return
	}
	c.fs.fault = func(op, _ string) error {
		if op == "sync" || op == "truncate" {
			return syscall.EIO
		}
		return nil
	}
	k := Lane(c.rnd.IntN(int(lanes)))
	p := "torn-" + strings.Repeat("t", c.rnd.IntN(900))
	c.tried[k][p] = true
	if err := c.s.Append(k, []byte(p)); err == nil {
		c.t.Errorf("%s: a record was confirmed that was not flushed", c.what)
	}
}

// reopen cuts the power and looks at what a new start finds.
func (c *powerCase) reopen() {
	after := c.fs.crash(c.rnd)
	before, files := after.size(".seg")
	s, err := Open(Options{Dir: "spool", FS: after})
	if err != nil {
		c.t.Errorf("%s: %v", c.what, err)
		return
	}
	st := s.Stats()
	left, still := after.size(".seg")
	cut := before - left // what was handed out or dropped may be removed at the start as well
	// A segment that was never more than begun is removed without a word.
	untold := cut > headerBytes*max(1, files-still) && st.TornTails == 0 && !c.handed && c.s.Stats().Lanes[Samples].DroppedRecords == 0
	if untold || uint64(cut) < st.TornBytes {
		c.t.Errorf("%s: the start cut %d bytes off and tells of %d torn ends, %d bytes", c.what, cut, st.TornTails, st.TornBytes)
	}
	c.seen[c.fault.name].torn += int(st.TornTails)
	checkFound(c.t, drain(c.t, s, EventsOldest), c.owed[Events], c.tried[Events], c.what+", events")
	samples := drain(c.t, s, SamplesBacklog)
	if dropped := c.s.Stats().Lanes[Samples].DroppedRecords; dropped > 0 { // on a full disk events take the space of old samples
		missing := c.owed[Samples]
		c.owed[Samples] = map[string]bool{}
		for _, p := range samples {
			delete(missing, p)
		}
		if uint64(len(missing)) > dropped {
			c.t.Errorf("%s: %d samples are missing, %d were counted as dropped", c.what, len(missing), dropped)
		}
		c.seen[c.fault.name].dropped += int(dropped)
	}
	checkFound(c.t, samples, c.owed[Samples], c.tried[Samples], c.what+", samples")
	if err := s.Append(Events, []byte("goes on "+time.Now().String())); err != nil {
		c.t.Errorf("%s: the spool does not go on: %v", c.what, err)
	}
}

// size is how long all files with this suffix are together, and how many.
func (m *memFS) size(suffix string) (bytes, files int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, f := range m.names {
		if strings.HasSuffix(name, suffix) {
			bytes += int64(len(f.data))
			files++
		}
	}
	return bytes, files
}
