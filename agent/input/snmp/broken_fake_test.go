package snmp_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/faultline/faultline/agent/input/snmp"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// ignoringBulk is a breaking by which GETBULK is not answered; it counts them.
func ignoringBulk(n *int) func(*gosnmp.SnmpPacket) int {
	return func(q *gosnmp.SnmpPacket) int {
		if q.PDUType == gosnmp.GetBulkRequest {
			*n++
			return -1
		}
		return 0
	}
}

// slowly is a breaking by which each answer takes its time, one after another.
func slowly(each time.Duration) func(*gosnmp.SnmpPacket) int {
	return func(q *gosnmp.SnmpPacket) int {
		n := len(q.Variables) * max(int(q.MaxRepetitions), 1)
		time.Sleep(time.Duration(n) * each)
		return 0
	}
}

// TestDeadlineKeepsWhatCame: a device that is cut off in the middle gives what had
// been read by then, named, and the rest is told.
func TestDeadlineKeepsWhatCame(t *testing.T) {
	r := newReader(t, "")
	r.manyPorts(60)
	r.breaking(slowly(2 * time.Millisecond)) // about 2.7 s for all
	most := 0
	for range 6 {
		r.pass(time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		begin := time.Now()
		s := &sink{}
		err := r.in.Gather(ctx, r.target, s)
		cancel()
		if !errors.As(err, new(input.Partial)) || !strings.Contains(err.Error(), "deadline") {
			t.Fatalf("error %v, want one that is partial and tells the deadline", err)
		}
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("took %v, the deadline was a second", took)
		}
		s.noTwins(t)
		if len(s.find("sysName")) == 0 || len(s.find("faultline_device_info")) == 0 {
			t.Error("what was read before the tables is lost")
		}
		for _, sm := range s.find("ifAdminStatus") {
			if sm.Labels.Get("ifName") == "" {
				t.Fatalf("row without its name: %v", sm.Labels)
			}
		}
		if n := s.find("faultline_snmp_table_success", "table", "ifTable"); len(n) != 1 || n[0].Value != 0 {
			t.Errorf("table success %v", n)
		}
		most = max(most, len(s.find("ifAdminStatus")))
	}
	if most < 30 {
		t.Errorf("at most %d of 60 interfaces came", most)
	}
	r.breaking(nil)
	if s := r.poll(t, time.Minute); len(s.find("ifHCInOctets")) != 60 || s.value(t, "faultline_snmp_table_success", "table", "ifTable") != 1 {
		t.Errorf("after it was well again: %d interfaces", len(s.find("ifHCInOctets")))
	}
}

// TestEachTableHasItsTurn: where one table takes all the time that there is, the
// others are read nevertheless, and those that were not come to are told.
func TestEachTableHasItsTurn(t *testing.T) {
	r := newReader(t, "", fans, optional)
	r.set("1.3.6.1.4.1.424242.9.1.0", 7)
	for i := range 200 {
		r.fan(fmt.Sprint(i+1), "fan", map[int]any{3: 1, 4: 1200, 5: 1, 7: 1})
	}
	r.set(plainTable+".1.1", 5)
	r.set(alarmTable+".1.1", 6)
	r.breaking(func(q *gosnmp.SnmpPacket) int {
		if failing(entry, 1)(q) == 1 {
			slowly(time.Millisecond)(q)
		}
		return 0
	})
	plain := 0
	for i := range 4 {
		r.pass(time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		s := &sink{}
		err := r.in.Gather(ctx, r.target, s)
		cancel()
		if err == nil || s.value(t, "aNumber") != 7 {
			t.Fatalf("poll %d: error %v, numbers %v", i, err, s.find("aNumber"))
		}
		came := len(s.find("plainValue"))
		plain += came
		if s.value(t, "faultline_snmp_table_success", "table", "plainTable") != float64(came) || s.value(t, "faultline_snmp_table_success", "table", "fanTable") != 0 {
			t.Errorf("poll %d: table success is wrong", i)
		}
		if told := strings.Contains(err.Error(), "not come to: plainTable") || strings.Contains(err.Error(), ", plainTable"); told == (came == 1) {
			t.Errorf("poll %d: the table came %d times, the error is %v", i, came, err)
		}
	}
	if plain < 2 {
		t.Errorf("the table after the long one was read %d times in 4 polls", plain)
	}
}

// TestDeadDeviceShowsNothing: a device that was well and is silent now has no
// metric that says a table was read.
func TestDeadDeviceShowsNothing(t *testing.T) {
	r := newReader(t, "", fans)
	r.target = r.hasty()
	r.fan("1", "left", map[int]any{3: 1, 4: 1200})
	r.poll(t, 0)
	r.breaking(func(*gosnmp.SnmpPacket) int { return -1 })
	s, err := r.try(t, time.Minute)
	if err == nil || errors.As(err, new(input.Partial)) || len(s.find("faultline_snmp_table_success")) > 0 || len(s.find("fanSpeed")) > 0 {
		t.Errorf("error %v, samples %v", err, s.samples)
	}
}

// TestLostInTheMiddle: a device that goes silent in the middle is not waited for
// at every column, and is not down for what it gave.
func TestLostInTheMiddle(t *testing.T) {
	r := newReader(t, "", fans, optional)
	r.target = r.hasty()
	r.set("1.3.6.1.4.1.424242.9.1.0", 7)
	r.fan("1", "left", map[int]any{3: 1, 4: 1200})
	r.set(plainTable+".1.1", 5)
	r.poll(t, 0)
	r.breaking(failing(plainTable, -1))
	begin := time.Now()
	s := r.partial(t, time.Minute, "plainTable", "no answer")
	if took := time.Since(begin); took > 8*time.Second { // a table more would be a multiple
		t.Errorf("took %v", took)
	}
	if s.value(t, "fanSpeed") != 1200 || s.value(t, "faultline_snmp_table_success", "table", "fanTable") != 1 || s.value(t, "faultline_snmp_table_success", "table", "plainTable") != 0 {
		t.Errorf("samples %v", s.samples)
	}
	if len(s.find("plainValue")) > 0 {
		t.Error("a value that was not read is repeated")
	}
	r.breaking(nil)
	if s := r.poll(t, time.Minute); s.value(t, "plainValue") != 5 {
		t.Error("the table did not come back")
	}
}

// TestAnotherDevice: another kind of device at the address is identified anew, and
// nothing of the former one is shown.
func TestAnotherDevice(t *testing.T) {
	r := newReader(t, "")
	r.port("1", "eth0", map[int]any{colHighSpeed: gauge32(1000), colInOctets: counter32(3e9)})
	r.poll(t, 0)
	r.set("1.3.6.1.2.1.1.2.0", objectID("1.3.6.1.4.1.9.1.1"))
	r.set("1.3.6.1.2.1.1.1.0", "Cisco IOS Software, C2960 Software (C2960-LANBASEK9-M), Version 12.2(55)SE5, RELEASE SOFTWARE (fc1)")
	r.port("1", "eth0", map[int]any{colHighSpeed: gauge32(1000), colInOctets: counter32(1e9)})
	r.set(upTime, ticks(900_000)) // it runs longer than the former one did
	s := r.poll(t, time.Minute)
	if got := s.find("faultline_device_info"); len(got) != 1 || got[0].Labels.Get("vendor") != "Cisco" {
		t.Errorf("device info %v", got)
	}
	if v := s.value(t, "ifInOctets"); v != 1e9 {
		t.Errorf("its counter goes on from the former device's: %v", v)
	}
	r.set("1.3.6.1.2.1.1.2.0", objectID("1.3.6.1.4.1.424242.1"))
	r.set("1.3.6.1.2.1.1.1.0", "A device")
	if got := r.poll(t, time.Minute).find("faultline_device_info"); len(got) != 1 || got[0].Labels.Get("vendor") == "Cisco" || got[0].Labels.Get("version") != "" {
		t.Errorf("after another change: device info %v", got)
	}
}

// TestSettingsChange: new settings are used at the next poll, and what was learned
// with the former ones is kept.
func TestSettingsChange(t *testing.T) {
	r := newReader(t, filepath.Join(t.TempDir(), "snmp.json"))
	r.ports(map[string]string{"1": "eth0"})
	r.poll(t, 0)
	r.ports(map[string]string{"4": "eth0"})
	for i := range 3 {
		r.target = r.fake.target("request_timeout", (time.Duration(200+i) * time.Millisecond).String())
		same(t, "with new settings", shown(t, r.poll(t, time.Minute)), map[string]string{"eth0": "1"})
	}
	r.target = r.fake.target("request_timeout", "soon")
	if _, err := r.try(t, time.Minute); err == nil || !strings.Contains(err.Error(), "request_timeout") {
		t.Errorf("error %v", err)
	}
}

// TestSeldomPolled: a device that is polled every few hours is known from poll to
// poll; one that is polled no more is forgotten, but what was learned about it.
func TestSeldomPolled(t *testing.T) {
	r := newReader(t, filepath.Join(t.TempDir(), "snmp.json"))
	r.ports(map[string]string{"1": "eth0"})
	r.target.Interval = 2 * time.Hour
	r.poll(t, 0)
	r.set(upTime, ticks(500))
	if s := r.poll(t, 2*time.Hour); len(s.events) != 1 || s.events[0].Kind != base.EventRestart {
		t.Errorf("events %v, want a restart", s.events)
	}
	other := newFake(t)
	r.pass(7 * time.Hour)
	if _, err := gather(t, r.in, base.Target{ID: "other", Address: other.conn.LocalAddr().String(), Options: r.target.Options}); err != nil {
		t.Fatal(err)
	}
	r.ports(map[string]string{"4": "eth0"})
	r.set(upTime, ticks(100))
	s := r.poll(t, 0)
	same(t, "after hours", shown(t, s), map[string]string{"eth0": "1"})
	if len(s.events) != 1 || len(moves(s)) != 1 {
		t.Errorf("events %v, want only that it was renumbered: its former up time is forgotten", s.events)
	}
}

// TestDescribeBroken: what describe could not read it says.
func TestDescribeBroken(t *testing.T) {
	f := newFake(t)
	f.manyPorts(10)
	in, err := snmp.New(snmp.Options{Profiles: profiles(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	f.breaking(failing("1.3.6.1.2.1.2.2.1.16", genErr))
	d, err := in.Describe(t.Context(), f.target())
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Interfaces) != 10 || d.Interfaces[9].OutOctets == nil || len(d.Problems) != 1 || d.Problems[0].What != "ifTable" || d.Problems[0].RowsKept != 10 {
		t.Errorf("%d interfaces, problems %+v", len(d.Interfaces), d.Problems)
	}
	f.breaking(func(q *gosnmp.SnmpPacket) int { return -1 })
	if d, err := in.Describe(t.Context(), f.hasty()); err == nil {
		t.Errorf("a silent device is described as %+v", d)
	}
}
