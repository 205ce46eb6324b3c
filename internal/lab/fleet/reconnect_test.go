package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	agentenrol "github.com/faultline/faultline/agent/enrol"
	"github.com/faultline/faultline/agent/link"
	"github.com/faultline/faultline/agent/spool"
	"github.com/faultline/faultline/agent/uplink"
	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
)

// What each agent has kept during the cut.
const (
	batches  = 60 // one every 15 s: a quarter of an hour
	perBatch = 40 // samples
)

// count is an environment variable's number.
func count(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	must(t, err)
	return n
}

// TestAgentsReconnectAtOnce: agents with a quarter of an hour in their stores come
// back in the same moment, each with a connection of its own. Meanwhile the
// collector says that it is ready; afterwards every sample and event is there.
// FAULTLINE_RECONNECT scales it (docs/figures.md has 500).
func TestAgentsReconnectAtOnce(t *testing.T) {
	n := count(t, "FAULTLINE_RECONNECT", 12)
	c := newCompany(t, n)
	back := make(chan struct{})
	var all sync.WaitGroup
	stores := make([]*spool.Spool, n)
	ctx, end := context.WithCancel(context.Background())
	defer func() { end(); all.Wait() }()
	start := time.Now().Add(-batches * 15 * time.Second)
	for i := range n {
		dir := c.enrolled(i)
		s, err := spool.Open(spool.Options{Dir: filepath.Join(dir, "spool")})
		must(t, err)
		t.Cleanup(func() { _ = s.Close() })
		c.fill(s, i, start)
		stores[i] = s
		id, err := agentenrol.Open(dir)
		must(t, err)
		l, err := link.New(link.Options{URL: c.agentsURL, Credential: id})
		must(t, err)
		u, err := uplink.New(uplink.Options{Spool: s, Link: l, BacklogRate: 20000, Logger: slog.New(slog.DiscardHandler)})
		must(t, err)
		all.Go(func() {
			<-back
			_ = u.Run(ctx)
		})
		all.Go(func() { // the long poll, as an agent's
			<-back
			for ctx.Err() == nil {
				_, _ = l.Do(ctx, link.Request{Method: "GET", Path: "/api/v1/agents/self/work?after=0", Limit: 1 << 20})
				select {
				case <-ctx.Done():
				case <-time.After(2 * time.Second):
				}
			}
		})
	}
	ready := c.watchReady(ctx)
	begin := time.Now()
	close(back)
	first := time.Duration(0)
	c.await("every store is empty", func() bool {
		left := 0
		for _, s := range stores {
			for _, lane := range s.Stats().Lanes {
				if lane.PendingBytes > 0 {
					left++
					break
				}
			}
		}
		if left < n && first == 0 {
			first = time.Since(begin)
		}
		return left == 0
	})
	took := time.Since(begin)
	end()
	all.Wait()
	slowest, middle, asked := ready()
	for i, s := range stores {
		for lane, st := range s.Stats().Lanes {
			if st.DroppedRecords > 0 {
				t.Errorf("agent %d dropped %d records of lane %d", i, st.DroppedRecords, lane)
			}
		}
	}
	c.samplesAreThere(n)
	t.Logf("%d agents, %d samples: first store empty after %s, all after %s (%.0f samples/s); ready asked %d times: median %s, slowest %s",
		n, n*batches*perBatch, first.Round(time.Millisecond), took.Round(time.Millisecond), float64(n*batches*perBatch)/took.Seconds(), asked, middle.Round(time.Millisecond), slowest.Round(time.Millisecond))
}

// fill keeps what an agent measured during the cut, and one event.
func (c *company) fill(s *spool.Spool, i int, start time.Time) {
	c.t.Helper()
	var e wire.SampleEncoder
	for k := range batches {
		var b base.Batch
		for j := range perBatch {
			b.Samples = append(b.Samples, base.Sample{Labels: base.LabelsFrom("reconnect_value", map[string]string{"job": "reconnect", "n": strconv.Itoa(j)}), Time: start.Add(time.Duration(k) * 15 * time.Second).UnixMilli(), Value: float64(k)})
		}
		body, err := e.Encode(b)
		must(c.t, err)
		must(c.t, s.Append(spool.Samples, body))
	}
	body, err := wire.EncodeEvents([]base.Event{{ID: fmt.Sprintf("reconnect-%d", i), Kind: base.EventRestart, At: start, Agent: fmt.Sprintf("a%d", i)}})
	must(c.t, err)
	must(c.t, s.Append(spool.Events, body))
}

// watchReady asks every 50 ms whether the collector is ready, on a connection of
// its own each time as a load balancer does, until what it returns is called.
func (c *company) watchReady(ctx context.Context) func() (slowest, middle time.Duration, asked int) {
	var took []time.Duration
	ended := make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(ended)
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
		for {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
			at := time.Now()
			r, err := http.NewRequestWithContext(context.WithoutCancel(ctx), "GET", c.url+"/-/ready", nil)
			if err != nil {
				c.t.Error(err)
				return
			}
			resp, err := client.Do(r)
			if err != nil {
				c.t.Errorf("ready: %v", err)
				continue
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				c.t.Errorf("ready: status %d", resp.StatusCode)
			}
			took = append(took, time.Since(at))
		}
	}()
	return func() (time.Duration, time.Duration, int) {
		close(stop)
		<-ended
		if len(took) == 0 {
			c.t.Error("ready was never asked")
			return 0, 0, 0
		}
		slices.Sort(took)
		return took[len(took)-1], took[len(took)/2], len(took)
	}
}

// samplesAreThere counts, in the store, what every agent kept: none is lost, and
// each bears its own site.
func (c *company) samplesAreThere(n int) {
	c.t.Helper()
	code, body := c.ask("GET", "/prometheus/api/v1/query?query="+url.QueryEscape(`sum by (site) (count_over_time(reconnect_value[1h]))`), "")
	var got struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &got); code != http.StatusOK || err != nil {
		c.t.Fatalf("%d %s: %v", code, body, err)
	}
	by := map[string]string{}
	for _, r := range got.Data.Result {
		by[r.Metric["site"]], _ = r.Value[1].(string)
	}
	for i := range n {
		if want := strconv.Itoa(batches * perBatch); by[fmt.Sprintf("s%d", i)] != want {
			c.t.Errorf("agent %d: %s samples are there, want %s", i, by[fmt.Sprintf("s%d", i)], want)
		}
	}
	if len(by) != n {
		c.t.Errorf("%d sites have samples, want %d", len(by), n)
	}
}
