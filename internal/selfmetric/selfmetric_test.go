package selfmetric_test

import (
	"compress/gzip"
	"io"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	. "github.com/faultline/faultline/internal/selfmetric"
)

func fill(r *Registry) {
	c := NewCounter(Opts{Name: "a_total", Help: "Counts\nlines and \\."})
	v := NewCounterVec(Opts{Name: "c_total", Help: "By label."}, []string{"by", "who"})
	g := NewGauge(Opts{Name: "b", Help: "Stands."})
	h := NewHistogramVec(Opts{Name: "d_seconds", Help: "Times.", Buckets: []float64{.1, 1}}, []string{"way"})
	none := NewGaugeVec(Opts{Name: "e", Help: "Never set."}, []string{"x"})
	r.MustRegister(c, v, g, h, none)
	c.Inc()
	c.Add(2.5)
	g.Set(-1)
	g.Add(3)
	v.WithLabelValues("z", `say "x"\`).Inc()
	v.WithLabelValues("a", "line\nbreak").Add(1e9)
	for _, x := range []float64{.05, .1, .5, 7} {
		h.WithLabelValues("up").Observe(x)
	}
}

const want = `# HELP a_total Counts\nlines and \\.
# TYPE a_total counter
a_total 3.5
# HELP b Stands.
# TYPE b gauge
b 2
# HELP c_total By label.
# TYPE c_total counter
c_total{by="a",who="line\nbreak"} 1e+09
c_total{by="z",who="say \"x\"\\"} 1
# HELP d_seconds Times.
# TYPE d_seconds histogram
d_seconds_bucket{way="up",le="0.1"} 2
d_seconds_bucket{way="up",le="1"} 3
d_seconds_bucket{way="up",le="+Inf"} 4
d_seconds_sum{way="up"} 7.65
d_seconds_count{way="up"} 4
`

func TestText(t *testing.T) {
	r := NewRegistry()
	fill(r)
	text := string(r.Text())
	if d := cmp.Diff(text, want); d != "" {
		t.Error(d)
	}
	p := expfmt.NewTextParser(model.LegacyValidation) // what others read
	families, err := p.TextToMetricFamilies(strings.NewReader(text))
	if err != nil || len(families) != 4 {
		t.Fatalf("%d families, %v", len(families), err)
	}
	if h := families["d_seconds"].GetMetric()[0].GetHistogram(); h.GetSampleCount() != 4 || h.GetSampleSum() != 7.65 || len(h.GetBucket()) != 3 {
		t.Errorf("histogram read back as %v", h)
	}
	if l := families["c_total"].GetMetric()[1].GetLabel()[1].GetValue(); l != `say "x"\` {
		t.Errorf("label read back as %q", l)
	}
}

func TestServed(t *testing.T) {
	r := NewRegistry()
	fill(r)
	for _, packed := range []bool{false, true} {
		req, rec := httptest.NewRequest("GET", "/metrics", nil), httptest.NewRecorder()
		if packed {
			req.Header.Set("Accept-Encoding", "br, gzip")
		}
		r.ServeHTTP(rec, req)
		var body io.Reader = rec.Body
		if packed {
			var err error
			if body, err = gzip.NewReader(rec.Body); err != nil {
				t.Fatal(err)
			}
		}
		got, err := io.ReadAll(body)
		if err != nil || string(got) != want {
			t.Errorf("packed %v: %v\n%s", packed, err, cmp.Diff(string(got), want))
		}
	}
}

func TestNamesAreTakenOnce(t *testing.T) {
	r := NewRegistry()
	a, b := NewGauge(Opts{Name: "x"}), NewCounter(Opts{Name: "x"})
	if err := r.Register(a); err != nil {
		t.Fatal(err)
	}
	if err := r.Register(b); err == nil {
		t.Error("a name was taken twice")
	}
	if !r.Unregister(a) || r.Unregister(a) {
		t.Error("a collector is there once")
	}
	if err := r.Register(b); err != nil {
		t.Errorf("the name is not free again: %v", err)
	}
}

func TestCountedFromEverywhere(t *testing.T) {
	v := NewCounterVec(Opts{Name: "x_total"}, []string{"l"})
	h := NewHistogramVec(Opts{Name: "y", Buckets: []float64{1}}, []string{"l"})
	r := NewRegistry()
	r.MustRegister(v, h)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 500 {
				v.WithLabelValues(string(rune('a' + i%3))).Inc()
				h.WithLabelValues("a").Observe(.5)
				if i%100 == 0 {
					_ = r.Text()
				}
			}
		})
	}
	wg.Wait()
	if Sum(v) != 4000 || Sum(h) != 2000 {
		t.Errorf("counted %v and %v, want 4000 and 2000", Sum(v), Sum(h))
	}
}

func TestFaultsOfTheProgram(t *testing.T) {
	for name, f := range map[string]func(){
		"too few labels": func() { NewCounterVec(Opts{Name: "x"}, []string{"a", "b"}).WithLabelValues("1") },
		"const labels":   func() { Const(NewDesc("x", ""), GaugeValue, 1, "y") },
		"falling":        func() { NewCounter(Opts{Name: "x"}).Add(-1) },
		"twice": func() {
			NewRegistry().MustRegister(NewGauge(Opts{Name: "x"}), NewGauge(Opts{Name: "x"}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}
