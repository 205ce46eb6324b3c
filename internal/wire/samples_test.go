package wire

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/faultline/faultline/plugins/base"
)

func sample(name string, at int64, v float64, pairs ...string) base.Sample {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return base.Sample{Labels: base.LabelsFrom(name, m), Time: at, Value: v}
}

// hostBatch resembles one poll of a host: 400 series, ten labels each.
func hostBatch(n int) []base.Sample {
	out := make([]base.Sample, n)
	for i := range out {
		out[i] = sample(fmt.Sprintf("node_metric_%d_total", i/8), 1763762400000, float64(i)*1.5,
			"job", "node", "instance", "branch-srv-1", "site", "sh01", "device", "sh01-srv-1", "role", "agent_host",
			"agent", "sh01-a", "cpu", fmt.Sprint(i%8), "mode", "idle", "机房", "上海分公司")
	}
	return out
}

// sameBits compares values by their bits, so that NaNs of all kinds differ.
var sameBits = cmp.Options{
	cmp.Comparer(func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }),
	cmpopts.EquateEmpty(),
}

func TestSamplesRoundTrip(t *testing.T) {
	staleNaN := math.Float64frombits(0x7ff0000000000002)
	cases := map[string][]base.Sample{
		"none":      nil,
		"no labels": {{Time: 5, Value: 1}},
		"values": {
			sample("a", 0, 0), sample("a", -1, math.Inf(-1)), sample("a", math.MaxInt64, math.MaxFloat64),
			sample("a", math.MinInt64, math.Copysign(0, -1)), sample("a", 1, staleNaN), sample("a", 2, math.NaN()),
		},
		"same name and value": {sample("a", 1, 1, "b", "a", "a", "b")},
		"host":                hostBatch(400),
	}
	for name, want := range cases {
		t.Run(name, func(t *testing.T) {
			b, err := EncodeSamples(want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := DecodeSamples(b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got.Samples, want, sameBits); diff != "" {
				t.Errorf("got (-), want (+):\n%s", diff)
			}
		})
	}
}

func TestSampleEncoderReuse(t *testing.T) {
	var e SampleEncoder
	for _, want := range [][]base.Sample{hostBatch(50), {sample("x", 1, 1)}, hostBatch(3)} {
		b, err := e.Encode(base.Batch{Samples: want})
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeSamples(b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got.Samples, want, sameBits); diff != "" {
			t.Errorf("got (-), want (+):\n%s", diff)
		}
	}
}

func TestSamplesBounds(t *testing.T) {
	many := base.Sample{}
	for i := range MaxLabelsPerSample + 1 {
		many.Labels = append(many.Labels, base.Label{Name: fmt.Sprintf("l%04d", i), Value: "v"})
	}
	if _, err := EncodeSamples([]base.Sample{many}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too many labels: got %v, want ErrTooLarge", err)
	}
	if _, err := EncodeSamples([]base.Sample{sample("a", 1, 1, "b", strings.Repeat("x", MaxBatchBytes))}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too many bytes: got %v, want ErrTooLarge", err)
	}
}

func TestDecodeSamplesFaults(t *testing.T) {
	good, err := EncodeSamples(hostBatch(3))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DecodeSamples(nil); !errors.Is(err, ErrCorrupt) {
		t.Errorf("empty: got %v, want ErrCorrupt", err)
	}
	if _, err := DecodeSamples([]byte{0x7f, 1, 2}); !errors.Is(err, ErrVersion) {
		t.Errorf("version: got %v, want ErrVersion", err)
	}
	for n := 1; n < len(good); n++ {
		if _, err := DecodeSamples(good[:n]); err == nil {
			t.Fatalf("cut at %d of %d: no error", n, len(good))
		}
	}
}

func TestDecodeSamplesAllocations(t *testing.T) {
	b, err := EncodeSamples(hostBatch(400))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("400 samples of 10 labels: %d bytes", len(b))
	allocs := testing.AllocsPerRun(20, func() {
		if _, err := DecodeSamples(b); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 10 {
		t.Errorf("DecodeSamples allocates %v times, want at most 10", allocs)
	}
}

func FuzzDecodeSamples(f *testing.F) {
	for _, n := range []int{0, 1, 9} {
		b, err := EncodeSamples(hostBatch(n))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{samplesV1, 3, 8, 0, 0, 0})
	withBlocks, err := new(SampleEncoder).Encode(blockBatch(3, 2))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(withBlocks)
	f.Fuzz(func(t *testing.T, b []byte) {
		first, err := DecodeSamples(b)
		if err != nil {
			return
		}
		again, err := new(SampleEncoder).Encode(first)
		if err != nil {
			t.Fatalf("encode what was decoded: %v", err)
		}
		second, err := DecodeSamples(again)
		if err != nil {
			t.Fatalf("decode what was encoded: %v", err)
		}
		if diff := cmp.Diff(first, second, sameBits); diff != "" {
			t.Fatalf("first (-), second (+):\n%s", diff)
		}
	})
}

func BenchmarkSamples(b *testing.B) {
	batch := hostBatch(400)
	var e SampleEncoder
	data, err := e.Encode(base.Batch{Samples: batch})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := e.Encode(base.Batch{Samples: batch}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := DecodeSamples(data); err != nil {
				b.Fatal(err)
			}
		}
	})
	var w WriteEncoder
	b.Run("write v1", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w.V1(batch)
		}
	})
	b.Run("write v2", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w.V2(batch, TypeByName)
		}
	})
}
