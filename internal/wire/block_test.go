package wire

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/plugins/base"
)

// blockBatch resembles one poll of a switch: a table of so many ports, with one
// cell missing, and two loose samples.
func blockBatch(rows, columns int) base.Batch {
	b := base.Block{}
	for c := range columns {
		b.Names = append(b.Names, fmt.Sprintf("ifColumn%d", c))
	}
	for r := range rows {
		port := fmt.Sprintf("GigabitEthernet0/0/%d", r)
		b.Rows = append(b.Rows, base.BlockRow{Time: 1763762400000 + int64(r), Labels: base.LabelsFrom("", map[string]string{
			"ALIAS": "upper case sorts before __name__", "ifIndex": fmt.Sprint(r + 1), "ifName": port, "ifDescr": port, "device": "sw-1", "site": "sh01", "job": "snmp"})})
		for c := range columns {
			b.Values = append(b.Values, float64(r*1000+c))
		}
	}
	if rows*columns > 1 {
		b.Values[1] = base.Missing()
	}
	b.Infos = []base.BlockInfo{{Name: "ifPhysAddress", Label: "ifPhysAddress"}, {Name: "ifDescr", Label: "ifDescr"}, {Name: "first", Label: "AA"}, {Name: "last", Label: "zone"}}
	for i := range b.Infos {
		for r := range rows {
			text := fmt.Sprintf("%02x", r*i)
			if (r+i)%3 == 0 {
				text = ""
			}
			b.Infos[i].Texts = append(b.Infos[i].Texts, text)
		}
	}
	return base.Batch{Samples: []base.Sample{sample("up", 1763762400000, 1, "device", "sw-1"), sample("x_total", 1763762400000, 2)}, Blocks: []base.Block{b}}
}

func TestBlocksRoundTrip(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {1, 3}, {3, 0}, {59, 36}} {
		want := blockBatch(size[0], size[1])
		b, err := new(SampleEncoder).Encode(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeSamples(b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, sameBits); diff != "" {
			t.Errorf("%v: want (-), got (+):\n%s", size, diff)
		}
		decodeTwice(t, b, want)
	}
	for name, b := range map[string]base.Block{
		"too few values": {Names: []string{"a"}, Rows: make([]base.BlockRow, 2), Values: make([]float64, 1)},
		"too few texts":  {Rows: make([]base.BlockRow, 2), Infos: []base.BlockInfo{{Name: "a", Label: "b", Texts: make([]string, 1)}}},
		"no columns":     {Rows: make([]base.BlockRow, 2)},
	} {
		if _, err := new(SampleEncoder).Encode(base.Batch{Blocks: []base.Block{b}}); err == nil {
			t.Errorf("a block with %s was encoded", name)
		}
	}
}

// decodeTwice decodes a batch with memory that others were decoded to, and goes on
// decoding.
func decodeTwice(t *testing.T, b []byte, want base.Batch) {
	t.Helper()
	other, err := new(SampleEncoder).Encode(blockBatch(7, 5))
	if err != nil {
		t.Fatal(err)
	}
	var d SampleDecoder
	for range 3 {
		d.Reset()
		first, err := d.Decode(b)
		_, err2 := d.Decode(other)
		second, err3 := d.Decode(b)
		if err := errors.Join(err, err2, err3); err != nil {
			t.Fatal(err)
		}
		for _, got := range []base.Batch{first, second} {
			if diff := cmp.Diff(want, got, sameBits); diff != "" {
				t.Fatalf("want (-), got (+):\n%s", diff)
			}
		}
	}
}

// TestBlocksAsSamples: a request made of blocks says the same as one made of
// their samples, whatever stands together in it.
func TestBlocksAsSamples(t *testing.T) {
	later, other := blockBatch(3, 4), blockBatch(2, 2)
	for i := range later.Blocks[0].Rows {
		later.Blocks[0].Rows[i].Time += 10_000
	}
	for i := range later.Samples {
		later.Samples[i].Time += 10_000
	}
	other.Samples = nil
	other.Blocks[0].Names[1] = "ifOther"
	again := blockBatch(3, 4)
	again.Samples = nil
	again.Blocks[0].Values[4] = 77 // the same time: the later value counts
	renamed := blockBatch(3, 4)
	renamed.Samples = nil
	for i := range renamed.Blocks[0].Rows {
		renamed.Blocks[0].Rows[i].Time += 20_000
		renamed.Blocks[0].Infos[1].Texts[i] += " renamed"
	}
	for name, batches := range map[string][]base.Batch{
		"texts change":    {blockBatch(3, 4), later, renamed},
		"one":             {blockBatch(3, 4)},
		"two polls":       {blockBatch(3, 4), later},
		"in disorder":     {later, blockBatch(3, 4)},
		"other columns":   {later, other},
		"the same twice":  {blockBatch(3, 4), again},
		"columns of late": {other, later},
	} {
		t.Run(name, func(t *testing.T) {
			var loose []base.Sample
			for _, b := range batches {
				loose = append(loose, b.All()...)
			}
			want := new(WriteEncoder).V2(loose, TypeByName)
			_, wantLines := readV2(t, want.Data)
			var e WriteEncoder
			e.V2Batches([]base.Batch{blockBatch(9, 9)}, nil) // buffers are used again
			got := e.V2Batches(batches, TypeByName)
			_, gotLines := readV2(t, got.Data)
			slices.Sort(wantLines)
			slices.Sort(gotLines)
			if diff := cmp.Diff(wantLines, gotLines); diff != "" {
				t.Errorf("of samples (-), of blocks (+):\n%s", diff)
			}
			if got.Samples != want.Samples || got.Series != want.Series {
				t.Errorf("%d samples in %d series, want %d in %d", got.Samples, got.Series, want.Samples, want.Series)
			}
		})
	}
}

func BenchmarkBlocks(b *testing.B) {
	batch := blockBatch(59, 36)
	var e SampleEncoder
	data, err := e.Encode(batch)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			if _, err := e.Encode(batch); err != nil {
				b.Fatal(err)
			}
		}
	})
	var d SampleDecoder
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			d.Reset()
			if _, err := d.Decode(data); err != nil {
				b.Fatal(err)
			}
		}
	})
	var w WriteEncoder
	b.Run("write v2", func(b *testing.B) {
		for b.Loop() {
			w.V2Batches([]base.Batch{batch}, TypeByName)
		}
	})
}
