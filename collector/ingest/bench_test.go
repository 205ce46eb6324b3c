//go:build unix

package ingest

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/golang/snappy"
	writev2 "github.com/prometheus/client_golang/exp/api/remote/genproto/v2"

	"github.com/faultline/faultline/collector/metricstore/embedded"
	"github.com/faultline/faultline/internal/wire"
)

const (
	benchSeries = 100_000
	benchBatch  = 2_000 // series in a request, as Prometheus' default
)

// benchRequest is one request's message, whose times can be moved on.
type benchRequest struct{ msg *writev2.Request }

// benchRequests covers benchSeries series shaped as a host's: nine labels, few
// metric names, many instances.
func benchRequests() []benchRequest {
	var out []benchRequest
	for first := 0; first < benchSeries; first += benchBatch {
		table := writev2.NewSymbolTable()
		req := &writev2.Request{}
		for i := first; i < first+benchBatch; i++ {
			ls := []string{
				"__name__", fmt.Sprintf("node_metric_%d_total", i%400), "cpu", fmt.Sprint(i % 16), "device", "sh-" + fmt.Sprint(i/400),
				"instance", fmt.Sprintf("10.1.%d.7", i/400), "job", "node", "mode", "idle", "role", "agent_host", "site", "sh",
			}
			ts := &writev2.TimeSeries{LabelsRefs: table.SymbolizeLabels(ls, nil), Samples: []*writev2.Sample{{Value: float64(i)}}}
			req.Timeseries = append(req.Timeseries, ts)
		}
		req.Symbols = table.Symbols()
		out = append(out, benchRequest{req})
	}
	return out
}

func (r benchRequest) body(at int64, round int) []byte {
	for i, ts := range r.msg.Timeseries {
		ts.Samples[0].Timestamp = at
		ts.Samples[0].Value = float64(i + round)
	}
	b, err := r.msg.MarshalVT()
	if err != nil {
		panic(err)
	}
	return snappy.Encode(nil, b)
}

// BenchmarkWriteV2 is the whole way of a remote write 2.0 request through the
// handler into the embedded engine, on one core, at 100,000 series. One round
// is one sample of every series; encoding is not counted.
func BenchmarkWriteV2(b *testing.B) {
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	store, err := embedded.Open(embedded.Options{Dir: b.TempDir(), Logger: logger, MinFree: 1 << 20})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	h, err := New(Options{
		Appender: store, Durable: store, Metadata: store, Logger: logger,
		Authenticate: func(*http.Request) (Source, error) { return Source{Agent: "a1", Site: "sh"}, nil },
		Limits:       Limits{RequestsPerSec: 1e9, RequestsBurst: 1e9},
	})
	if err != nil {
		b.Fatal(err)
	}
	requests := benchRequests()
	start := time.Now().Add(-time.Hour)
	var used time.Duration
	round := func(n int, measured bool) {
		at := start.Add(time.Duration(n) * time.Second).UnixMilli()
		for _, r := range requests {
			b.StopTimer()
			req := httptest.NewRequest(http.MethodPost, PathWrite, bytes.NewReader(r.body(at, n)))
			req.Header.Set("Content-Type", wire.WriteV2ContentType)
			w := httptest.NewRecorder()
			before := cpuTime(b)
			if measured {
				b.StartTimer()
			}
			h.ServeHTTP(w, req)
			if measured {
				b.StopTimer()
				used += cpuTime(b) - before
			}
			if w.Code != http.StatusNoContent {
				b.Fatal(w.Code, w.Body.String())
			}
		}
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	round(0, false)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		round(i+1, true)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)*benchSeries/b.Elapsed().Seconds(), "samples/s/core")
	b.ReportMetric(float64(b.N)*benchSeries/used.Seconds(), "samples/cpu-s")
}

// cpuTime is what this process has used; on a machine that is busy otherwise it
// says more than the time of day.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkDecodeV2 is the decoder alone.
func BenchmarkDecodeV2(b *testing.B) {
	limits := Limits{}.withDefaults()
	d := newDecoder(limits, newInterner(limits))
	msg, err := snappy.Decode(nil, benchRequests()[3].body(1, 1))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	before := cpuTime(b)
	for b.Loop() {
		d.reset()
		d.forced = newForced(Source{Agent: "a1", Site: "sh"})
		if err := d.decodeV2(msg); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*benchBatch/(cpuTime(b)-before).Seconds(), "samples/cpu-s")
}
