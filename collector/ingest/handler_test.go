package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/exp/api/remote"
	writev2 "github.com/prometheus/client_golang/exp/api/remote/genproto/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
)

// memory is an Appender that keeps everything, for tests of this package alone.
type memory struct {
	got   []string
	err   error
	epoch string
	then  func() // called during Append
}

func (m *memory) Append(_ context.Context, series []metricstore.Series) (metricstore.Stats, error) {
	if m.then != nil {
		m.then()
	}
	if m.err != nil {
		return metricstore.Stats{}, m.err
	}
	var stats metricstore.Stats
	for _, s := range series {
		for _, p := range s.Points {
			m.got = append(m.got, fmt.Sprintf("%s %d %g", labelText(s.Labels), p.T, p.V))
			stats.Appended++
		}
	}
	return stats, nil
}

func (m *memory) Epoch() string        { return m.epoch }
func (m *memory) Sequence() uint64     { return 7 }
func (m *memory) DurableUntil() uint64 { return 5 }

var testNow = time.UnixMilli(1_700_000_000_000)

type fixture struct {
	*testing.T
	store   *memory
	handler *Handler
	reg     *prometheus.Registry
}

func newFixture(t *testing.T, change func(*Options)) *fixture {
	f := &fixture{T: t, store: &memory{epoch: "e1"}, reg: prometheus.NewRegistry()}
	opts := Options{
		Appender: f.store, Durable: f.store, Registerer: f.reg,
		Now:          func() time.Time { return testNow },
		Authenticate: func(*http.Request) (Source, error) { return Source{Agent: "a1", Site: "sh"}, nil },
	}
	if change != nil {
		change(&opts)
	}
	h, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	f.handler = h
	return f
}

func (f *fixture) post(path, contentType string, body []byte, change func(*http.Request)) *http.Response {
	f.Helper()
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	return w.Result()
}

func text(r *http.Response) string {
	b, _ := io.ReadAll(r.Body)
	return string(b)
}

func sample(at int64, v float64, name string, pairs ...string) base.Sample {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return base.Sample{Labels: base.LabelsFrom(name, m), Time: at, Value: v}
}

func encode(version int, samples ...base.Sample) (string, []byte) {
	var e wire.WriteEncoder
	if version == 1 {
		return wire.WriteV1ContentType, e.V1(samples).Data
	}
	return wire.WriteV2ContentType, e.V2(samples, wire.TypeByName).Data
}

func TestForcedLabels(t *testing.T) {
	in := []base.Sample{
		sample(1, 1, "up", "agent", "liar", "site", "bj", "zone", "1"),
		sample(2, 2, "up", "instance", "r1"),
		sample(3, 3, "a"),
	}
	for _, c := range []struct {
		name string
		src  Source
		want []string
	}{
		{"own site", Source{Agent: "a1", Site: "sh"}, []string{`a agent="a1" site="sh" 3 3`, `up agent="a1" site="sh" zone="1" 1 1`, `up agent="a1" instance="r1" site="sh" 2 2`}},
		{"any site", Source{Agent: "a1", Site: "hq", AnySite: true}, []string{`a agent="a1" site="hq" 3 3`, `up agent="a1" site="bj" zone="1" 1 1`, `up agent="a1" instance="r1" site="hq" 2 2`}},
		{"no site", Source{Agent: "a1"}, []string{`a agent="a1" 3 3`, `up agent="a1" zone="1" 1 1`, `up agent="a1" instance="r1" 2 2`}},
		{"more labels", Source{Agent: "a1", Site: "sh", Labels: base.Labels{{Name: "zone", Value: "z"}, {Name: "aaa", Value: "b"}}},
			[]string{`a aaa="b" agent="a1" site="sh" zone="z" 3 3`, `up aaa="b" agent="a1" site="sh" zone="z" 1 1`, `up aaa="b" agent="a1" instance="r1" site="sh" zone="z" 2 2`}},
	} {
		for version := 1; version <= 2; version++ {
			t.Run(fmt.Sprint(c.name, " v", version), func(t *testing.T) {
				f := newFixture(t, func(o *Options) {
					o.Authenticate = func(*http.Request) (Source, error) { return c.src, nil }
				})
				ct, body := encode(version, in...)
				if r := f.post(PathWrite, ct, body, nil); r.StatusCode != http.StatusNoContent {
					t.Fatalf("%d %s", r.StatusCode, text(r))
				}
				slices.Sort(f.store.got)
				if d := cmp.Diff(sorted(c.want), f.store.got); d != "" {
					t.Error(d)
				}
			})
		}
	}
}

// TestUnsorted sends labels in an order that the specification forbids.
func TestUnsorted(t *testing.T) {
	for _, c := range []struct {
		name, want, reason string
		labels             []string
		src                Source
	}{
		{"reversed", `up agent="a1" site="sh" zone="1" 1 1`, "", []string{"zone", "1", "site", "x", "agent", "y", "__name__", "up"}, Source{Agent: "a1", Site: "sh"}},
		{"site stands", `up agent="a1" site="x" zone="1" 1 1`, "", []string{"zone", "1", "site", "x", "__name__", "up"}, Source{Agent: "a1", Site: "sh", AnySite: true}},
		{"site first", `up agent="a1" site="x" zone="1" 1 1`, "", []string{"site", "x", "__name__", "up", "zone", "1"}, Source{Agent: "a1", Site: "sh", AnySite: true}},
		{"nameless agent", `up zone="1" 1 1`, "", []string{"zone", "1", "site", "x", "agent", "y", "__name__", "up"}, Source{}},
		{"twice", "", metricstore.ReasonDuplicateLabels, []string{"__name__", "up", "b", "1", "b", "2"}, Source{Agent: "a1"}},
		{"no metric name", "", metricstore.ReasonInvalidLabels, []string{"b", "1"}, Source{Agent: "a1"}},
		{"bad text", "", metricstore.ReasonInvalidLabels, []string{"__name__", "up", "b", "\xff"}, Source{Agent: "a1"}},
		{"empty name", "", metricstore.ReasonInvalidLabels, []string{"__name__", "up", "", "x"}, Source{Agent: "a1"}},
		{"empty value is no label", `up agent="a1" 1 1`, "", []string{"__name__", "up", "b", ""}, Source{Agent: "a1"}},
		{"long value", "", metricstore.ReasonLabelLimit, []string{"__name__", "up", "b", strings.Repeat("x", 5000)}, Source{Agent: "a1"}},
		{"long name", "", metricstore.ReasonLabelLimit, []string{"__name__", "up", strings.Repeat("x", 300), "1"}, Source{Agent: "a1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, func(o *Options) { o.Authenticate = func(*http.Request) (Source, error) { return c.src, nil } })
			r := f.post(PathWrite, wire.WriteV2ContentType, rawV2(c.labels), nil)
			body := text(r)
			if c.reason != "" {
				if r.StatusCode != http.StatusBadRequest || !strings.Contains(body, c.reason) {
					t.Errorf("%d %s", r.StatusCode, body)
				}
				return
			}
			if d := cmp.Diff([]string{c.want}, f.store.got); d != "" {
				t.Errorf("%d %s %s", r.StatusCode, body, d)
			}
		})
	}
}

func rawV2(labels []string) []byte {
	req := &writev2.Request{Symbols: append([]string{""}, labels...)}
	ts := &writev2.TimeSeries{Samples: []*writev2.Sample{{Value: 1, Timestamp: 1}}}
	for i := range labels {
		ts.LabelsRefs = append(ts.LabelsRefs, uint32(i+1))
	}
	req.Timeseries = append(req.Timeseries, ts)
	return marshal(req)
}

func marshal(req *writev2.Request) []byte {
	b, err := req.MarshalVT()
	if err != nil {
		panic(err)
	}
	return snappy.Encode(nil, b)
}

func TestHeadersAndPartial(t *testing.T) {
	f := newFixture(t, nil)
	ct, body := encode(2, sample(testNow.UnixMilli(), 1, "up"), sample(testNow.Add(11*time.Minute).UnixMilli(), 2, "up"))
	r := f.post(PathWrite, ct, body, nil)
	got := text(r)
	if r.StatusCode != http.StatusBadRequest || !strings.Contains(got, "stored 1 of 2 samples; refused 1 for good; too_far_ahead: the sender's clock") {
		t.Errorf("%d %s", r.StatusCode, got)
	}
	for name, want := range map[string]string{
		wire.HeaderSamplesWritten: "1", headerHistogramsWritten: "0", headerExemplarsWritten: "0",
		wire.HeaderEpoch: "e1", wire.HeaderSequence: "7", wire.HeaderDurable: "5",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if got := testutil.ToFloat64(f.handler.metrics.refused.WithLabelValues(metricstore.ReasonTooFarAhead)); got != 1 {
		t.Errorf("counter %v", got)
	}
}

func TestNativeHistogramsAreRefusedClearly(t *testing.T) {
	f := newFixture(t, nil)
	req := &writev2.Request{Symbols: []string{"", "__name__", "h"}}
	req.Timeseries = []*writev2.TimeSeries{
		{LabelsRefs: []uint32{1, 2}, Histograms: []*writev2.Histogram{{Timestamp: 1}}},
		{LabelsRefs: []uint32{1, 2}, Samples: []*writev2.Sample{{Timestamp: 1}}, Exemplars: []*writev2.Exemplar{{Timestamp: 1}}},
	}
	r := f.post(PathWrite, wire.WriteV2ContentType, marshal(req), nil)
	if got := text(r); r.StatusCode != http.StatusBadRequest || !strings.Contains(got, "stored 1 of 2") || !strings.Contains(got, "native histograms are not stored here") {
		t.Errorf("%d %s", r.StatusCode, got)
	}
}

func TestRefusals(t *testing.T) {
	good := func() (string, []byte) { return encode(2, sample(1, 1, "up")) }
	ct, body := good()
	limits := func(l Limits) func(*Options) { return func(o *Options) { o.Limits = l } }
	auth := func(err error) func(*Options) {
		return func(o *Options) { o.Authenticate = func(*http.Request) (Source, error) { return Source{}, err } }
	}
	many := make([]base.Sample, 10)
	for i := range many {
		many[i] = sample(1, 1, "up", "i", fmt.Sprint(i))
	}
	_, manyBody := encode(2, many...)
	for _, c := range []struct {
		name    string
		options func(*Options)
		ct      string
		body    []byte
		change  func(*http.Request)
		status  int
		outcome string
		text    string
	}{
		{"no credentials", auth(ErrUnauthorized), ct, body, nil, 401, "unauthorized", "unauthorized"},
		{"unknown error", auth(errors.New("no such token")), ct, body, nil, 401, "unauthorized", "no such token"},
		{"forbidden", auth(fmt.Errorf("viewer: %w", ErrForbidden)), ct, body, nil, 403, "forbidden", "viewer"},
		{"json", nil, "application/json", body, nil, 415, "content_type", "only application/x-protobuf"},
		{"garbled content type", nil, ";;", body, nil, 415, "content_type", "not accepted"},
		{"other message", nil, "application/x-protobuf;proto=x.Y", body, nil, 415, "content_type", `"x.Y"`},
		{"gzip", nil, ct, body, func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, 415, "content_type", "only snappy"},
		{"not snappy", nil, ct, []byte("hello"), nil, 400, "snappy", "not"},
		{"cut snappy", nil, ct, body[:len(body)-3], nil, 400, "snappy", "not a whole snappy block"},
		{"empty body", nil, ct, nil, nil, 400, "snappy", "not a snappy block"},
		{"truncated", nil, ct, body, func(r *http.Request) { r.Body = io.NopCloser(&cutReader{body}) }, 400, "truncated", "truncated after"},
		{"not protobuf", nil, ct, snappy.Encode(nil, []byte("\xff\xff\xff")), nil, 400, "protobuf", protoV2},
		{"v1 not protobuf", nil, wire.WriteV1ContentType, snappy.Encode(nil, []byte("\x0a\x7f")), nil, 400, "protobuf", protoV1},
		{"bad symbol", nil, ct, marshal(&writev2.Request{Symbols: []string{""}, Timeseries: []*writev2.TimeSeries{{LabelsRefs: []uint32{1, 2}}}}), nil, 400, "protobuf", "symbol"},
		{"odd references", nil, ct, marshal(&writev2.Request{Symbols: []string{"", "a"}, Timeseries: []*writev2.TimeSeries{{LabelsRefs: []uint32{1}}}}), nil, 400, "protobuf", "odd"},
		{"first symbol", nil, ct, marshal(&writev2.Request{Symbols: []string{"a"}}), nil, 400, "protobuf", "first symbol"},
		{"large body", limits(Limits{BodyBytes: 10}), ct, body, nil, 413, "too_large", "at most 10"},
		{"large body, no length", limits(Limits{BodyBytes: 10}), ct, body, func(r *http.Request) { r.ContentLength = -1 }, 413, "too_large", "larger than 10"},
		{"bomb", limits(Limits{DecodedBytes: 100}), ct, snappy.Encode(nil, make([]byte, 1000)), nil, 413, "too_large", "when decompressed"},
		{"many series", limits(Limits{Series: 5}), ct, manyBody, nil, 413, "too_large", "more than 5"},
		{"many samples", limits(Limits{Samples: 5}), ct, manyBody, nil, 413, "too_large", "more than 5"},
		{"many labels", limits(Limits{Labels: 2}), ct, manyBody, nil, 400, "partial", "too many or too long labels"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, c.options)
			r := f.post(PathWrite, c.ct, c.body, c.change)
			if got := text(r); r.StatusCode != c.status || !strings.Contains(got, c.text) {
				t.Errorf("%d %q, want %d with %q", r.StatusCode, got, c.status, c.text)
			}
			if got := testutil.ToFloat64(f.handler.metrics.requests.WithLabelValues("write", c.outcome)); got != 1 {
				t.Errorf("outcome %s counted %v times", c.outcome, got)
			}
			if len(f.store.got) > 0 {
				t.Errorf("stored %v", f.store.got)
			}
		})
	}
}

type cutReader struct{ b []byte }

func (c *cutReader) Read(p []byte) (int, error) {
	if len(c.b) == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(p, c.b[:1])
	c.b = c.b[1 : len(c.b)/2]
	return n, nil
}

func TestStoreErrors(t *testing.T) {
	ct, body := encode(1, sample(1, 1, "up"))
	t.Run("append", func(t *testing.T) {
		f := newFixture(t, nil)
		f.store.err = errors.New("disk full")
		r := f.post(PathWrite, ct, body, nil)
		if got := text(r); r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" || !strings.Contains(got, "disk full") {
			t.Errorf("%d %s", r.StatusCode, got)
		}
	})
	t.Run("epoch changes meanwhile", func(t *testing.T) {
		f := newFixture(t, nil)
		f.store.then = func() { f.store.epoch = "e2" }
		if r := f.post(PathWrite, ct, body, nil); r.StatusCode != http.StatusServiceUnavailable || r.Header.Get(wire.HeaderEpoch) != "" {
			t.Errorf("%d %s", r.StatusCode, text(r))
		}
	})
	t.Run("mirror", func(t *testing.T) {
		f := newFixture(t, func(o *Options) { o.Mirrors = []metricstore.Appender{&memory{err: errors.New("queue")}} })
		if r := f.post(PathWrite, ct, body, nil); r.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%d %s", r.StatusCode, text(r))
		}
	})
}

func TestRate(t *testing.T) {
	now := testNow
	f := newFixture(t, func(o *Options) {
		o.Limits = Limits{RequestsPerSec: 0.5, RequestsBurst: 2}
		o.Now = func() time.Time { return now }
		o.Authenticate = func(r *http.Request) (Source, error) { return Source{Agent: r.Header.Get("X-Agent")}, nil }
	})
	ct, body := encode(1, sample(1, 1, "up"))
	send := func(agent string) *http.Response {
		return f.post(PathWrite, ct, body, func(r *http.Request) { r.Header.Set("X-Agent", agent) })
	}
	for i, want := range []int{204, 204, 429, 429} {
		if r := send("a1"); r.StatusCode != want {
			t.Errorf("request %d: %d, want %d", i, r.StatusCode, want)
		} else if want == 429 && r.Header.Get("Retry-After") != "2" {
			t.Errorf("Retry-After %q", r.Header.Get("Retry-After"))
		}
	}
	if r := send("a2"); r.StatusCode != http.StatusNoContent {
		t.Errorf("another agent: %d", r.StatusCode)
	}
	now = now.Add(2 * time.Second)
	if r := send("a1"); r.StatusCode != http.StatusNoContent {
		t.Errorf("after waiting: %d", r.StatusCode)
	}
}

func TestConcurrent(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Limits.Concurrent = 1 })
	ct, body := encode(1, sample(1, 1, "up"))
	var inner *http.Response
	f.store.then = func() {
		f.store.then = nil
		inner = f.post(PathWrite, ct, body, nil)
	}
	if r := f.post(PathWrite, ct, body, nil); r.StatusCode != http.StatusNoContent {
		t.Errorf("first: %d", r.StatusCode)
	}
	if inner.StatusCode != http.StatusServiceUnavailable || inner.Header.Get("Retry-After") == "" {
		t.Errorf("second: %d", inner.StatusCode)
	}
}

func TestObserversAndMetadata(t *testing.T) {
	var saw []string
	var meta keeper
	f := newFixture(t, func(o *Options) {
		o.Metadata = &meta
		o.Observers = append(o.Observers, func(src Source, series []metricstore.Series) {
			for _, s := range series {
				saw = append(saw, fmt.Sprint(src.Agent, " ", labelText(s.Labels), " ", len(s.Points)))
			}
		})
	})
	req := &writev2.Request{Symbols: []string{"", "__name__", "rx_total", "Bytes received.", "bytes", "lat_bucket", "le", "1"}}
	req.Timeseries = []*writev2.TimeSeries{
		{LabelsRefs: []uint32{1, 2}, Samples: []*writev2.Sample{{Timestamp: 1}, {Timestamp: 2, Value: math.NaN()}}, Metadata: &writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_COUNTER, HelpRef: 3, UnitRef: 4}},
		{LabelsRefs: []uint32{1, 5, 6, 7}, Samples: []*writev2.Sample{{Timestamp: 1}}, Metadata: &writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_HISTOGRAM}},
	}
	if r := f.post(PathWrite, wire.WriteV2ContentType, marshal(req), nil); r.StatusCode != http.StatusNoContent {
		t.Fatal(text(r))
	}
	if d := cmp.Diff([]string{`a1 rx_total agent="a1" site="sh" 2`, `a1 lat_bucket agent="a1" le="1" site="sh" 1`}, saw); d != "" {
		t.Error(d)
	}
	want := keeper{{Metric: "rx_total", Type: "counter", Help: "Bytes received.", Unit: "bytes"}, {Metric: "lat", Type: "histogram"}}
	if d := cmp.Diff(want, meta); d != "" {
		t.Error(d)
	}
}

type keeper []metricstore.Metadata

func (k *keeper) KeepMetadata(ms []metricstore.Metadata) { *k = append(*k, ms...) }

// TestOfficialClient sends with the Prometheus project's own client, which
// counts a 2.0 answer without statistics as a loss.
func TestOfficialClient(t *testing.T) {
	f := newFixture(t, nil)
	srv := httptest.NewServer(f.handler)
	defer srv.Close()
	api, err := remote.NewAPI(srv.URL, remote.WithAPIPath("api/v1/write"))
	if err != nil {
		t.Fatal(err)
	}
	req := &writev2.Request{Symbols: []string{"", "__name__", "up", "机房", "上海"}, Timeseries: []*writev2.TimeSeries{{LabelsRefs: []uint32{1, 2, 3, 4}, Samples: []*writev2.Sample{{Value: 42, Timestamp: 9}}}}}
	stats, err := api.Write(context.Background(), remote.WriteV2MessageType, req)
	if err != nil || stats.Samples != 1 {
		t.Fatalf("%+v %v", stats, err)
	}
	if d := cmp.Diff([]string{`up agent="a1" site="sh" 机房="上海" 9 42`}, f.store.got); d != "" {
		t.Error(d)
	}
}

func TestMethodAndPath(t *testing.T) {
	f := newFixture(t, nil)
	for path, want := range map[string]int{PathWrite: 405, PathEvents: 404, "/x": 404} {
		w := httptest.NewRecorder()
		f.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != want {
			t.Errorf("GET %s: %d, want %d", path, w.Code, want)
		}
	}
}

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}
