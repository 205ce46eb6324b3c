package wire

import (
	"fmt"
	"math"
	"testing"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	writev2 "github.com/prometheus/client_golang/exp/api/remote/genproto/v2"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/faultline/faultline/plugins/base"
)

// mixed has two series in disorder and one repeat.
func mixed() []base.Sample {
	return []base.Sample{
		sample("b_total", 20, 2, "x", "1"),
		sample("a", 10, 7),
		sample("b_total", 10, 1, "x", "1"),
		sample("b_total", 10, 1.5, "x", "1"),
		sample("b_total", 30, math.Inf(1), "x", "1"),
	}
}

var wantMixed = []string{
	`[{__name__ a}] 10=7`,
	`[{__name__ b_total} {x 1}] 10=1.5 20=2 30=+Inf`,
}

func TestWriteV1(t *testing.T) {
	var e WriteEncoder
	for range 2 { // twice: buffers are kept
		body := e.V1(mixed())
		if body.Samples != 4 || body.Series != 2 {
			t.Errorf("got %d samples in %d series, want 4 in 2", body.Samples, body.Series)
		}
		if diff := cmp.Diff(readV1(t, body.Data), wantMixed); diff != "" {
			t.Errorf("got (-), want (+):\n%s", diff)
		}
	}
}

func TestWriteV2(t *testing.T) {
	var e WriteEncoder
	for range 2 {
		body := e.V2(mixed(), TypeByName)
		if body.Samples != 4 || body.Series != 2 {
			t.Errorf("got %d samples in %d series, want 4 in 2", body.Samples, body.Series)
		}
		req, got := readV2(t, body.Data)
		if diff := cmp.Diff(got, wantMixed); diff != "" {
			t.Errorf("got (-), want (+):\n%s", diff)
		}
		if req.Symbols[0] != "" {
			t.Errorf("first symbol %q, want empty", req.Symbols[0])
		}
		if got := req.Timeseries[1].GetMetadata().GetType(); got != writev2.Metadata_METRIC_TYPE_COUNTER {
			t.Errorf("type of b_total is %v, want counter", got)
		}
		if req.Timeseries[0].Metadata != nil {
			t.Errorf("a has metadata %v, want none", req.Timeseries[0].Metadata)
		}
	}
}

// readV2 reads a request: a line for each series, with its samples.
func readV2(t *testing.T, data []byte) (*writev2.Request, []string) {
	t.Helper()
	raw, err := snappy.Decode(nil, data)
	if err != nil {
		t.Fatal(err)
	}
	var req writev2.Request
	if err := proto.Unmarshal(raw, &req); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, ts := range req.Timeseries {
		var labels base.Labels
		for i := 0; i < len(ts.LabelsRefs); i += 2 {
			labels = append(labels, base.Label{Name: req.Symbols[ts.LabelsRefs[i]], Value: req.Symbols[ts.LabelsRefs[i+1]]})
		}
		line := fmt.Sprint(labels)
		for _, s := range ts.Samples {
			line += fmt.Sprintf(" %d=%v", s.Timestamp, s.Value)
		}
		got = append(got, line)
	}
	return &req, got
}

// readV1 reads a prometheus.WriteRequest field by field.
func readV1(t *testing.T, data []byte) []string {
	t.Helper()
	raw, err := snappy.Decode(nil, data)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	fields(t, raw, func(_ protowire.Number, series []byte) {
		var labels base.Labels
		samples := ""
		fields(t, series, func(n protowire.Number, v []byte) {
			if n == 1 {
				var l base.Label
				fields(t, v, func(n protowire.Number, s []byte) {
					if n == 1 {
						l.Name = string(s)
					} else {
						l.Value = string(s)
					}
				})
				labels = append(labels, l)
				return
			}
			_, _, tag := protowire.ConsumeTag(v)
			value, size := protowire.ConsumeFixed64(v[tag:])
			_, _, tag2 := protowire.ConsumeTag(v[tag+size:])
			at, _ := protowire.ConsumeVarint(v[tag+size+tag2:])
			samples += fmt.Sprintf(" %d=%v", int64(at), math.Float64frombits(value))
		})
		out = append(out, fmt.Sprint(labels)+samples)
	})
	return out
}

// fields calls do with every length-delimited field of a message.
func fields(t *testing.T, b []byte, do func(protowire.Number, []byte)) {
	t.Helper()
	for len(b) > 0 {
		n, typ, size := protowire.ConsumeTag(b)
		if size < 0 || typ != protowire.BytesType {
			t.Fatalf("field %d of type %d, want bytes", n, typ)
		}
		v, m := protowire.ConsumeBytes(b[size:])
		if m < 0 {
			t.Fatalf("field %d: %v", n, protowire.ParseError(m))
		}
		do(n, v)
		b = b[size+m:]
	}
}
