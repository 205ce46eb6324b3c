package snmp_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/snmp"
)

// TestSlowAgent reads an agent that takes 20 ms for each value and does one thing
// at a time. What fits the time comes whole; what does not is told, in time.
func TestSlowAgent(t *testing.T) {
	const name = "arista_eos_vrf"
	addr := replay(t, "-serial", "-per-varbind", "20ms")
	cols := interfaces()
	s := open(t, transport(t), snmp.Config{Address: addr, Community: name, Timeout: time.Second, Retries: 1})
	hello(t, s)
	t.Run("whole", func(t *testing.T) {
		var l snmp.Learned
		few := []snmp.OID{cols[1], cols[7]}
		for round := range 2 {
			got := make(walked, len(few))
			begin := time.Now()
			o, err := s.Walk(context.Background(), &l, few, got.visit)
			took, least := time.Since(begin), time.Duration(o.Varbinds)*20*time.Millisecond
			t.Logf("round %d: %v for %d values, %d packets, %+v", round, took, o.Varbinds, o.Requests, l)
			if err != nil || !o.Whole() || !slices.Equal(got[0], recorded(t, name, few[0])) {
				t.Fatalf("%v, %+v", err, o)
			}
			if took > least+least/4 || round == 1 && s.Stats().Retried > 0 {
				t.Errorf("took %v where the agent needs %v, %+v", took, least, s.Stats())
			}
		}
	})
	t.Run("part", func(t *testing.T) {
		var l snmp.Learned
		got := make(walked, len(cols))
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		begin := time.Now()
		o, err := s.Walk(ctx, &l, cols, got.visit)
		if took := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || took > 2100*time.Millisecond {
			t.Errorf("took %v, %v", took, err)
		}
		rows := 0
		for i, c := range o.Columns {
			rows += c.Rows
			if want := recorded(t, name, cols[i]); c.Whole && !slices.Equal(got[i], want) || c.Whole != (c.Fault == nil) || c.Rows != len(got[i]) {
				t.Errorf("column %d: %d rows of %d, %+v", i, len(got[i]), len(want), c)
			}
		}
		if rows < 60 {
			t.Errorf("only %d values in 2 s", rows)
		}
	})
}

// TestLoss: with a tenth of all packets lost everything comes, in bounded time.
func TestLoss(t *testing.T) {
	const name = "arista_eos_vrf"
	addr := replay(t, "-loss", "0.1")
	cols := interfaces()
	s := open(t, transport(t), snmp.Config{Address: addr, Community: name, Timeout: time.Second, Retries: 1})
	hello(t, s)
	var l snmp.Learned
	for range 5 {
		got := make(walked, len(cols))
		begin := time.Now()
		o, err := s.Walk(context.Background(), &l, cols, got.visit)
		if err != nil || !o.Whole() || o.ByNext {
			t.Fatalf("%v, %+v", err, o)
		}
		for i := range cols {
			if want := recorded(t, name, cols[i]); !slices.Equal(got[i], want) {
				t.Errorf("column %d: %d rows, want %d", i, len(got[i]), len(want))
			}
		}
		if took := time.Since(begin); took > 6*time.Second {
			t.Errorf("took %v", took)
		}
	}
	t.Logf("%+v", s.Stats())
}

// TestBitmaps reads a table of which two columns do not fit the agent's messages,
// not even one row, and of which the agent has no other column.
func TestBitmaps(t *testing.T) {
	const name = "vrp_5720"
	addr := replay(t, "-max-msg", "1472")
	cols := interfaces()
	for c := 4; c <= 7; c++ {
		cols = append(cols, snmp.MustParseOID(fmt.Sprintf("1.3.6.1.2.1.17.7.1.4.2.1.%d", c)))
	}
	s := open(t, transport(t), snmp.Config{Address: addr, Community: name})
	var l snmp.Learned
	for range 2 {
		got := make(walked, len(cols))
		o, err := s.Walk(context.Background(), &l, cols, got.visit)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range o.Columns {
			want := recorded(t, name, cols[i])
			big := i == 41 || i == 42
			if c.Whole == big || !big && !slices.Equal(got[i], want) || big && (!errors.Is(c.Fault, snmp.TooBig) || len(want) == 0) {
				t.Errorf("column %d: %d rows of %d, %v", i, len(got[i]), len(want), c.Fault)
			}
		}
		if o.Requests > 100 || !strings.Contains(strings.Join(o.Notes, ""), "too big") {
			t.Errorf("%d requests, %q", o.Requests, o.Notes)
		}
	}
}

// TestEveryRecording walks interfaces, entities and sensors of every recorded
// device and compares with what the recording holds.
func TestEveryRecording(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	addr := replay(t, "-max-msg", "1472")
	tr := transport(t)
	tables := [][]snmp.OID{interfaces()}
	for _, root := range []string{"1.3.6.1.2.1.47.1.1.1.1.%d", "1.3.6.1.2.1.99.1.1.1.%d", "1.3.6.1.2.1.25.2.3.1.%d"} {
		var cols []snmp.OID
		for c := 1; c <= 16; c++ {
			cols = append(cols, snmp.MustParseOID(fmt.Sprintf(root, c)))
		}
		tables = append(tables, cols)
	}
	devices, values := 0, 0
	for _, name := range names(t) {
		s := open(t, tr, snmp.Config{Address: addr, Community: secretOf(name)})
		devices++
		for _, cols := range tables {
			want := 0
			rows := recordedAll(t, name, cols)
			for _, r := range rows {
				want += r
			}
			var l snmp.Learned
			for range 2 {
				got := make(walked, len(cols))
				o, err := s.Walk(context.Background(), &l, cols, got.visit)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				for i, c := range o.Columns {
					if c.Rows != rows[i] && c.Whole {
						t.Errorf("%s, %s: %d rows, want %d; %+v", name, cols[i], c.Rows, rows[i], c)
					}
					if !c.Whole {
						t.Logf("%s, %s: %v", name, cols[i], c.Fault)
					}
				}
				if len(o.Notes) > 0 {
					t.Logf("%s: %q", name, o.Notes)
				}
			}
			values += want
		}
		s.Close()
	}
	t.Logf("%d devices, %d values", devices, values)
}
