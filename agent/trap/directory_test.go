package trap

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/plugins/base"
)

func TestDirectory(t *testing.T) {
	d := NewDirectory()
	labels := func(device, component string) map[string]string {
		return map[string]string{"device": device, "site": "bj", "component": component}
	}
	d.Set([]base.Target{
		{ID: "r1", Input: "snmp", Address: "10.0.0.1:1161", Labels: labels("router", ""), Options: map[string]string{"addresses": "10.0.1.1, 10.0.2.1;2001:db8::1 not-an-address"}},
		{ID: "r2", Input: "probe", Address: "http://10.0.9.1:8080/x", Labels: labels("router", "")},
		{ID: "u1", Input: "snmp", Address: "[2001:db8::2]:161", Labels: labels("ups", "battery")},
		{ID: "s1", Input: "snmp", Address: "10.0.0.7", Labels: map[string]string{"instance": "10.0.0.7", "addresses": "10.0.8.1 10.0.1.1"}},
		{ID: "s2", Input: "snmp", Address: "10.0.0.8", Labels: map[string]string{"addresses": "10.0.8.1 10.0.0.1"}},
		{ID: "t1", Input: "probe", Address: "10.0.0.9", Labels: labels("one", "")},
		{ID: "t2", Input: "probe", Address: "10.0.0.9", Labels: labels("two", "")},
		{ID: "h", Input: "host"},
	})
	router := Device{ID: "router", Site: "bj", Targets: []string{"r1", "r2"}}
	for address, want := range map[string]Device{
		"10.0.0.1": router, "10.0.2.1": router, "2001:db8::1": router, "10.0.9.1": router, "::ffff:10.0.0.1": router,
		"2001:db8::2": {ID: "ups", Site: "bj", Component: "battery", Targets: []string{"u1"}},
		"10.0.0.7":    {ID: "10.0.0.7", Targets: []string{"s1"}}, "10.0.0.8": {ID: "s2", Targets: []string{"s2"}},
		"10.0.8.1": {}, // of two
		"10.0.1.1": {}, // of two
		"10.0.0.9": {}, // two are polled there
		"10.0.0.2": {},
	} {
		got, ok := d.Lookup(netip.MustParseAddr(address))
		if diff := cmp.Diff(want, got); diff != "" || ok != (want.ID != "") {
			t.Errorf("%s: %v (-want +got)\n%s", address, ok, diff)
		}
	}
}

// TestDirectoryNames: a target that is given by name is known by its addresses.
func TestDirectoryNames(t *testing.T) {
	d := NewDirectory()
	x := run(t, Options{Directory: d})
	loop := netip.MustParseAddr("127.0.0.1")
	d.Set([]base.Target{{ID: "t", Input: "probe", Address: "localhost:80"}})
	await(t, func() bool { _, ok := d.Lookup(loop); return ok })
	d.Set(nil)
	if dev, ok := d.Lookup(loop); ok || len(d.names) != 0 {
		t.Errorf("%+v is still known, names %v", dev, d.names)
	}
	x.stop()
}

// TestChecks: each device is checked at once, then at most once an interval, and
// once more after the last notification.
func TestChecks(t *testing.T) {
	now := time.Unix(1e9, 0)
	c := newChecks(time.Second)
	dev := func(id string) Device { return Device{ID: id, Targets: []string{id}} }
	step := func(after time.Duration, want []string, next time.Duration) {
		t.Helper()
		now = now.Add(after)
		got, at := c.due(now)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("started %v, want %v", got, want)
		}
		if next == 0 != at.IsZero() || next != 0 && at.Sub(now) != next {
			t.Errorf("next at %v, want in %v", at, next)
		}
	}
	c.want(dev("a"))
	c.want(dev("a"))
	c.want(Device{ID: "nothing polled"})
	step(0, []string{"a"}, 0)
	c.want(dev("a"))
	c.want(dev("b"))
	step(100*time.Millisecond, []string{"b"}, 0) // a runs
	c.finished("a")
	step(0, nil, 900*time.Millisecond)
	step(899*time.Millisecond, nil, time.Millisecond)
	step(time.Millisecond, []string{"a"}, 0)
	c.finished("a")
	c.finished("b")
	step(time.Minute, nil, 0)
	step(0, nil, 0)
	if len(c.devices) != 0 {
		t.Errorf("%d devices still remembered", len(c.devices))
	}
	for i := range 2 * mostChecks {
		c.want(dev(string(rune('A' + i))))
	}
	if got, _ := c.due(now); len(got) != mostChecks {
		t.Errorf("%d checks at once, want %d", len(got), mostChecks)
	}
}

func TestLRU(t *testing.T) {
	l := newLRU[string, int](2)
	l.put("a", 1)
	l.put("b", 2)
	if v, ok := l.get("a"); !ok || v != 1 {
		t.Errorf("a is %d, %v", v, ok)
	}
	if old, ok := l.put("c", 3); !ok || old != 2 || l.len() != 2 {
		t.Errorf("forgot %d, %v", old, ok)
	}
	if _, ok := l.get("b"); ok {
		t.Error("b is still there")
	}
	if _, ok := l.put("a", 4); ok {
		t.Error("forgot something for what was there")
	}
	if v, _ := l.get("a"); v != 4 {
		t.Errorf("a is %d", v)
	}
}
