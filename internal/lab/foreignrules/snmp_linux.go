package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/faultline/faultline/agent/input/snmp"
	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/rules"
)

// snmpPlay is a real snmpd, and a switch whose answers are made up anew for every
// reading and given by a program that plays recordings: no real agent here can be
// made to carry 100 Mbit/s, or to have errors.
type snmpPlay struct {
	h      *theatre
	in     *snmp.Input
	real   *private
	player *private
	set    time.Time // when the played clock was set

	up       float64 // seconds of the played switch
	octets   float64 // in and out
	packets  float64
	errors   float64
	oper     int
	rate     float64 // bytes a second from here on
	errorsAt float64 // errors a second
}

// moving is the played clock, which goes on while a device is waited for.
func (p *snmpPlay) moving() time.Time { return p.h.now.Add(time.Since(p.set)) }

func newSNMPPlay(ctx context.Context, h *theatre) (*snmpPlay, error) {
	p := &snmpPlay{h: h, up: 1e6, octets: 1e9, packets: 1e7, oper: 1, rate: 1e5, set: time.Now()}
	player := os.Getenv("FAULTLINE_SNMPREPLAY")
	if player == "" {
		return p, errors.New("FAULTLINE_SNMPREPLAY is not set: the program that plays recorded devices")
	}
	sub, err := fs.Sub(rules.FS(), "profiles")
	if err != nil {
		return p, err
	}
	profiles, err := profile.Open(sub)
	if err != nil {
		return p, err
	}
	if p.in, err = snmp.New(snmp.Options{Profiles: profiles, Now: p.moving}); err != nil {
		return p, err
	}
	if p.player, err = newPrivate("root"); err != nil {
		return p, err
	}
	p.player.args = []string{player, "-data", p.player.dir, "-listen", p.player.address()}
	if p.real, err = newPrivate("root"); err != nil {
		return p, err
	}
	conf := filepath.Join(p.real.dir, "snmpd.conf")
	if err := os.WriteFile(conf, []byte("agentAddress udp:"+p.real.address()+"\nsysName real\nrocommunity switch\n"), 0o600); err != nil {
		return p, err
	}
	bin, err := program("/usr/sbin/snmpd", "snmpd")
	if err != nil {
		return p, err
	}
	p.real.args = []string{bin, "-f", "-m", "", "-Lf", filepath.Join(p.real.dir, "snmpd.log"), "-C", "-c", conf, "-p", filepath.Join(p.real.dir, "pid"), "-x", filepath.Join(p.real.dir, "agentx")}
	for i, s := range []*private{p.player, p.real} {
		device := []string{"sw1", "sw2"}[i]
		h.targets = append(h.targets, measured{in: p.in, target: base.Target{ID: device, Input: "snmp", Address: s.address(), Options: map[string]string{"community": "switch", "request_timeout": "300ms",
			"retries": "1"}}, labels: map[string]string{"job": "snmp", "instance": device, "device": device, "site": "lab"}})
	}
	return p, p.real.start(ctx, func(ctx context.Context) error { return wait(ctx, time.Second) })
}

func (p *snmpPlay) close() {
	if p.in != nil {
		_ = p.in.Close()
	}
	for _, s := range []*private{p.player, p.real} {
		if s != nil {
			s.remove()
		}
	}
}

// answer moves the switch on by a quarter of a minute and has the player serve it.
func (p *snmpPlay) answer(ctx context.Context) error {
	p.set = time.Now()
	p.up += 15
	p.octets += 15 * p.rate
	p.packets += 15 * p.rate / 1000
	p.errors += 15 * p.errorsAt
	var b strings.Builder
	line := func(oid string, kind int, value any) { fmt.Fprintf(&b, "%s|%d|%v\n", oid, kind, value) }
	line("1.3.6.1.2.1.1.1.0", 4, "a switch that is played")
	line("1.3.6.1.2.1.1.2.0", 6, "1.3.6.1.4.1.8072.3.2.10")
	line("1.3.6.1.2.1.1.3.0", 67, int64(p.up*100))
	line("1.3.6.1.2.1.1.5.0", 4, "sw1")
	line("1.3.6.1.2.1.2.1.0", 2, 1)
	count := func(v float64) int64 { return int64(v) % (1 << 32) }
	for _, c := range []struct {
		column string
		kind   int
		value  any
	}{{"1", 2, 1}, {"2", 4, "Gi0/1"}, {"3", 2, 6}, {"4", 2, 1500}, {"5", 66, 100_000_000}, {"7", 2, 1}, {"8", 2, p.oper}, {"10", 65, count(p.octets)}, {"11", 65, count(p.packets)},
		{"14", 65, count(p.errors)}, {"16", 65, count(p.octets)}, {"17", 65, count(p.packets)}, {"20", 65, count(p.errors)}} {
		line("1.3.6.1.2.1.2.2.1."+c.column+".1", c.kind, c.value)
	}
	for _, c := range []struct {
		column string
		kind   int
		value  any
	}{{"1", 4, "Gi0/1"}, {"6", 70, int64(p.octets)}, {"7", 70, int64(p.packets)}, {"8", 70, 1000}, {"9", 70, 1000}, {"10", 70, int64(p.octets)}, {"11", 70, int64(p.packets)}, {"12", 70, 1000},
		{"13", 70, 1000}, {"15", 66, 100}, {"18", 4, ""}} {
		line("1.3.6.1.2.1.31.1.1.1."+c.column+".1", c.kind, c.value)
	}
	p.player.stop(syscall.SIGKILL)
	if err := os.WriteFile(filepath.Join(p.player.dir, "switch.snmprec"), []byte(b.String()), 0o644); err != nil {
		return err
	}
	return p.player.start(ctx, func(ctx context.Context) error { return wait(ctx, 100*time.Millisecond) })
}

// provokeSNMP plays what goes wrong with a switch.
func provokeSNMP(ctx context.Context, out io.Writer, file, name string) error {
	h, err := newTheatre(file)
	if err != nil {
		return err
	}
	defer h.done()
	p, err := newSNMPPlay(ctx, h)
	defer p.close()
	if err != nil {
		return err
	}
	change := func(f func()) func(context.Context) error { return func(context.Context) error { f(); return nil } }
	if err := h.play(ctx, []act{
		{name: "snmpd has just been started", each: p.answer, steps: 1},
		{name: "all is well", each: p.answer, steps: 30},
		{name: "a port is down", begin: change(func() { p.oper, p.rate = 2, 0 }), each: p.answer, steps: 12},
		{name: "one packet in ten has an error", begin: change(func() { p.oper, p.rate, p.errorsAt = 1, 1e6, 100 }), each: p.answer, steps: 44},
		{name: "the port is full", begin: change(func() { p.rate, p.errorsAt = 11.5e6, 0 }), each: p.answer, steps: 84},
		{name: "snmpd is stopped", begin: change(func() { p.real.stop(syscall.SIGTERM) }), each: p.answer, steps: 24},
	}); err != nil {
		return err
	}
	h.report(out, name)
	return nil
}
