package snmp

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// entry is one instance of a fake agent: OID and encoded value.
type entry struct {
	oid   OID
	value []byte
}

func integer(v int64) []byte { return appendInt(nil, v) }
func octets(s string) []byte { return appendElement(nil, OctetString, s) }

// request is what a fake agent was asked.
type request struct {
	version Version
	op      Op
	id      uint32
	a, b    int
	oids    []OID
}

// answer is what a fake agent says.
type answer struct {
	status Status
	index  int
	vbs    []entry
	bound  []byte // content of the variable bindings, if not vbs encoded
	cut    int    // bytes cut off the end of the message
	id     uint32
	silent bool
}

// fake is an agent on the loopback that can be made to break.
type fake struct {
	t    testing.TB
	conn *net.UDPConn

	mu      sync.Mutex   // guards the fields below
	other   *net.UDPConn // replies come from here, if not nil
	limit   int          // largest message; 0: none
	entries []entry
	edit    func(q request, a *answer) // nil: as the protocol says
	from    netip.AddrPort             // who asked last
	raw     func(b []byte) []byte      // answers instead, if not nil
	asked   atomic.Int32
	widest  atomic.Int32 // most variable bindings asked for at once
}

// grid returns a table below 1.3.9.1 of columns × rows.
func grid(columns, rows int) []entry {
	var e []entry
	for c := 1; c <= columns; c++ {
		for r := 1; r <= rows; r++ {
			e = append(e, entry{cell(c, r), integer(int64(c*1000 + r))})
		}
	}
	return e
}

func cell(c, r int) OID   { return MustParseOID(fmt.Sprintf("1.3.9.1.%d.%d", c, r)) }
func columnOID(c int) OID { return MustParseOID(fmt.Sprintf("1.3.9.1.%d", c)) }

func columnsOf(n int) []OID {
	var o []OID
	for c := 1; c <= n; c++ {
		o = append(o, columnOID(c))
	}
	return o
}

// newFake starts a fake agent that holds the entries, in their order.
func newFake(t testing.TB, entries []entry) *fake {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{t: t, conn: c, entries: entries}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.serve()
	}()
	t.Cleanup(func() {
		c.Close()
		<-done
	})
	return f
}

func (f *fake) serve() {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := f.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		f.mu.Lock()
		raw := f.raw
		f.mu.Unlock()
		if raw != nil {
			f.conn.WriteToUDPAddrPort(raw(buf[:n]), from)
			continue
		}
		q, community, ok := parseRequest(buf[:n])
		if !ok {
			f.t.Errorf("request that cannot be read: %x", buf[:n])
			continue
		}
		f.asked.Add(1)
		f.mu.Lock()
		f.from = from
		m := f.message(q, community)
		conn := f.conn
		if f.other != nil {
			conn = f.other
		}
		f.mu.Unlock()
		if m != nil {
			conn.WriteToUDPAddrPort(m, from)
		}
	}
}

func parseRequest(b []byte) (q request, community string, ok bool) {
	outer := fields{b: b}
	body := fields{b: outer.take(tagSequence)}
	q.version = Version(body.int())
	community = string(body.take(OctetString))
	if body.bad || len(body.b) == 0 {
		return q, "", false
	}
	q.op = Op(body.b[0])
	p := fields{b: body.take(byte(q.op))}
	q.id, q.a, q.b = uint32(p.int()), int(p.int()), int(p.int())
	list := fields{b: p.take(tagSequence)}
	for len(list.b) > 0 && !list.bad {
		vb := fields{b: list.take(tagSequence)}
		q.oids = append(q.oids, OID(vb.take(ObjectID)))
		list.bad = list.bad || vb.bad || string(vb.b) != "\x05\x00"
	}
	return q, community, !outer.bad && !body.bad && !p.bad && !list.bad && len(outer.b) == 0
}

// message is the reply to a request, nil for silence.
func (f *fake) message(q request, community string) []byte {
	a := answer{id: q.id}
	asked := len(q.oids)
	if q.op == Bulk {
		asked = q.a + (len(q.oids)-q.a)*q.b
	}
	f.widest.Store(max(f.widest.Load(), int32(asked)))
	f.answer(q, &a)
	if f.edit != nil {
		f.edit(q, &a)
	}
	if a.silent {
		return nil
	}
	list := a.bound
	if list == nil {
		list = bind(a.vbs)
	}
	m := appendMessage(nil, q.version, community, pdu{op: pduResponse, id: a.id, a: int(a.status), b: a.index}, list)
	return m[:len(m)-a.cut]
}

func bind(vbs []entry) []byte {
	var list []byte
	for _, e := range vbs {
		list = appendElement(list, tagSequence, append(appendElement(nil, ObjectID, e.oid), e.value...))
	}
	return list
}

// answer is what a right agent says.
func (f *fake) answer(q request, a *answer) {
	switch q.op {
	case Get, Next:
		for i, o := range q.oids {
			e, found := f.get(o), true
			if q.op == Next {
				e, found = f.next(o, q.version)
			}
			if q.version == V1 && (!found || e.value[0] == NoSuchInstance) {
				a.status, a.index, a.vbs = NoSuchName, i+1, nil
				return
			}
			a.vbs = append(a.vbs, e)
		}
	case Bulk:
		at := slices.Clone(q.oids)
		for r := range max(q.b, 1) {
			for i := range at {
				if i < q.a && r > 0 {
					continue
				}
				e, _ := f.next(at[i], q.version)
				at[i] = e.oid
				a.vbs = append(a.vbs, e)
			}
		}
	}
	if f.limit > 0 {
		if q.op == Bulk {
			for len(a.vbs) > 0 && len(bind(a.vbs))+40 > f.limit {
				a.vbs = a.vbs[:len(a.vbs)-1]
			}
		}
		if len(a.vbs) == 0 || len(bind(a.vbs))+40 > f.limit {
			a.status, a.vbs = TooBig, nil
		}
	}
}

func (f *fake) get(o OID) entry {
	if i := slices.IndexFunc(f.entries, func(e entry) bool { return e.oid == o }); i >= 0 {
		return f.entries[i]
	}
	return entry{o, []byte{NoSuchInstance, 0}}
}

// next is the entry after one that is there, in the order of the entries, or else
// the first one beyond in the order of OIDs.
func (f *fake) next(o OID, v Version) (entry, bool) {
	i := slices.IndexFunc(f.entries, func(e entry) bool { return e.oid == o })
	if i >= 0 {
		i++
	} else if i = slices.IndexFunc(f.entries, func(e entry) bool { return e.oid.Compare(o) > 0 }); i < 0 {
		i = len(f.entries)
	}
	if i == len(f.entries) {
		return entry{o, []byte{EndOfMIBView, 0}}, false
	}
	return f.entries[i], true
}

// breaks makes the agent break.
func (f *fake) breaks(edit func(q request, a *answer)) *fake {
	f.set(func() { f.edit = edit })
	return f
}

// set changes the agent while it runs.
func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// session opens a session with the agent.
func (f *fake) session(change func(*Config)) *Session {
	f.t.Helper()
	tr := NewTransport(Options{})
	f.t.Cleanup(func() { tr.Close() })
	c := Config{Address: f.conn.LocalAddr().String(), Version: V2c, Community: "public", Timeout: 40 * time.Millisecond, Retries: 1}
	if change != nil {
		change(&c)
	}
	s, err := tr.Open(context.Background(), c)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

func (f *fake) addr() netip.AddrPort { return f.conn.LocalAddr().(*net.UDPAddr).AddrPort() }
