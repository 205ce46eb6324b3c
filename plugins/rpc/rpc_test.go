package rpc

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/rpc/pluginpb"
	"github.com/faultline/faultline/plugins/ticket"
)

// kept is an input.Sink that keeps everything.
type kept struct {
	base.Batch
	events []base.Event
}

func (k *kept) Sample(s base.Sample) { k.Samples = append(k.Samples, s) }
func (k *kept) Block(b base.Block)   { k.Blocks = append(k.Blocks, b) }
func (k *kept) Event(e base.Event)   { k.events = append(k.events, e) }

// carried is what arrives of what is written, over encoded messages.
func carried(t interface{ Fatal(...any) }, write func(*writer)) (*kept, int) {
	var k kept
	parts := 0
	w := newWriter(func(p *pluginpb.GatherPart) error {
		parts++
		raw, err := proto.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var got pluginpb.GatherPart
		if err := proto.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
		return read(&got, &k)
	})
	write(w)
	if err := w.finish(&pluginpb.Outcome{}); err != nil {
		t.Fatal(err)
	}
	return &k, parts
}

var label = rapid.StringMatching(`[a-z_]{1,8}`)

func drawLabels(t *rapid.T) base.Labels {
	return base.LabelsFrom("", rapid.MapOfN(label, rapid.StringN(1, 20, -1), 0, 5).Draw(t, "labels"))
}

func drawBlock(t *rapid.T) base.Block {
	var b base.Block
	rows, columns := rapid.IntRange(0, 20).Draw(t, "rows"), rapid.IntRange(1, 4).Draw(t, "columns")
	for c := range columns {
		b.Names = append(b.Names, fmt.Sprintf("column_%d", c))
	}
	info := base.BlockInfo{Name: "info", Label: "text", Texts: make([]string, 0, rows)}
	b.Values = make([]float64, 0, rows*columns)
	b.Rows = make([]base.BlockRow, 0, rows)
	for range rows {
		b.Rows = append(b.Rows, base.BlockRow{Labels: drawLabels(t), Time: rapid.Int64().Draw(t, "time")})
		info.Texts = append(info.Texts, rapid.SampledFrom([]string{"", "线路", "x"}).Draw(t, "text"))
		for range columns {
			b.Values = append(b.Values, rapid.SampledFrom([]float64{0, 1, -1.5, math.Inf(1), math.NaN(), base.Missing()}).Draw(t, "value"))
		}
	}
	b.Infos = []base.BlockInfo{info}
	return b
}

// bits compares floats as they are stored: NaNs by what they mean.
var bits = cmp.Comparer(func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) })

func TestWhatIsWrittenArrives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want kept
		for range rapid.IntRange(0, 20).Draw(t, "samples") {
			want.Sample(base.Sample{Labels: drawLabels(t).Named("m"), Time: rapid.Int64().Draw(t, "time"), Value: rapid.Float64().Draw(t, "value")})
		}
		for range rapid.IntRange(0, 3).Draw(t, "blocks") {
			want.Block(drawBlock(t))
		}
		want.Event(base.Event{ID: "1", Kind: "change", At: time.UnixMilli(1700000000000), Text: "换", Attrs: map[string]string{"a": "b"}})
		got, _ := carried(t, func(w *writer) {
			for _, s := range want.Samples {
				w.Sample(s)
			}
			for _, b := range want.Blocks {
				w.Block(b)
			}
			for _, e := range want.events {
				w.Event(e)
			}
		})
		if diff := cmp.Diff(want.Batch, got.Batch, bits, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(want.events, got.events); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestTablesAreSmallOnTheWire(t *testing.T) {
	b := base.Block{Names: []string{"ifHCInOctets", "ifHCOutOctets", "ifInErrors", "ifOutErrors", "ifOperStatus"}}
	for i := range 480 { // 2,400 values
		b.Rows = append(b.Rows, base.BlockRow{Time: 1700000000000, Labels: base.LabelsFrom("", map[string]string{"ifIndex": fmt.Sprint(i), "ifName": fmt.Sprintf("GigabitEthernet0/0/%d", i), "ifAlias": "uplink"})})
		b.Values = append(b.Values, float64(i)*1e9, float64(i)*2e9, 0, 0, 1)
	}
	var one, many int
	count := func(n *int) *writer {
		return newWriter(func(p *pluginpb.GatherPart) error { *n += proto.Size(p); return nil })
	}
	w := count(&one)
	w.Block(b)
	_ = w.finish(nil)
	w = count(&many)
	for s := range b.Samples() {
		w.Sample(s)
	}
	_ = w.finish(nil)
	if one > 48_000 || one*5 > many*3 {
		t.Errorf("2,400 values of a table: %d bytes as a block, %d as samples", one, many)
	}
	t.Logf("2,400 values of a table: %d bytes as a block, %d as samples", one, many)
}

func TestLongReadingsComeInParts(t *testing.T) {
	got, parts := carried(t, func(w *writer) {
		for i := range 30_000 {
			w.Sample(base.Sample{Labels: base.LabelsFrom("m", map[string]string{"i": fmt.Sprint(i)}), Value: 1})
		}
	})
	if len(got.Samples) != 30_000 || parts < 3 {
		t.Errorf("%d samples in %d parts", len(got.Samples), parts)
	}
}

func TestBytesThatAreNoTextArrive(t *testing.T) {
	got, _ := carried(t, func(w *writer) {
		w.Sample(base.Sample{Labels: base.Labels{{Name: base.MetricName, Value: "m"}, {Name: "alias", Value: "a\xff\xfeb"}}})
		w.Event(base.Event{Kind: "trap", Text: "\xc0", Attrs: map[string]string{"\xff": "\xfe"}})
	})
	if v := got.Samples[0].Labels.Get("alias"); v != "a\uFFFDb" {
		t.Errorf("alias: %q", v)
	}
	if len(got.events) != 1 {
		t.Error("the event is lost")
	}
}

// FuzzPart reads parts that no honest plugin sends: an error, never a panic.
func FuzzPart(f *testing.F) {
	for _, p := range []*pluginpb.GatherPart{
		{Symbols: []string{"a"}, Samples: &pluginpb.Samples{LabelCounts: []uint32{1}, Labels: []uint32{0, 9}, Times: []int64{1}, Values: []float64{1}}},
		{Blocks: []*pluginpb.Block{{Names: []uint32{0}, RowLabelCounts: []uint32{1 << 31}, RowTimes: []int64{1}, Missing: []uint32{1 << 31}}}},
		{Blocks: []*pluginpb.Block{{Infos: []*pluginpb.BlockInfo{{Name: 7, Texts: []uint32{1}}}}}},
	} {
		raw, err := proto.Marshal(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var p pluginpb.GatherPart
		if proto.Unmarshal(raw, &p) != nil {
			return
		}
		var k kept
		if err := read(&p, &k); err != nil && !errors.Is(err, errMalformed) {
			t.Errorf("error is no errMalformed: %v", err)
		}
		for i := range k.Blocks {
			if !k.Blocks[i].Whole() {
				t.Error("a block came through that is not whole")
			}
			for range k.Blocks[i].Samples() { // must not panic
			}
		}
	})
}

func TestFailuresKeepTheirMeaning(t *testing.T) {
	cause := errors.New("answered 503")
	for name, c := range map[string]struct {
		in                   error
		retryable, ambiguous bool
	}{
		"said to be harmless": {&ticket.Error{Op: "post", Retryable: true, Err: cause}, true, false},
		"final":               {&ticket.Error{Op: "post", Err: cause}, false, false},
		"in doubt":            {&ticket.Error{Op: "post", Ambiguous: true, Err: cause}, false, true},
		"wrapped":             {fmt.Errorf("desk: %w", &ticket.Error{Op: "post", Err: cause}), false, false},
		"nothing said":        {cause, true, true},
	} {
		var e *ticket.Error
		if err := failed(failure(c.in)); !errors.As(err, &e) || e.Retryable != c.retryable || e.Ambiguous != c.ambiguous {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if failed(failure(nil)) != nil {
		t.Error("no error became one")
	}
}

func TestOneTargetIsNotReadTwiceAtOnce(t *testing.T) {
	s := &inputServer{busy: map[string]bool{}}
	if !s.begin("a") || s.begin("a") || !s.begin("b") {
		t.Error("a target was begun twice, or another was not begun")
	}
	s.end("a")
	if !s.begin("a") {
		t.Error("a target that ended cannot begin")
	}
}

func TestPluginWithoutSettingsRefusesThem(t *testing.T) {
	s := &pluginServer{plugin: &Plugin{}}
	r, err := s.Configure(context.Background(), &pluginpb.ConfigureRequest{Settings: map[string]string{"a": "b"}})
	if err != nil || r.GetError() == "" {
		t.Errorf("got %v, %v: want a refusal", r, err)
	}
}
