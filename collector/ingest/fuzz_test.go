package ingest

import (
	"slices"
	"testing"

	"github.com/golang/snappy"

	"github.com/faultline/faultline/plugins/base"
)

// checkDecoded fails when what a decoder returned breaks what engines rely on.
func checkDecoded(t *testing.T, d *decoder) {
	t.Helper()
	points := 0
	for _, s := range d.series {
		points += len(s.Points)
		if len(s.Points) == 0 || s.Labels.Name() == "" || s.Labels.Get("agent") != "a1" || s.Labels.Get("site") != "sh" {
			t.Fatalf("series %v with %d points", s.Labels, len(s.Points))
		}
		if !slices.IsSortedFunc(s.Labels, func(a, b base.Label) int {
			if a.Name < b.Name {
				return -1
			}
			return 1
		}) {
			t.Fatalf("labels not sorted or not unique: %v", s.Labels)
		}
	}
	if points+d.refused.Rejected != d.samples {
		t.Fatalf("%d samples sent, %d kept, %d refused", d.samples, points, d.refused.Rejected)
	}
}

func fuzzDecoder(f *testing.F, version int) {
	_, body := encode(version, sample(1, 1, "up", "site", "x"), sample(2, 2, "up", "site", "x"), sample(3, 3, "rx_total", "机房", "1"))
	plain, err := snappy.Decode(nil, body)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	f.Add(plain[:len(plain)-1])
	f.Add([]byte{0x22, 0, 0x2a, 4, 0x0a, 2, 0, 0})
	limits := Limits{Series: 100, Labels: 8}.withDefaults()
	d := newDecoder(limits, newInterner(limits))
	f.Fuzz(func(t *testing.T, msg []byte) {
		d.reset()
		d.forced = newForced(Source{Agent: "a1", Site: "sh"})
		decode := d.decodeV1
		if version == 2 {
			decode = d.decodeV2
		}
		if decode(msg) != nil {
			return
		}
		checkDecoded(t, d)
	})
}

func FuzzDecodeV1(f *testing.F) { fuzzDecoder(f, 1) }

func FuzzDecodeV2(f *testing.F) { fuzzDecoder(f, 2) }
