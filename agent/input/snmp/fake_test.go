package snmp_test

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/faultline/faultline/agent/input/snmp"
	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// Types of a fake agent's values beside int (INTEGER), string and []byte (OCTET
// STRING).
type (
	counter32 uint32
	counter64 uint64
	gauge32   uint32
	ticks     uint32
	objectID  string
)

// object is one instance of a fake agent.
type object struct {
	oid   []uint32
	value any
}

// fake is an agent of version 2c on the loopback that shows what a test sets,
// and breaks as it says.
type fake struct {
	conn net.PacketConn

	mu      sync.Mutex // guards the fields below
	objects []object
	asked   [][]string                              // OIDs of each packet
	breaks  func(q *gosnmp.SnmpPacket) (status int) // error-status instead of an answer; below 0: silence
}

// newFake starts an agent that has an up time, a sysObjectID and a name.
func newFake(t testing.TB) *fake {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{conn: c}
	f.set("1.3.6.1.2.1.1.1.0", "A device of the tests")
	f.set("1.3.6.1.2.1.1.2.0", objectID("1.3.6.1.4.1.424242.1"))
	f.set("1.3.6.1.2.1.1.3.0", ticks(100_000))
	f.set("1.3.6.1.2.1.1.5.0", "fake")
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
		n, from, err := f.conn.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		q, err := (&gosnmp.GoSNMP{Version: gosnmp.Version2c}).SnmpDecodePacket(buf[:n])
		if err != nil {
			continue
		}
		if b := f.answer(q); b != nil {
			f.conn.WriteTo(b, from)
		}
	}
}

func (f *fake) answer(q *gosnmp.SnmpPacket) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	var asked []string
	for _, v := range q.Variables {
		asked = append(asked, strings.TrimPrefix(v.Name, "."))
	}
	f.asked = append(f.asked, asked)
	r := &gosnmp.SnmpPacket{Version: gosnmp.Version2c, Community: q.Community, PDUType: gosnmp.GetResponse, RequestID: q.RequestID}
	if f.breaks != nil {
		if status := f.breaks(q); status < 0 {
			return nil
		} else if status > 0 {
			r.Error, r.ErrorIndex, r.Variables = gosnmp.SNMPError(status), 1, q.Variables
			b, _ := r.MarshalMsg()
			return b
		}
	}
	var names [][]uint32
	for _, v := range q.Variables {
		names = append(names, numbers(v.Name))
	}
	switch q.PDUType {
	case gosnmp.GetRequest:
		for _, n := range names {
			r.Variables = append(r.Variables, f.get(n))
		}
	default:
		for range max(q.MaxRepetitions, 1) {
			for i, n := range names {
				v := f.next(n)
				r.Variables, names[i] = append(r.Variables, v), numbers(v.Name)
			}
		}
	}
	b, err := r.MarshalMsg()
	if err != nil {
		panic(err)
	}
	return b
}

func (f *fake) get(n []uint32) gosnmp.SnmpPDU {
	if i, found := f.find(n); found {
		return f.objects[i].pdu()
	}
	return gosnmp.SnmpPDU{Name: dotted(n), Type: gosnmp.NoSuchInstance}
}

func (f *fake) next(n []uint32) gosnmp.SnmpPDU {
	i, found := f.find(n)
	if found {
		i++
	}
	if i == len(f.objects) {
		return gosnmp.SnmpPDU{Name: dotted(n), Type: gosnmp.EndOfMibView}
	}
	return f.objects[i].pdu()
}

func (f *fake) find(n []uint32) (int, bool) {
	return slices.BinarySearchFunc(f.objects, n, func(o object, n []uint32) int { return slices.Compare(o.oid, n) })
}

func (o object) pdu() gosnmp.SnmpPDU {
	v := gosnmp.SnmpPDU{Name: dotted(o.oid)}
	switch x := o.value.(type) {
	case int:
		v.Type, v.Value = gosnmp.Integer, x
	case string:
		v.Type, v.Value = gosnmp.OctetString, []byte(x)
	case []byte:
		v.Type, v.Value = gosnmp.OctetString, x
	case counter32:
		v.Type, v.Value = gosnmp.Counter32, uint32(x)
	case gauge32:
		v.Type, v.Value = gosnmp.Gauge32, uint32(x)
	case ticks:
		v.Type, v.Value = gosnmp.TimeTicks, uint32(x)
	case counter64:
		v.Type, v.Value = gosnmp.Counter64, uint64(x)
	case objectID:
		v.Type, v.Value = gosnmp.ObjectIdentifier, string(x)
	default:
		panic(fmt.Sprintf("value of type %T", x))
	}
	return v
}

func numbers(oid string) []uint32 {
	var n []uint32
	for part := range strings.SplitSeq(strings.TrimPrefix(oid, "."), ".") {
		v, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			panic(err)
		}
		n = append(n, uint32(v))
	}
	return n
}

func dotted(n []uint32) string {
	var b strings.Builder
	for _, v := range n {
		fmt.Fprintf(&b, ".%d", v)
	}
	return b.String()
}

// set gives an instance a value; nil takes it away.
func (f *fake) set(oid string, value any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := numbers(oid)
	i, found := f.find(n)
	switch {
	case value == nil && found:
		f.objects = slices.Delete(f.objects, i, i+1)
	case value == nil:
	case found:
		f.objects[i].value = value
	default:
		f.objects = slices.Insert(f.objects, i, object{n, value})
	}
}

// clear takes away all instances below an OID.
func (f *fake) clear(root string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := numbers(root)
	f.objects = slices.DeleteFunc(f.objects, func(o object) bool { return len(o.oid) > len(n) && slices.Equal(o.oid[:len(n)], n) })
}

// breaking makes the agent break; nil mends it.
func (f *fake) breaking(breaks func(q *gosnmp.SnmpPacket) (status int)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.breaks = breaks
}

// failing is a breaking by which requests that touch a subtree get an error.
func failing(root string, status int) func(q *gosnmp.SnmpPacket) int {
	return func(q *gosnmp.SnmpPacket) int {
		for _, v := range q.Variables {
			if name := strings.TrimPrefix(v.Name, "."); name == root || strings.HasPrefix(name, root+".") {
				return status
			}
		}
		return 0
	}
}

// sinceLast returns the OIDs of each packet that came since it was called last.
func (f *fake) sinceLast() [][]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := f.asked
	f.asked = nil
	return asked
}

// below tells in how many packets an OID lies below a root or is it.
func below(asked [][]string, root string) int {
	n := 0
	for _, oids := range asked {
		if slices.ContainsFunc(oids, func(oid string) bool { return oid == root || strings.HasPrefix(oid, root+".") }) {
			n++
		}
	}
	return n
}

// hasty makes a target of which requests soon count as not answered.
func (f *fake) hasty() base.Target { return f.target("request_timeout", "250ms") }

func (f *fake) target(options ...string) base.Target {
	o := map[string]string{"community": "public", "request_timeout": "5s"} // machines that test are busy
	for i := 0; i < len(options); i += 2 {
		o[options[i]] = options[i+1]
	}
	return base.Target{ID: "fake", Address: f.conn.LocalAddr().String(), Options: o}
}

// clock is a wall clock that a test moves on.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *clock) pass(d time.Duration) { c.ahead.Add(int64(d)) }

// reader is an input, its clock and the fake that it reads.
type reader struct {
	*fake
	*clock
	in     *snmp.Input
	target base.Target
}

// newReader makes an input with the profiles' texts, or all that are shipped, for
// a new fake agent.
func newReader(t testing.TB, state string, texts ...string) *reader {
	t.Helper()
	r := &reader{fake: newFake(t), clock: &clock{}}
	r.target = r.fake.target()
	r.open(t, state, texts...)
	return r
}

// open makes the input anew, as after a restart.
func (r *reader) open(t testing.TB, state string, texts ...string) {
	t.Helper()
	in, err := snmp.New(snmp.Options{Profiles: profilesOf(t, texts...), State: state, Now: r.now})
	if err != nil {
		t.Fatal(err)
	}
	r.in = in
	t.Cleanup(func() { in.Close() })
}

// profilesOf makes a set of texts; without any it is the shipped one.
func profilesOf(t testing.TB, texts ...string) *profile.Set {
	t.Helper()
	if len(texts) == 0 {
		return profiles(t)
	}
	files := fstest.MapFS{}
	for i, text := range texts {
		files[fmt.Sprintf("%d.yaml", i)] = &fstest.MapFile{Data: []byte(text)}
	}
	set, err := profile.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// poll lets time pass and reads the device; an error fails the test.
func (r *reader) poll(t testing.TB, after time.Duration) *sink {
	t.Helper()
	s, err := r.try(t, after)
	if err != nil {
		t.Fatal(err)
	}
	s.noTwins(t)
	return s
}

// partial does the same for a poll of which something must be missing.
func (r *reader) partial(t testing.TB, after time.Duration, want ...string) *sink {
	t.Helper()
	s, err := r.try(t, after)
	if !errors.As(err, new(input.Partial)) {
		t.Fatalf("error %v, want one that says it is partial", err)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %v, want %q in it", err, w)
		}
	}
	s.noTwins(t)
	return s
}

func (r *reader) try(t testing.TB, after time.Duration) (*sink, error) {
	t.Helper()
	r.pass(after)
	return gather(t, r.in, r.target)
}
