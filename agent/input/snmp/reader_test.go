package snmp

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"
)

// grid is an agent that holds a table of columns × rows below 1.3.9 and breaks
// in the way a test says.
type grid struct {
	columns, rows int
	refuse        func(op operation, oids []string, repetitions int) (*gosnmp.SnmpPacket, error) // nil, nil: answer
	asked         int
}

func (g *grid) do(op operation, oids []string, repetitions int) (*gosnmp.SnmpPacket, error) {
	g.asked++
	if g.refuse != nil {
		if p, err := g.refuse(op, oids, repetitions); p != nil || err != nil {
			return p, err
		}
	}
	p := &gosnmp.SnmpPacket{}
	at := append([]string(nil), oids...)
	for range max(repetitions, 1) {
		for i := range at {
			v := g.next(at[i])
			if op == opGet {
				v = g.cell(at[i])
			}
			at[i] = strings.TrimPrefix(v.Name, ".")
			p.Variables = append(p.Variables, v)
		}
	}
	return p, nil
}

func (g *grid) cell(oid string) gosnmp.SnmpPDU {
	return gosnmp.SnmpPDU{Name: "." + oid, Type: gosnmp.Integer, Value: 1}
}

func (g *grid) next(oid string) gosnmp.SnmpPDU {
	parts := strings.Split(strings.TrimPrefix(oid, "1.3.9."), ".")
	c, _ := strconv.Atoi(parts[0])
	r := 0
	if len(parts) > 1 {
		r, _ = strconv.Atoi(parts[1])
	}
	if r++; r > g.rows {
		c, r = c+1, 1
	}
	if c > g.columns {
		return gosnmp.SnmpPDU{Name: "." + oid, Type: gosnmp.EndOfMibView}
	}
	return g.cell(fmt.Sprintf("1.3.9.%d.%d", c, r))
}

func refuseWith(e gosnmp.SNMPError, index uint8) (*gosnmp.SnmpPacket, error) {
	return &gosnmp.SnmpPacket{Error: e, ErrorIndex: index}, nil
}

var errTimeout = fmt.Errorf("request timeout (after 1 retries): %w", gosnmp.ErrMaxRetriesExceeded)

func TestWalk(t *testing.T) {
	const columns, rows = 4, 70
	tests := []struct {
		name   string
		refuse func(op operation, oids []string, repetitions int) (*gosnmp.SnmpPacket, error)
		v1     bool
		cells  int
		faults string // of columns, joined
		lost   bool
		most   int // requests
	}{
		{"well", nil, false, columns * rows, "", false, 8},
		{"v1", nil, true, columns * rows, "", false, rows + 2},
		{"too big above 3 repetitions", func(op operation, _ []string, n int) (*gosnmp.SnmpPacket, error) {
			if op == opBulk && n > 3 {
				return refuseWith(gosnmp.TooBig, 0)
			}
			return nil, nil
		}, false, columns * rows, "", false, 40},
		{"too big above one column", func(_ operation, oids []string, n int) (*gosnmp.SnmpPacket, error) {
			if len(oids)*max(n, 1) > 2 {
				return refuseWith(gosnmp.TooBig, 0)
			}
			return nil, nil
		}, false, columns * rows, "", false, 400},
		{"one value too big", func(_ operation, oids []string, n int) (*gosnmp.SnmpPacket, error) {
			for _, o := range oids {
				if strings.HasPrefix(o, "1.3.9.2") {
					return refuseWith(gosnmp.TooBig, 0)
				}
			}
			return nil, nil
		}, false, (columns - 1) * rows, "TooBig after 0 rows", false, 400},
		{"bulk is silent", func(op operation, _ []string, _ int) (*gosnmp.SnmpPacket, error) {
			if op == opBulk {
				return nil, errTimeout
			}
			return nil, nil
		}, false, columns * rows, "", false, rows + 5},
		{"bulk is an error", func(op operation, _ []string, _ int) (*gosnmp.SnmpPacket, error) {
			if op == opBulk {
				return refuseWith(gosnmp.GenErr, 1)
			}
			return nil, nil
		}, false, columns * rows, "", false, rows + 5},
		{"bulk is empty", func(op operation, _ []string, _ int) (*gosnmp.SnmpPacket, error) {
			if op == opBulk {
				return &gosnmp.SnmpPacket{}, nil
			}
			return nil, nil
		}, false, columns * rows, "", false, rows + 5},
		{"bulk returns what was asked", func(op operation, oids []string, _ int) (*gosnmp.SnmpPacket, error) {
			if op == opBulk {
				p := &gosnmp.SnmpPacket{}
				for _, o := range oids {
					p.Variables = append(p.Variables, gosnmp.SnmpPDU{Name: "." + o, Type: gosnmp.Integer, Value: 1})
				}
				return p, nil
			}
			return nil, nil
		}, false, columns * rows, "", false, rows + 5},
		{"one cell is an error", func(op operation, oids []string, _ int) (*gosnmp.SnmpPacket, error) {
			if op == opBulk {
				return refuseWith(gosnmp.GenErr, 0)
			}
			for i, o := range oids {
				if o == "1.3.9.3.10" {
					return refuseWith(gosnmp.GenErr, uint8(i+1))
				}
			}
			return nil, nil
		}, false, (columns-1)*rows + 10, "GenErr after 10 rows", false, 2 * rows},
		{"everything is an error", func(operation, []string, int) (*gosnmp.SnmpPacket, error) { return refuseWith(gosnmp.GenErr, 0) },
			false, 0, "GenErr", false, 10},
		{"dead", func(operation, []string, int) (*gosnmp.SnmpPacket, error) { return nil, errTimeout }, false, 0, "", true, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := &grid{columns: columns, rows: rows, refuse: tt.refuse}
			r := &reader{session: g, v1: tt.v1, now: time.Now}
			var cols []*column
			for c := range columns {
				cols = append(cols, &column{oid: fmt.Sprintf("1.3.9.%d", c+1)})
			}
			cells := map[string]bool{}
			err := r.walk(context.Background(), &tuning{}, cols, func(c int, index string, _ gosnmp.SnmpPDU) { cells[fmt.Sprint(c, index)] = true })
			var faults []string
			for _, c := range cols {
				if c.fault != nil {
					faults = append(faults, c.fault.Error())
				}
			}
			if silent(err) != tt.lost || !tt.lost && err != nil {
				t.Errorf("error %v, lost is %v", err, tt.lost)
			}
			if len(cells) != tt.cells {
				t.Errorf("%d cells, want %d", len(cells), tt.cells)
			}
			if got := strings.Join(faults, "; "); !strings.Contains(got, tt.faults) || (tt.faults == "") != (got == "") {
				t.Errorf("faults %q, want %q", got, tt.faults)
			}
			if g.asked > tt.most {
				t.Errorf("%d requests, want at most %d", g.asked, tt.most)
			}
		})
	}
}

func TestWalkLearns(t *testing.T) {
	g := &grid{columns: 2, rows: 50, refuse: func(op operation, _ []string, _ int) (*gosnmp.SnmpPacket, error) {
		if op == opBulk {
			return nil, errTimeout
		}
		return nil, nil
	}}
	now := time.Unix(0, 0)
	r := &reader{session: g, now: func() time.Time { return now }}
	tn := &tuning{}
	walk := func() int {
		g.asked = 0
		cols := []*column{{oid: "1.3.9.1"}, {oid: "1.3.9.2"}}
		if err := r.walk(context.Background(), tn, cols, func(int, string, gosnmp.SnmpPDU) {}); err != nil {
			t.Fatal(err)
		}
		return g.asked
	}
	first, second := walk(), walk()
	if first != second+2 {
		t.Errorf("%d requests, then %d: the silence of GETBULK was asked for again", first, second)
	}
	now = now.Add(bulkAgain + time.Second)
	if third := walk(); third <= second {
		t.Error("GETBULK was never tried again")
	}
}

func TestGetSplits(t *testing.T) {
	tests := []struct {
		name   string
		refuse func(op operation, oids []string, _ int) (*gosnmp.SnmpPacket, error)
		want   int
		fault  string
	}{
		{"well", nil, 40, ""},
		{"too big above 3", func(_ operation, oids []string, _ int) (*gosnmp.SnmpPacket, error) {
			if len(oids) > 3 {
				return refuseWith(gosnmp.TooBig, 0)
			}
			return nil, nil
		}, 40, ""},
		{"two are unknown in v1", func(_ operation, oids []string, _ int) (*gosnmp.SnmpPacket, error) {
			for i, o := range oids {
				if o == "1.3.9.5" || o == "1.3.9.30" {
					return refuseWith(gosnmp.NoSuchName, uint8(i+1))
				}
			}
			return nil, nil
		}, 38, ""},
		{"one is broken", func(_ operation, oids []string, _ int) (*gosnmp.SnmpPacket, error) {
			for _, o := range oids {
				if o == "1.3.9.5" {
					return refuseWith(gosnmp.GenErr, 0)
				}
			}
			return nil, nil
		}, 39, "1.3.9.5: GenErr"},
		{"dead", func(operation, []string, int) (*gosnmp.SnmpPacket, error) { return nil, errTimeout }, 0, "stopped answering"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &reader{session: &grid{refuse: tt.refuse}, now: time.Now}
			var oids []string
			for i := range 40 {
				oids = append(oids, fmt.Sprintf("1.3.9.%d", i))
			}
			got := map[int]bool{}
			err := r.get(context.Background(), opGet, oids, func(i int, _ gosnmp.SnmpPDU) { got[i] = true })
			if len(got) != tt.want || (err != nil) != (tt.fault != "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
				t.Errorf("%d values, error %v; want %d, %q", len(got), err, tt.want, tt.fault)
			}
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := &reader{session: &grid{}, now: time.Now}
	if err := r.get(ctx, opGet, []string{"1.3.9.1"}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("after the deadline: %v", err)
	}
}

func TestValues(t *testing.T) {
	octets := func(s string) gosnmp.SnmpPDU { return gosnmp.SnmpPDU{Type: gosnmp.OctetString, Value: []byte(s)} }
	texts := map[string]gosnmp.SnmpPDU{
		"plain": octets("plain"), "padded": octets("padded\x00\x00"), "two lines": octets("two\nlines"), "机房": octets("机房"),
		"a\ufffdb": octets("a\xffb"), "": octets(""), "1.3.6": {Type: gosnmp.ObjectIdentifier, Value: ".1.3.6"}, "-7": {Type: gosnmp.Integer, Value: -7},
		"10.0.0.1": {Type: gosnmp.IPAddress, Value: "10.0.0.1"}, "1.5": {Type: gosnmp.OpaqueFloat, Value: float32(1.5)},
	}
	for want, v := range texts {
		if got := text(v, ""); got != want {
			t.Errorf("text of %v is %q, want %q", v, got, want)
		}
	}
	if got := text(octets("\x48\x8e\xef\x71\x66\xe0"), "mac"); got != "48:8e:ef:71:66:e0" {
		t.Errorf("MAC address %q", got)
	}
	if v, ok := number(octets(" 23.5 ")); !ok || v != 23.5 {
		t.Errorf("a measurement sent as text is %v %v", v, ok)
	}
	if _, ok := number(octets("high")); ok {
		t.Error("a word is a number")
	}
	now := time.Date(2026, 11, 21, 8, 30, 15, 500e6, time.UTC)
	at := octets("\x07\xea\x0b\x15\x10\x1e\x19\x05+\x08\x00") // 16:30:25.5 at UTC+8
	if v, ok := clockOffset(at, now); !ok || v != 10 {
		t.Errorf("clock offset %v %v, want 10", v, ok)
	}
	if _, ok := clockOffset(octets("\x07\xea\x0b\x15\x10\x1e\x19\x05"), now); ok {
		t.Error("a clock without its zone was compared")
	}
	order := []string{"1", "1.1", "2", "10", "10.2", "10.10", "100.1"}
	for i := 1; i < len(order); i++ {
		if compareOID(order[i-1], order[i]) >= 0 || compareOID(order[i], order[i-1]) <= 0 {
			t.Errorf("%s and %s are not in order", order[i-1], order[i])
		}
	}
	if compareOID("3.4", "3.4") != 0 {
		t.Error("an OID differs from itself")
	}
}

// FuzzReply feeds datagrams to the library's decoder and to what stands on it.
func FuzzReply(f *testing.F) {
	g := &gosnmp.GoSNMP{Version: gosnmp.Version2c, Community: "public"}
	seed, err := g.SnmpEncodePacket(gosnmp.GetResponse, []gosnmp.SnmpPDU{
		{Name: ".1.3.9.1.1", Type: gosnmp.Integer, Value: 5}, {Name: ".1.3.9.2.1", Type: gosnmp.OctetString, Value: []byte("\x07\xea\x0b\x15\x10\x1e\x19\x05+\x08\x00")},
	}, 0, 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	report := append(append([]byte("\x30\x38\x02\x01\x03\x30\x0d\x02\x01\x01\x02\x02\x05\xc0\x04\x01\x00\x02\x01\x03\x04\x00\x30\x22\x04\x00\x04\x00\xa8\x1c\x02\x01\x01\x02\x01\x00\x02\x01\x00\x30\x11\x30\x0f"), usmStats...), 5, 0, 0x41, 1, 7)
	if k := reportOf(report); k != 5 {
		f.Fatalf("report is about %d, want 5", k)
	}
	f.Add(report)
	f.Fuzz(func(t *testing.T, datagram []byte) {
		defer func() {
			_ = recover() // the library's own panics; a session turns them into errors
		}()
		reportOf(datagram)
		p, err := (&gosnmp.GoSNMP{Version: gosnmp.Version2c}).SnmpDecodePacket(datagram)
		if err != nil {
			return
		}
		handle(t, p)
	})
}

// handle passes a packet through all that reads packets; a panic here is ours.
func handle(t *testing.T, p *gosnmp.SnmpPacket) {
	defer func() {
		if e := recover(); e != nil {
			t.Errorf("panic: %v", e)
		}
	}()
	cols := []*column{{oid: "1.3.9.1"}, {oid: "1.3.9.2"}}
	for range 3 {
		take(p, cols, []int{0, 1}, func(_ int, index string, v gosnmp.SnmpPDU) {
			if index == "" {
				t.Error("an instance without an index")
			}
			number(v)
			text(v, "")
			text(v, "mac")
			clockOffset(v, time.Unix(0, 0))
		})
	}
}
