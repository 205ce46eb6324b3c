package uplink

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	writev2 "github.com/prometheus/client_golang/exp/api/remote/genproto/v2"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/faultline/faultline/agent/link"
	"github.com/faultline/faultline/agent/spool"
	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
)

// receiver is a collector in memory. Its script may answer before it does.
type receiver struct {
	mu      sync.Mutex
	order   []string // "event ID" and "name value", as stored, in order of arrival
	v1Only  bool     // answers 204 to 2.0 and stores nothing
	epoch   string   // empty: no durability headers
	seq     uint64
	durable uint64
	script  func(w http.ResponseWriter, r *http.Request, got []string) bool // true: it has answered
	log     []string                                                        // path, version and status of each request
	at      []time.Time
}

func (f *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var got []string
	v2 := r.Header.Get("Content-Type") == wire.WriteV2ContentType
	switch {
	case r.URL.Path == "/api/v1/events":
		got = readEvents(body)
	case v2:
		got = readV2(body)
	default:
		got = readV1(body)
	}
	kind := map[bool]string{true: "v2", false: "v1"}[v2]
	if r.URL.Path == "/api/v1/events" {
		kind = "events"
	}
	f.log = append(f.log, kind)
	f.at = append(f.at, time.Now())
	if f.script != nil && f.script(w, r, got) {
		return
	}
	if v2 && f.v1Only {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	f.store(w, r, got)
	w.WriteHeader(http.StatusNoContent)
}

// store stores and sets the headers that say so.
func (f *receiver) store(w http.ResponseWriter, r *http.Request, got []string) {
	f.order = append(f.order, got...)
	f.seq++
	if f.epoch != "" {
		w.Header().Set(wire.HeaderEpoch, f.epoch)
		w.Header().Set(wire.HeaderSequence, strconv.FormatUint(f.seq, 10))
		w.Header().Set(wire.HeaderDurable, strconv.FormatUint(f.durable, 10))
	}
	if r.Header.Get("Content-Type") == wire.WriteV2ContentType {
		w.Header().Set(wire.HeaderSamplesWritten, strconv.Itoa(len(got)))
	}
}

func (f *receiver) stored() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.order)
}

func (f *receiver) set(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

func readEvents(body []byte) []string {
	var events []base.Event
	if err := json.Unmarshal(body, &events); err != nil {
		panic(err)
	}
	var out []string
	for _, e := range events {
		out = append(out, "event "+e.ID)
	}
	return out
}

func readV2(body []byte) []string {
	raw, err := snappy.Decode(nil, body)
	if err != nil {
		panic(err)
	}
	var req writev2.Request
	if err := proto.Unmarshal(raw, &req); err != nil {
		panic(err)
	}
	var out []string
	for _, ts := range req.Timeseries {
		for _, s := range ts.Samples {
			out = append(out, fmt.Sprintf("%s %v", req.Symbols[ts.LabelsRefs[1]], s.Value))
		}
	}
	return out
}

// readV1 reads names and values; its senders put __name__ first.
func readV1(body []byte) []string {
	raw, err := snappy.Decode(nil, body)
	if err != nil {
		panic(err)
	}
	var out []string
	eachField(raw, func(_ protowire.Number, series []byte) {
		name := ""
		eachField(series, func(n protowire.Number, v []byte) {
			if n == 1 && name == "" {
				eachField(v, func(n protowire.Number, s []byte) {
					if n == 2 {
						name = string(s)
					}
				})
			}
			if n == 2 {
				bits, _ := protowire.ConsumeFixed64(v[1:])
				out = append(out, fmt.Sprintf("%s %v", name, math.Float64frombits(bits)))
			}
		})
	})
	return out
}

func eachField(b []byte, do func(protowire.Number, []byte)) {
	for len(b) > 0 {
		n, _, tag := protowire.ConsumeTag(b)
		v, size := protowire.ConsumeBytes(b[tag:])
		if size < 0 {
			panic("not a message")
		}
		do(n, v)
		b = b[tag+size:]
	}
}

// memory is a transport that calls the handler in place of a network, so that
// synctest's clock drives both sides.
type memory struct{ h http.Handler }

func (m memory) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.h.ServeHTTP(rec, r)
	}()
	select {
	case <-done:
		return rec.Result(), r.Context().Err()
	case <-r.Context().Done():
		<-done
		return nil, r.Context().Err()
	}
}

// setup opens a spool and an uplink to the handler.
func setup(t *testing.T, h http.Handler, change func(*Options)) (*spool.Spool, *Uplink) {
	t.Helper()
	client, err := link.New(link.Options{URL: "http://collector", Transport: memory{h}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := spool.Open(spool.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	opt := Options{Spool: s, Link: client, Logger: testLog(t)}
	if change != nil {
		change(&opt)
	}
	u, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	return s, u
}

func testLog(t *testing.T) *slog.Logger {
	if !testing.Verbose() {
		return nil
	}
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// start runs the uplink and returns what ends it and waits.
func start(t *testing.T, u *Uplink) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- u.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func addSample(t *testing.T, s *spool.Spool, name string, values ...float64) {
	t.Helper()
	for _, v := range values {
		b, err := wire.EncodeSamples([]base.Sample{{Labels: base.LabelsFrom(name, nil), Time: time.Now().UnixMilli() + int64(v), Value: v}})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Append(spool.Samples, b); err != nil {
			t.Fatal(err)
		}
	}
}

func addEvent(t *testing.T, s *spool.Spool, kind string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		b, err := wire.EncodeEvents([]base.Event{{ID: id, Kind: kind, At: time.Now()}})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Append(spool.Events, b); err != nil {
			t.Fatal(err)
		}
	}
}
