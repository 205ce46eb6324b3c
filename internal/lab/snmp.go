package lab

import (
	"cmp"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/gosnmp/gosnmp"
)

// maxReply bounds a reply's bytes: it fits an Ethernet frame.
const maxReply = 1400

// instance is one value of a MIB.
type instance struct {
	oid   []uint32
	kind  gosnmp.Asn1BER
	value any // int, uint32, uint64 or string, as kind demands
}

// snmpAgent answers SNMP v2c GET, GETNEXT and GETBULK on one socket. A table of
// no instances is a device that is off: it answers nothing.
type snmpAgent struct {
	conn      net.PacketConn
	community string
	table     func() []instance
	done      chan struct{}
	once      sync.Once
}

func serveSNMP(conn net.PacketConn, community string, table func() []instance) *snmpAgent {
	a := &snmpAgent{conn: conn, community: community, table: table, done: make(chan struct{})}
	go a.run()
	return a
}

func (a *snmpAgent) run() {
	defer close(a.done)
	buf := make([]byte, 65536)
	for {
		n, from, err := a.conn.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		if reply := a.answer(buf[:n]); reply != nil {
			_, _ = a.conn.WriteTo(reply, from)
		}
	}
}

func (a *snmpAgent) close() error {
	var err error
	a.once.Do(func() { err = a.conn.Close() })
	<-a.done
	return err
}

// answer returns the reply to a request, or nil where an agent stays silent:
// another version, another community, something that is no request.
func (a *snmpAgent) answer(request []byte) []byte {
	decoder := gosnmp.GoSNMP{Version: gosnmp.Version2c, Community: a.community}
	req, err := decoder.SnmpDecodePacket(request)
	if err != nil || req.Version != gosnmp.Version2c || req.Community != a.community {
		return nil
	}
	table := a.table()
	if len(table) == 0 {
		return nil
	}
	slices.SortFunc(table, func(x, y instance) int { return slices.Compare(x.oid, y.oid) })
	vars, ok := mib(table).respond(req)
	if !ok {
		return nil
	}
	for {
		out, err := (&gosnmp.SnmpPacket{
			Version: gosnmp.Version2c, Community: a.community, PDUType: gosnmp.GetResponse, RequestID: req.RequestID, Variables: vars,
		}).MarshalMsg()
		if err != nil {
			return nil
		}
		if len(out) <= maxReply || req.PDUType != gosnmp.GetBulkRequest || len(vars) < 2 {
			return out
		}
		vars = vars[:len(vars)*3/4]
	}
}

// mib is the instances of one device, sorted by OID.
type mib []instance

func (m mib) respond(req *gosnmp.SnmpPacket) ([]gosnmp.SnmpPDU, bool) {
	var vars []gosnmp.SnmpPDU
	switch req.PDUType {
	case gosnmp.GetRequest:
		for _, v := range req.Variables {
			vars = append(vars, m.get(v.Name))
		}
	case gosnmp.GetNextRequest:
		for _, v := range req.Variables {
			vars = append(vars, m.next(v.Name))
		}
	case gosnmp.GetBulkRequest:
		vars = m.bulk(req)
	default:
		return nil, false
	}
	return vars, true
}

func (m mib) bulk(req *gosnmp.SnmpPacket) []gosnmp.SnmpPDU {
	single := min(int(req.NonRepeaters), len(req.Variables))
	var vars []gosnmp.SnmpPDU
	for _, v := range req.Variables[:single] {
		vars = append(vars, m.next(v.Name))
	}
	names := make([]string, 0, len(req.Variables)-single)
	for _, v := range req.Variables[single:] {
		names = append(names, v.Name)
	}
	for range min(req.MaxRepetitions, 100) {
		ended := true
		for i, name := range names {
			v := m.next(name)
			vars, names[i] = append(vars, v), v.Name
			ended = ended && v.Type == gosnmp.EndOfMibView
		}
		if ended {
			break
		}
	}
	return vars
}

func (m mib) get(name string) gosnmp.SnmpPDU {
	i, found := m.find(name)
	if !found {
		return gosnmp.SnmpPDU{Name: name, Type: gosnmp.NoSuchInstance}
	}
	return m[i].pdu()
}

func (m mib) next(name string) gosnmp.SnmpPDU {
	i, found := m.find(name)
	if found {
		i++
	}
	if i >= len(m) {
		return gosnmp.SnmpPDU{Name: name, Type: gosnmp.EndOfMibView}
	}
	return m[i].pdu()
}

func (m mib) find(name string) (int, bool) {
	return slices.BinarySearchFunc(m, oid(name), func(x instance, want []uint32) int { return slices.Compare(x.oid, want) })
}

func (x instance) pdu() gosnmp.SnmpPDU {
	return gosnmp.SnmpPDU{Name: dotted(x.oid), Type: x.kind, Value: x.value}
}

func oid(s string) []uint32 {
	var out []uint32
	for part := range strings.SplitSeq(strings.Trim(s, "."), ".") {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			return out
		}
		out = append(out, uint32(n))
	}
	return out
}

func dotted(o []uint32) string {
	var b strings.Builder
	for _, n := range o {
		b.WriteByte('.')
		b.WriteString(strconv.FormatUint(uint64(n), 10))
	}
	return b.String()
}

// builder gathers the instances of one device.
type builder []instance

func (t *builder) add(o string, kind gosnmp.Asn1BER, value any) {
	*t = append(*t, instance{oid(o), kind, value})
}

func (t *builder) text(o, s string)        { t.add(o, gosnmp.OctetString, s) }
func (t *builder) integer(o string, n int) { t.add(o, gosnmp.Integer, n) }
func (t *builder) object(o, value string)  { t.add(o, gosnmp.ObjectIdentifier, value) }
func (t *builder) ticks(o string, hundredths int64) {
	t.add(o, gosnmp.TimeTicks, uint32(hundredths))
}
func (t *builder) gauge(o string, n uint32)     { t.add(o, gosnmp.Gauge32, n) }
func (t *builder) counter(o string, n uint64)   { t.add(o, gosnmp.Counter32, uint32(n)) }
func (t *builder) counter64(o string, n uint64) { t.add(o, gosnmp.Counter64, n) }

// clamp keeps n within an INTEGER's declared range.
func clamp[T cmp.Ordered](n, low, high T) T { return max(low, min(high, n)) }
