package lab_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/faultline/faultline/agent/input/inputtest"
	"github.com/faultline/faultline/agent/input/scrape"
	"github.com/faultline/faultline/agent/link"
	"github.com/faultline/faultline/agent/schedule"
	"github.com/faultline/faultline/agent/spool"
	"github.com/faultline/faultline/agent/uplink"
	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/ingest"
	"github.com/faultline/faultline/collector/metricstore/embedded"
	"github.com/faultline/faultline/collector/ruler"
	"github.com/faultline/faultline/collector/truth"
	"github.com/faultline/faultline/internal/selfmetric"
	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// receiver is a server that takes remote write at write and answers queries at query.
type receiver struct {
	write, query string
	store        *embedded.Store // ours only
}

func ourReceiver(t *testing.T) receiver {
	t.Helper()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	store, err := embedded.Open(embedded.Options{Dir: t.TempDir(), MinFree: 1 << 20, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	h, err := ingest.New(ingest.Options{Appender: store, Durable: store, Metadata: store, Logger: quiet,
		Authenticate: func(*http.Request) (ingest.Source, error) { return ingest.Source{Agent: "a1", Site: "sh"}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", h)
	mux.Handle("/prometheus/", http.StripPrefix("/prometheus", store.Handler(embedded.APIOptions{Version: "test"})))
	srv := httptest.NewServer(mux)
	t.Cleanup(func() {
		srv.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return receiver{write: srv.URL, query: srv.URL + "/prometheus", store: store}
}

func prometheus(t *testing.T) receiver {
	t.Helper()
	at := inputtest.FreePort(t)
	dir := inputtest.Write(t, map[string]string{"prometheus.yml": "global: {scrape_interval: 1h}\n"})
	inputtest.Start(t, exec.Command(inputtest.Program(t, "prometheus", "prometheus"), "--config.file="+dir+"/prometheus.yml", "--storage.tsdb.path="+dir+"/data",
		"--web.listen-address="+at, "--web.enable-remote-write-receiver"))
	return answering(t, at)
}

func victoria(t *testing.T) receiver {
	t.Helper()
	at := inputtest.FreePort(t)
	inputtest.Start(t, exec.Command(inputtest.Program(t, "victoria-metrics", "victoria-metrics"), "-storageDataPath="+t.TempDir(), "-httpListenAddr="+at,
		"-retentionPeriod=1", "-search.latencyOffset=0s"))
	return answering(t, at)
}

func answering(t *testing.T, at string) receiver {
	t.Helper()
	r := receiver{write: "http://" + at, query: "http://" + at}
	inputtest.Until(t, "an answer of "+at, func() bool {
		_, ok := r.ask(t, "1")
		return ok
	})
	return r
}

// ask returns how many elements a query has now.
func (r receiver) ask(t *testing.T, expr string) (n int, ok bool) {
	t.Helper()
	resp, err := http.Get(r.query + "/api/v1/query?query=" + url.QueryEscape(expr))
	if err != nil {
		return 0, false
	}
	defer func() { _ = resp.Body.Close() }()
	var a struct {
		Status string
		Data   struct {
			ResultType string
			Result     json.RawMessage
		}
	}
	if json.NewDecoder(resp.Body).Decode(&a) != nil || a.Status != "success" {
		return 0, false
	}
	if a.Data.ResultType != "vector" {
		return 1, true
	}
	var vector []any
	err = json.Unmarshal(a.Data.Result, &vector)
	return len(vector), err == nil
}

// chain measures targets with the agent's own scheduler, spool and uplink until the
// test ends, and returns the scheduler.
func chain(t *testing.T, r receiver) *schedule.Scheduler {
	t.Helper()
	client, err := link.New(link.Options{URL: r.write})
	if err != nil {
		t.Fatal(err)
	}
	sp, err := spool.Open(spool.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	up, err := uplink.New(uplink.Options{Spool: sp, Link: client, Logger: slog.New(slog.DiscardHandler), Registerer: selfmetric.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	keep := func(b base.Batch, _ []base.Event) {
		record, err := wire.EncodeSamples(b.All())
		if err == nil {
			err = sp.Append(spool.Samples, record)
		}
		if err != nil {
			t.Error(err)
		}
	}
	s, err := schedule.New(schedule.Options{Inputs: map[string]input.Input{"scrape": scrape.New(scrape.Options{})}, Sink: keep, Interval: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{}, 2)
	go func() { _ = s.Run(ctx); done <- struct{}{} }()
	go func() { _ = up.Run(ctx); done <- struct{}{} }()
	t.Cleanup(func() {
		cancel()
		<-done
		<-done
		if err := sp.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestSeriesEndEverywhere: what an exporter no longer says ends at once, and not when
// the last sample has grown old, with the collector, Prometheus and VictoriaMetrics.
func TestSeriesEndEverywhere(t *testing.T) {
	for name, open := range map[string]func(*testing.T) receiver{"collector": ourReceiver, "Prometheus": prometheus, "VictoriaMetrics": victoria} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := open(t)
			var page atomic.Value
			page.Store("shop_open 1\nshop_queue{till=\"1\"} 5\nshop_queue{till=\"2\"} 7\n")
			exporter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, page.Load().(string)) }))
			defer exporter.Close()
			s := chain(t, r)
			tg := base.Target{ID: "shop", Input: "scrape", Address: exporter.URL, Labels: map[string]string{"device": "shop", "job": "shop", "instance": "shop"}}
			if err := s.SetTargets([]base.Target{tg}); err != nil {
				t.Fatal(err)
			}
			want := func(what string, queries map[string]int) {
				t.Helper()
				for q, want := range queries {
					inputtest.Until(t, what+": "+q, func() bool {
						n, ok := r.ask(t, q)
						return ok && n == want
					})
				}
			}
			want("measured", map[string]int{"shop_open": 1, "shop_queue": 2, "up == 1": 1})
			rules := judged(t, r)
			rules.is(alert.Firing, truth.Bad)
			page.Store("shop_open 1\nshop_queue{till=\"1\"} 5\n")
			want("a series is gone", map[string]int{`shop_queue{till="2"}`: 0, "shop_queue": 1, "shop_open": 1, "up == 1": 1})
			rules.is(alert.Firing, truth.Unknown)
			if r.store != nil { // the others show a sample only seconds later
				page.Store("shop_open 1\nshop_queue{till=\"1\"} 5\nshop_queue{till=\"2\"} 7\n")
				want("it is back", map[string]int{"shop_queue": 2})
				rules.is(alert.Firing, truth.Bad)
			}
			if r.store != nil {
				tg.Labels["job"] = "kiosk"
				if err := s.SetTargets([]base.Target{tg}); err != nil {
					t.Fatal(err)
				}
				want("it has another job", map[string]int{`{job="shop"}`: 0, `up{job="kiosk"}`: 1, "shop_queue": 2})
				tg.Labels["job"] = "shop"
				if err := s.SetTargets([]base.Target{tg}); err != nil {
					t.Fatal(err)
				}
				want("it has its job again", map[string]int{`{job="kiosk"}`: 0, `up{job="shop"}`: 1, "shop_queue": 2})
			}
			exporter.Close()
			want("the exporter is gone", map[string]int{"shop_open": 0, "shop_queue": 0, "up == 0": 1})
			rules.is(alert.Firing, truth.Unknown)
			if r.store != nil {
				if err := s.SetTargets(nil); err != nil {
					t.Fatal(err)
				}
				want("the target is removed", map[string]int{`{job="shop",__name__!="faultline_input_failed"}`: 0, "faultline_input_failed == 0": 1})
			}
		})
	}
}

// judge evaluates one rule about the till that goes away, over our engine.
type judge struct {
	t     *testing.T
	ruler *ruler.Ruler
}

func judged(t *testing.T, r receiver) judge {
	t.Helper()
	if r.store == nil {
		return judge{}
	}
	rules, err := ruler.Load(fstest.MapFS{"shop.yaml": {Data: []byte(`groups:
  - name: shop
    rules:
      - alert: Queue
        expr: shop_queue > 6
        labels: {severity: minor}
        annotations: {faultline_horizon: 5m}
`)}})
	if err != nil {
		t.Fatal(err)
	}
	ru, err := ruler.New(ruler.Options{Querier: r.store, Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	return judge{t, ru}
}

// is wants the one alert in a state: one whose series ended is unknown at once, and
// neither resolved nor forgotten.
func (j judge) is(state alert.State, known truth.Truth) {
	if j.ruler == nil {
		return
	}
	j.t.Helper()
	round, err := j.ruler.Eval(j.t.Context(), time.Now())
	if err == nil {
		err = j.ruler.Accept(round)
	}
	if err != nil {
		j.t.Fatal(err)
	}
	if len(round.Firing) != 1 || round.Firing[0].State != state || round.Firing[0].Truth != known || round.Firing[0].Labels["till"] != "2" {
		j.t.Errorf("firing %+v, want till 2 %v %v", round.Firing, state, known)
	}
}
