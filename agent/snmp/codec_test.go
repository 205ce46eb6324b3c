package snmp

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/gosnmp/gosnmp"
)

func TestOID(t *testing.T) {
	for text, encoded := range map[string]string{
		"1.3.6.1.2.1.1.1.0": "2b06010201010100", ".1.3": "2b", "0.0": "00", "2.100.3": "813403", "1.39": "4f",
		"1.3.127.128.16383.16384": "2b7f8100ff7f818000", "1.3.4294967295": "2b8fffffff7f", "2.4294967295": "90808080" + "4f",
	} {
		o, err := ParseOID(text)
		if err != nil || hex.EncodeToString([]byte(o)) != encoded {
			t.Errorf("%s is %x, %v, want %s", text, string(o), err, encoded)
		}
		if got := o.String(); got != strings.TrimPrefix(text, ".") {
			t.Errorf("%s comes back as %s", text, got)
		}
	}
	for _, text := range []string{"", ".", "1", "1.", "1..3", "3.1", "1.40", "0.40", "1.3.4294967296", "1.3.-1", "1.3.+1", "1.3.x", "1.3 .6", "1.3" + strings.Repeat(".1", 127)} {
		if o, err := ParseOID(text); err == nil {
			t.Errorf("%q was taken as %s", text, o)
		}
	}
	if _, err := ParseOID("1.3" + strings.Repeat(".1", 126)); err != nil {
		t.Error(err)
	}
	if o := OID(""); o.String() != "" {
		t.Errorf("no OID is %q", o)
	}
}

// TestOrder compares OIDs as their numbers compare.
func TestOrder(t *testing.T) {
	var all [][]uint32
	pick := []uint32{0, 1, 39, 127, 128, 255, 16383, 16384, 1 << 21, math.MaxUint32}
	for range 400 {
		n := []uint32{1, 3}
		for range rand.IntN(4) {
			n = append(n, pick[rand.IntN(len(pick))])
		}
		all = append(all, n)
	}
	encode := func(n []uint32) OID {
		return MustParseOID(strings.Trim(strings.ReplaceAll(fmt.Sprint(n), " ", "."), "[]"))
	}
	for _, a := range all {
		for _, b := range all {
			x, y := encode(a), encode(b)
			if got, want := x.Compare(y), slices.Compare(a, b); sign(got) != want {
				t.Fatalf("%s against %s: %d, want %d", x, y, got, want)
			}
			if got, want := y.Below(x), len(b) > len(a) && slices.Equal(a, b[:len(a)]); got != want {
				t.Fatalf("%s below %s is %v", y, x, got)
			}
		}
		if got := IndexNumbers(nil, encode(a)[1:]); !slices.Equal(got, a[2:]) {
			t.Fatalf("numbers of %v are %v", a, got)
		}
	}
}

func sign(n int) int { return max(min(n, 1), -1) }

func TestValues(t *testing.T) {
	raw := func(typ byte, b ...byte) Value { return Value{typ, b} }
	absent := math.NaN()
	tests := []struct {
		v    Value
		want float64
	}{
		{raw(Integer, 5), 5}, {raw(Integer, 0xff), -1}, {raw(Integer, 0x80, 0, 0, 0), math.MinInt32}, {raw(Integer), absent},
		{raw(Integer, 0, 0xff, 0xff, 0xff, 0xff), math.MaxUint32},
		{raw(Integer, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7), 7}, {raw(Integer, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe), -2},
		{raw(Integer, 1, 0, 0, 0, 0, 0, 0, 0, 0), absent}, // beyond 64 bits
		{raw(Counter32, 0xff, 0xff, 0xff, 0xff), math.MaxUint32}, {raw(Counter32, 0, 0xff, 0xff, 0xff, 0xff), math.MaxUint32},
		{raw(Gauge32, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe), math.MaxUint32 - 1}, // lengthened with its sign
		{raw(Gauge32, 1, 0, 0, 0, 0), 1 << 32}, {raw(TimeTicks), absent}, {raw(Counter64, 0), 0},
		{raw(Counter64, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), math.MaxUint64},
		{raw(Counter64, 0x7f, 0, 0, 0, 0, 0, 0, 0), 0x7f << 56}, {raw(UInteger32, 9), 9},
		{raw(Opaque, 0x9f, 0x78, 4, 0x42, 0xc7, 0xd7, 0x0a), float64(float32(99.92))},
		{raw(Opaque, 0x9f, 0x79, 8, 0x40, 0x09, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18), math.Pi},
		{raw(Opaque, 0x9f, 0x76, 1, 3), 3}, {raw(Opaque, 0x9f, 0x7a, 1, 0xff), -1}, {raw(Opaque, 0x9f, 0x7b, 1, 200), 200},
		{raw(Opaque, 0x9f, 0x78, 4, 1), absent}, {raw(Opaque), absent}, {raw(OctetString, '5'), absent}, {raw(Null), absent}, {raw(NoSuchObject), absent},
	}
	for _, tt := range tests {
		got, ok := tt.v.Float64()
		if ok == math.IsNaN(tt.want) || ok && got != tt.want {
			t.Errorf("%v is %v %v, want %v", tt.v, got, ok, tt.want)
		}
		i, okInt := tt.v.Int64()
		u, okUint := tt.v.Uint64()
		whole := ok && got == math.Trunc(got)
		if okInt && float64(i) != got || okUint && float64(u) != got || (okInt || okUint) != (whole && okInt || whole && okUint) {
			t.Errorf("%v is %d %v, %d %v", tt.v, i, okInt, u, okUint)
		}
	}
	for v, want := range map[*Value]bool{{Type: Null}: true, {Type: EndOfMIBView}: true, {Type: Counter64}: true, {Type: OctetString}: false, {Type: Integer, Raw: []byte{0}}: false} {
		if v.Absent() != want {
			t.Errorf("%v absent is %v", v, !want)
		}
	}
	if ip := raw(IPAddress, 192, 0, 2, 1).IP(); ip != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("address %v", ip)
	}
	if ip := raw(IPAddress, 1, 2).IP(); ip.IsValid() {
		t.Errorf("address %v of two bytes", ip)
	}
	if o := raw(ObjectID, 0x2b, 6).OID(); o.String() != "1.3.6" || raw(ObjectID).OID() != "" || raw(ObjectID, 0x2b, 0x86).OID() != "" {
		t.Errorf("OID %s", o)
	}
}

// samples are variable bindings of every type, as gosnmp has them.
func samples() []gosnmp.SnmpPDU {
	return []gosnmp.SnmpPDU{
		{Name: ".1.3.6.1.2.1.1.1.0", Type: gosnmp.OctetString, Value: []byte(strings.Repeat("long ", 60))},
		{Name: ".1.3.6.1.2.1.1.2.0", Type: gosnmp.ObjectIdentifier, Value: ".1.3.6.1.4.1.2636.1.1.1.2.29"},
		{Name: ".1.3.6.1.2.1.1.3.0", Type: gosnmp.TimeTicks, Value: uint32(4294967295)},
		{Name: ".1.3.6.1.2.1.2.2.1.1.70000", Type: gosnmp.Integer, Value: -70000},
		{Name: ".1.3.6.1.2.1.2.2.1.5.1", Type: gosnmp.Gauge32, Value: uint32(3000000000)},
		{Name: ".1.3.6.1.2.1.2.2.1.10.1", Type: gosnmp.Counter32, Value: uint32(128)},
		{Name: ".1.3.6.1.2.1.31.1.1.1.6.1", Type: gosnmp.Counter64, Value: uint64(math.MaxUint64)},
		{Name: ".1.3.6.1.2.1.4.20.1.1.192.0.2.1", Type: gosnmp.IPAddress, Value: "192.0.2.1"},
		{Name: ".1.3.6.1.4.1.2021.10.1.6.1", Type: gosnmp.OpaqueFloat, Value: float32(1.25)},
		{Name: ".1.3.6.1.4.1.2021.10.1.6.2", Type: gosnmp.OpaqueDouble, Value: 2.5},
		{Name: ".1.3.9.1", Type: gosnmp.Null}, {Name: ".1.3.9.2", Type: gosnmp.NoSuchInstance}, {Name: ".1.3.9.3", Type: gosnmp.EndOfMibView},
	}
}

// TestAgainstGosnmp reads what gosnmp writes, and has it read what we write.
func TestAgainstGosnmp(t *testing.T) {
	for _, version := range []gosnmp.SnmpVersion{gosnmp.Version1, gosnmp.Version2c} {
		g := &gosnmp.GoSNMP{Version: version, Community: strings.Repeat("c", 127)}
		b, err := g.SnmpEncodePacket(gosnmp.GetResponse, samples(), 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		var r Reply
		if err := r.message(b); err != nil {
			t.Fatal(err)
		}
		same(t, r, samples())
		id, ok := peek(b)
		p, err := g.SnmpDecodePacket(appendMessage(nil, Version(version), "public", pdu{op: Bulk, id: id, a: 1, b: 300}, appendAsked(nil, asks(samples()))))
		if err != nil || !ok || p.RequestID != id || p.PDUType != gosnmp.GetBulkRequest || p.Community != "public" || p.Version != version || len(p.Variables) != len(samples()) {
			t.Fatalf("gosnmp reads %v, %+v", err, p)
		}
		for i, v := range p.Variables {
			if v.Name != samples()[i].Name || v.Type != gosnmp.Null {
				t.Errorf("gosnmp reads %v", v)
			}
		}
	}
}

func asks(vs []gosnmp.SnmpPDU) []OID {
	var oids []OID
	for _, v := range vs {
		oids = append(oids, MustParseOID(v.Name))
	}
	return oids
}

// same compares a reply with what gosnmp wrote.
func same(t *testing.T, r Reply, want []gosnmp.SnmpPDU) {
	t.Helper()
	vb := r.Varbinds()
	for _, w := range want {
		if !vb.Next() || vb.Bad || "."+string(AppendOID(nil, vb.OID)) != w.Name {
			t.Fatalf("%x, want %s", vb.OID, w.Name)
		}
		var ok bool
		switch x := w.Value.(type) {
		case []byte:
			ok = bytes.Equal(vb.Value.Bytes(), x)
		case string:
			ok = "."+vb.Value.OID().String() == x || vb.Value.IP().String() == x
		case nil:
			ok = vb.Value.Absent() && vb.Value.Type == byte(w.Type)
		default:
			f, is := vb.Value.Float64()
			ok = is && fmt.Sprint(f) == fmt.Sprint(float64Of(x))
		}
		if !ok {
			t.Errorf("%s is %v, want %v", w.Name, vb.Value, w.Value)
		}
	}
	if vb.Next() || vb.Cut() {
		t.Errorf("more than was written, or cut: %v", vb.Cut())
	}
}

func float64Of(x any) float64 {
	switch x := x.(type) {
	case int:
		return float64(x)
	case uint32:
		return float64(x)
	case uint64:
		return float64(x)
	case float32:
		return float64(x)
	}
	return x.(float64)
}

// TestNoAllocations: going through a reply costs none.
func TestNoAllocations(t *testing.T) {
	list := bind(grid(4, 25))
	b := appendMessage(nil, V2c, "public", pdu{op: pduResponse, id: 1 << 24}, list)
	var sum float64
	n := testing.AllocsPerRun(100, func() {
		var r Reply
		if peek(b); r.message(b) != nil {
			t.Fatal("not read")
		}
		for vb := r.Varbinds(); vb.Next(); {
			v, _ := vb.Value.Float64()
			sum += v
		}
	})
	if n != 0 || sum == 0 {
		t.Errorf("%v allocations for 100 values", n)
	}
}

// FuzzDecode feeds datagrams to all that reads them: nothing may panic, hand out
// what lies outside, or change what it decodes when that is encoded again.
func FuzzDecode(f *testing.F) {
	whole := appendMessage(nil, V2c, "public", pdu{op: pduResponse, id: 1 << 24}, bind(grid(2, 3)))
	f.Add(whole)
	f.Add(whole[:len(whole)-5])
	g := &gosnmp.GoSNMP{Version: gosnmp.Version2c, Community: "public"}
	if b, err := g.SnmpEncodePacket(gosnmp.GetResponse, samples(), 0, 0); err == nil {
		f.Add(b)
	}
	m, _ := appendSecured(nil, secured{id: 1 << 24, flags: flagReportable, engine: []byte("engine"), user: []byte("u"),
		scoped: appendScoped(nil, "engine", "", pdu{op: pduReport, id: 1 << 24}, bind([]entry{{MustParseOID("1.3.6.1.6.3.15.1.1.4.0"), integer(1)}}))})
	f.Add(m)
	f.Fuzz(func(t *testing.T, b []byte) {
		peek(b)
		var r Reply
		if r.message(b) == nil {
			decodeTwice(t, r)
		}
		if m, err := parseSecured(bytes.Clone(b)); err == nil {
			if _, _, err := r.scopedPDU(m.scoped); err == nil {
				decodeTwice(t, r)
			}
		}
	})
}

// decodeTwice reads a reply's variable bindings, writes them, and reads them again.
func decodeTwice(t *testing.T, r Reply) {
	var first []entry
	vb := r.Varbinds()
	for n := 0; vb.Next(); n++ {
		if n > len(r.list)/2 {
			t.Fatalf("%d variable bindings in %d bytes", n, len(r.list))
		}
		v := vb.Value
		if vb.Bad {
			continue
		}
		AppendOID(nil, vb.OID)
		AppendIndex(nil, vb.OID)
		v.Absent()
		v.Int64()
		v.Uint64()
		v.Float64()
		v.IP()
		if o := v.OID(); o != "" && string(o) != string(v.Raw) {
			t.Fatalf("OID %x of %x", string(o), v.Raw)
		}
		first = append(first, entry{OID(vb.OID), appendElement(nil, v.Type, v.Raw)})
	}
	again := Reply{list: bind(first)}
	vb = again.Varbinds()
	for _, e := range first {
		if !vb.Next() || vb.Bad || OID(vb.OID) != e.oid || !bytes.Equal(appendElement(nil, vb.Value.Type, vb.Value.Raw), e.value) {
			t.Fatalf("%x = %x comes back as %x = %v", string(e.oid), e.value, vb.OID, vb.Value)
		}
	}
	if vb.Next() || vb.Cut() {
		t.Fatal("more comes back than was written")
	}
}

// FuzzWalk has an agent answer with whatever: a walk ends, visits no row twice and
// does not panic.
func FuzzWalk(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3}, uint8(0))
	f.Add([]byte{0x30, 0x0a, 0x06, 5, 0x2b, 9, 1, 1, 1, 2, 1, 5}, uint8(2))
	f.Fuzz(func(t *testing.T, list []byte, status uint8) {
		w := &walk{s: &Session{t: NewTransport(Options{}), cfg: Config{Version: V2c, MaxRows: 20}}}
		seen := map[string]bool{}
		w.begin(&Learned{}, columnsOf(3), func(c int, index []byte, v Value) {
			key := fmt.Sprintf("%d %x", c, index)
			if seen[key] {
				t.Fatalf("row %s came twice", key)
			}
			seen[key] = true
		})
		steps := 0
		for ; w.choose() && steps <= 2000; steps++ {
			w.idle++
			r := Reply{Status: Status(status % 20), Index: int(status / 20), list: list}
			w.answered(&r)
			w.giveUp()
		}
		if steps > 2000 {
			t.Fatalf("no end after %d steps", steps)
		}
		w.end(nil)
	})
}
