package endurance

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// pages are web pages that the agent fetches: each fetch is answered with one
// more byte than the last, and noted. So every sample the agent makes of their
// length is known beforehand, and is like no other.
type pages struct {
	url string

	mu      sync.Mutex // guards the fields below
	served  map[string][]time.Time
	stopped time.Time // when the agent was stopped for good; zero: it was not
}

const pageEvery = time.Second

func newPages(t *testing.T) *pages {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &pages{url: "http://" + ln.Addr().String(), served: map[string][]time.Time{}}
	srv := &http.Server{Handler: p}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	return p
}

// ServeHTTP answers the nth fetch of a page with n bytes.
func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	p.mu.Lock()
	p.served[name] = append(p.served[name], time.Now())
	n := len(p.served[name])
	p.mu.Unlock()
	_, _ = w.Write(bytes.Repeat([]byte{'.'}, n))
}

// targets is the agent's configuration that has it fetch n pages.
func (p *pages) targets(n int) string {
	var b strings.Builder
	b.WriteString("targets:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - {id: page-%d, input: probe, address: %q, interval: %s, timeout: 900ms, labels: {job: blackbox, instance: page-%d, role: service}, options: {module: http}}\n", i, fmt.Sprintf("%s/page-%d", p.url, i), pageEvery, i)
	}
	return b.String()
}

// fetches returns the times of a page's fetches, in order.
func (p *pages) fetches() map[string][]time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[string][]time.Time{}
	for name, times := range p.served {
		out[name] = append([]time.Time(nil), times...)
	}
	return out
}

// stop notes that the agent is stopped for good: what it measured just before may
// be on its disk only.
func (p *pages) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = time.Now()
}

// justBefore is how long before its end what the agent measures need not have
// been delivered: a flush, and a request.
const justBefore = time.Second

// late tells whether a fetch was so shortly before the agent's end.
func (p *pages) late(at time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.stopped.IsZero() && at.After(p.stopped.Add(-justBefore))
}

// inHand is how long a measurement may be on its way from the fetch to the
// agent's disk: the probe's own timeout and a slow flush.
const inHand = 2 * time.Second

// check wants every fetch stored with its value and time, but for those that an
// interruption of the agent cut off before they could be on its disk. It returns
// how many fetches there were and how many were cut off.
func (p *pages) check(t *testing.T, c *company, began time.Time, excused func(time.Time) bool) (fetched, cut int) {
	t.Helper()
	got := c.raw(t, "probe_http_uncompressed_body_length{agent=\"practice\"}", "instance", began)
	for name, times := range p.fetches() {
		stored := map[int]int64{}
		for _, s := range got[name] {
			n := int(s.value)
			if before, twice := stored[n]; twice {
				t.Errorf("%s: fetch %d is stored at %d and at %d", name, n, before, s.at)
			}
			if n < 1 || n > len(times) {
				t.Errorf("%s: %v is stored, which was never served", name, s.value)
				continue
			}
			if off := times[n-1].Sub(time.UnixMilli(s.at)); off < -10*time.Millisecond || off > inHand {
				t.Errorf("%s: fetch %d of %s is stored as of %s", name, n, times[n-1].Format(time.StampMilli), time.UnixMilli(s.at).Format(time.StampMilli))
			}
			stored[n] = s.at
		}
		fetched += len(times)
		for i, at := range times {
			switch _, ok := stored[i+1]; {
			case ok, p.late(at):
			case excused(at):
				cut++
			default:
				t.Errorf("%s: fetch %d of %s is not stored", name, i+1, at.Format(time.StampMilli))
			}
		}
	}
	return fetched, cut
}

// longestGap returns the longest time between two stored samples of a page, less
// the time that the agent was down in between and one interval.
func (p *pages) longestGap(t *testing.T, c *company, began time.Time, down []outage) time.Duration {
	t.Helper()
	longest := time.Duration(0)
	for _, points := range c.raw(t, "probe_http_uncompressed_body_length{agent=\"practice\"}", "instance", began) {
		for i := 1; i < len(points); i++ {
			from, to := time.UnixMilli(points[i-1].at), time.UnixMilli(points[i].at)
			gap := to.Sub(from) - pageEvery
			for _, d := range down {
				if d.from.After(from) && d.from.Before(to) {
					gap -= d.to.Sub(d.from)
				}
			}
			longest = max(longest, gap)
		}
	}
	return longest
}
