package influx

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/plugins/base"
)

func openMirror(t *testing.T, opts Options) *Mirror {
	t.Helper()
	if opts.Dir == "" {
		opts.Dir = t.TempDir()
	}
	opts.Bucket = "fl/autogen"
	opts.MinBackoff, opts.MaxBackoff = 20*time.Millisecond, 500*time.Millisecond
	m, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// run runs the mirror until stop is called or the test ends.
func run(t *testing.T, m *Mirror) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// feed appends one sample of each of ten series at the moment.
func feed(t *testing.T, m *Mirror, at time.Time) int {
	t.Helper()
	var series []metricstore.Series
	for i := range 10 {
		series = append(series, metricstore.Series{
			Labels: base.LabelsFrom("rtt", map[string]string{"device": fmt.Sprintf("路由器 %d", i), "volume": `C:\`}),
			Points: []metricstore.Point{{T: at.UnixMilli(), V: float64(i)}},
		})
	}
	stats, err := m.Append(context.Background(), series)
	if err != nil {
		t.Fatal(err)
	}
	return stats.Appended
}

// TestOutage stops the server, goes on appending, starts it again and appends
// nothing any more: all points arrive, each once.
func TestOutage(t *testing.T) {
	for _, c := range []struct {
		name  string
		start func(*testing.T) *server
		count func(s *server, at time.Time) int
	}{
		{"influxd", startInflux, func(s *server, _ time.Time) int { return s.countInfluxQL("rtt") }},
		{"victoria-metrics", startVictoria, func(s *server, at time.Time) int { return s.countPromQL("rtt_value", at) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.start(t)
			dir := t.TempDir()
			m := openMirror(t, Options{URL: s.url, Dir: dir})
			if err := m.Check(context.Background()); err != nil {
				t.Errorf("check: %v", err)
			}
			stop := run(t, m)
			begin := time.Now().Add(-90 * time.Minute).Truncate(time.Second)
			appended, moment := 0, begin
			add := func(rounds int) {
				for range rounds {
					moment = moment.Add(5 * time.Second)
					appended += feed(t, m, moment)
				}
			}
			add(50)
			waitFor(t, "the first points", func() bool { return m.Status().Points == 0 })

			s.stop(syscall.SIGTERM)
			add(120) // ten minutes of samples
			waitFor(t, "the mirror to notice", func() bool { return m.Status().Err != nil })
			add(1)
			// The collector restarts during the outage.
			stop()
			m = openMirror(t, Options{URL: s.url, Dir: dir})
			run(t, m)
			if err := m.Check(context.Background()); err == nil {
				t.Error("check of a stopped server gave no error")
			}
			if got := m.Status().Points; got != 1210 {
				t.Errorf("%d points waiting, want 1210", got)
			}
			s.start()
			end := begin.Add(2 * time.Hour)
			waitFor(t, "the backlog to drain without a new point", func() bool { return m.Status().Points == 0 })
			waitFor(t, "all points to be readable", func() bool { return c.count(s, end) >= appended })
			if got := c.count(s, end); got != appended {
				t.Errorf("%d points stored, %d appended", got, appended)
			}
		})
	}
}

// TestKilledServer kills the server and appends a round a second until it comes
// back: after two seconds, or after $FAULTLINE_OUTAGE (10m for the whole proof).
func TestKilledServer(t *testing.T) {
	outage := 2 * time.Second
	if text := os.Getenv("FAULTLINE_OUTAGE"); text != "" {
		var err error
		if outage, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	s := startInflux(t)
	m := openMirror(t, Options{URL: s.url})
	run(t, m)
	appended := feed(t, m, time.Now())
	waitFor(t, "the first points", func() bool { return m.Status().Points == 0 })
	s.stop(syscall.SIGKILL)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for end := time.Now().Add(outage); time.Now().Before(end); {
		<-tick.C
		appended += feed(t, m, time.Now())
	}
	s.start()
	waitFor(t, "the backlog to drain", func() bool { return m.Status().Points == 0 })
	if got := s.countInfluxQL("rtt"); got != appended {
		t.Errorf("%d points stored, %d appended", got, appended)
	}
	t.Logf("%d points over an outage of %v", appended, outage)
}

// TestQuarantine makes InfluxDB refuse some lines of a batch for good: the
// others are stored, the refused ones are kept in a file and counted.
func TestQuarantine(t *testing.T) {
	s := startInflux(t)
	r, err := http.Post(s.url+"/write?db=fl", "", strings.NewReader(`clash value="text"`))
	if err != nil || r.StatusCode != http.StatusNoContent {
		t.Fatal(r, err)
	}
	r.Body.Close()
	m := openMirror(t, Options{URL: s.url})
	now := time.Now()
	appended := feed(t, m, now)
	clash := metricstore.Series{Labels: base.LabelsFrom("clash", map[string]string{"site": "sh"}), Points: []metricstore.Point{{T: now.UnixMilli(), V: 1}}}
	if _, err := m.Append(context.Background(), []metricstore.Series{clash}); err != nil {
		t.Fatal(err)
	}
	appended += feed(t, m, now.Add(time.Second))
	run(t, m)
	waitFor(t, "the queue to drain", func() bool { return m.Status().Points == 0 })
	if got := s.countInfluxQL("rtt"); got != appended {
		t.Errorf("%d points stored, %d appended", got, appended)
	}
	if got := testutil.ToFloat64(m.metrics.quarantined); got != 1 {
		t.Errorf("%v quarantined, want 1", got)
	}
	b, err := os.ReadFile(m.quarantine.path())
	if err != nil || !strings.Contains(string(b), "clash,site=sh value=1") || !strings.HasPrefix(string(b), "# ") {
		t.Errorf("%s %v", b, err)
	}
}

// TestOddLabels writes every kind of difficult label to a real server and
// reads them back.
func TestOddLabels(t *testing.T) {
	s := startInflux(t)
	m := openMirror(t, Options{URL: s.url})
	odd := []string{`C:\`, `a\,b`, `a, b=c`, `\\srv\share\`, "line\nend", `"quoted"`, `机房 1`, `'`, `\`, `#`}
	var series []metricstore.Series
	for i, v := range odd {
		series = append(series, metricstore.Series{
			Labels: base.LabelsFrom("odd metric", map[string]string{"v": v, "n": fmt.Sprint(i), "time": "x", "key with space": "y"}),
			Points: []metricstore.Point{{T: time.Now().UnixMilli(), V: float64(i)}},
		})
	}
	if _, err := m.Append(context.Background(), series); err != nil {
		t.Fatal(err)
	}
	run(t, m)
	waitFor(t, "the queue to drain", func() bool { return m.Status().Points == 0 })
	if got := testutil.ToFloat64(m.metrics.quarantined); got != 0 {
		t.Errorf("%v quarantined", got)
	}
	answer := s.query(`SELECT count(value) FROM "odd metric" GROUP BY n, v`)
	for i := range odd {
		if !strings.Contains(answer, fmt.Sprintf(`"n":"%d"`, i)) {
			t.Errorf("%q is missing in %s", odd[i], answer)
		}
	}
}

// TestWaitsForAPerson: a missing database is not the points' fault.
func TestWaitsForAPerson(t *testing.T) {
	s := startInflux(t)
	s.query("DROP DATABASE fl")
	m := openMirror(t, Options{URL: s.url})
	appended := feed(t, m, time.Now())
	run(t, m)
	waitFor(t, "the refusal", func() bool { return m.Status().Err != nil })
	t.Logf("without the database: %v", m.Status().Err)
	s.query("CREATE DATABASE fl")
	waitFor(t, "the queue to drain", func() bool { return m.Status().Points == 0 })
	if got := s.countInfluxQL("rtt"); got != appended {
		t.Errorf("%d points stored, %d appended", got, appended)
	}
}

func TestOptions(t *testing.T) {
	_, err := Open(Options{URL: "influx:8086", MaxBytes: -1})
	for _, want := range []string{"url must be", "bucket is empty", "directory is empty", "negative"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	m, err := Open(Options{URL: "http://127.0.0.1:1", Bucket: "b", Dir: b.TempDir(), MaxBytes: 64 << 20})
	if err != nil {
		b.Fatal(err)
	}
	var series []metricstore.Series
	for i := range 2000 {
		series = append(series, metricstore.Series{
			Labels: base.LabelsFrom("node_cpu_seconds_total", map[string]string{"cpu": fmt.Sprint(i), "mode": "idle", "site": "sh", "agent": "a1", "job": "node", "instance": "10.1.2.3"}),
			Points: []metricstore.Point{{T: int64(i), V: float64(i) / 3}},
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Append(context.Background(), series); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*2000/b.Elapsed().Seconds(), "points/s")
}

func TestHalve(t *testing.T) {
	head, tail := halve([]byte("a\nb\nc\n"), 1)
	if !bytes.Equal(head, []byte("a\n")) || !bytes.Equal(tail, []byte("b\nc\n")) {
		t.Errorf("%q %q", head, tail)
	}
}
