package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ifColumn is a column of ifTable or ifXTable.
type ifColumn struct {
	oid  string // below mib-2
	name string
	kind string // of a profile's value: gauge, counter or info
	tag  byte   // BER tag of its values
}

const mib2 = "1.3.6.1.2.1."

// BER tags of recorded values.
const (
	tagInteger, tagOctets, tagOID    = 2, 4, 6
	tagCounter, tagGauge, tagCount64 = 65, 66, 70
	tagTicks                         = 67
)

// ifColumns are all columns of ifTable and ifXTable (RFC 2863).
var ifColumns = []ifColumn{
	{"2.2.1.1", "ifIndex", "gauge", tagInteger}, {"2.2.1.2", "ifDescr", "info", tagOctets}, {"2.2.1.3", "ifType", "gauge", tagInteger},
	{"2.2.1.4", "ifMtu", "gauge", tagInteger}, {"2.2.1.5", "ifSpeed", "gauge", tagGauge}, {"2.2.1.6", "ifPhysAddress", "info", tagOctets},
	{"2.2.1.7", "ifAdminStatus", "gauge", tagInteger}, {"2.2.1.8", "ifOperStatus", "gauge", tagInteger}, {"2.2.1.9", "ifLastChange", "gauge", tagTicks},
	{"2.2.1.10", "ifInOctets", "counter", tagCounter}, {"2.2.1.11", "ifInUcastPkts", "counter", tagCounter}, {"2.2.1.12", "ifInNUcastPkts", "counter", tagCounter},
	{"2.2.1.13", "ifInDiscards", "counter", tagCounter}, {"2.2.1.14", "ifInErrors", "counter", tagCounter}, {"2.2.1.15", "ifInUnknownProtos", "counter", tagCounter},
	{"2.2.1.16", "ifOutOctets", "counter", tagCounter}, {"2.2.1.17", "ifOutUcastPkts", "counter", tagCounter}, {"2.2.1.18", "ifOutNUcastPkts", "counter", tagCounter},
	{"2.2.1.19", "ifOutDiscards", "counter", tagCounter}, {"2.2.1.20", "ifOutErrors", "counter", tagCounter}, {"2.2.1.21", "ifOutQLen", "gauge", tagGauge},
	{"2.2.1.22", "ifSpecific", "info", tagOID},
	{"31.1.1.1.1", "ifName", "info", tagOctets}, {"31.1.1.1.2", "ifInMulticastPkts", "counter", tagCounter}, {"31.1.1.1.3", "ifInBroadcastPkts", "counter", tagCounter},
	{"31.1.1.1.4", "ifOutMulticastPkts", "counter", tagCounter}, {"31.1.1.1.5", "ifOutBroadcastPkts", "counter", tagCounter},
	{"31.1.1.1.6", "ifHCInOctets", "counter", tagCount64}, {"31.1.1.1.7", "ifHCInUcastPkts", "counter", tagCount64},
	{"31.1.1.1.8", "ifHCInMulticastPkts", "counter", tagCount64}, {"31.1.1.1.9", "ifHCInBroadcastPkts", "counter", tagCount64},
	{"31.1.1.1.10", "ifHCOutOctets", "counter", tagCount64}, {"31.1.1.1.11", "ifHCOutUcastPkts", "counter", tagCount64},
	{"31.1.1.1.12", "ifHCOutMulticastPkts", "counter", tagCount64}, {"31.1.1.1.13", "ifHCOutBroadcastPkts", "counter", tagCount64},
	{"31.1.1.1.14", "ifLinkUpDownTrapEnable", "gauge", tagInteger}, {"31.1.1.1.15", "ifHighSpeed", "gauge", tagGauge},
	{"31.1.1.1.16", "ifPromiscuousMode", "gauge", tagInteger}, {"31.1.1.1.17", "ifConnectorPresent", "gauge", tagInteger},
	{"31.1.1.1.18", "ifAlias", "info", tagOctets}, {"31.1.1.1.19", "ifCounterDiscontinuityTime", "gauge", tagTicks},
}

// numericColumns are those whose values are numbers.
func numericColumns() []ifColumn {
	return slices.DeleteFunc(slices.Clone(ifColumns), func(c ifColumn) bool { return c.kind == "info" })
}

// The recording that is replayed, and the device that it is of.
const (
	recordedDevice = "nxos_n9k-c93180yc-fx3"
	recordedObject = "1.3.6.1.4.1.9.12.3.1.3.2193"
	benchCommunity = "bench" // and the name of the reduced recording
)

// sharedDir is where recordings and the responder are, outside this repository.
func sharedDir() string {
	if dir := os.Getenv("FAULTLINE_SHARED"); dir != "" {
		return dir
	}
	return filepath.Join("..", "shared")
}

// writeRecording writes what of the recorded device is replayed, at most rows
// interfaces of it, and returns how many there are.
func writeRecording(file string, rows int) (int, error) {
	cells, err := readRecording(filepath.Join(sharedDir(), "data", "snmp", "dev", recordedDevice+".snmprec"))
	if err != nil {
		return 0, err
	}
	var indexes []string
	for oid := range cells {
		if index, ok := strings.CutPrefix(oid, mib2+"31.1.1.1.1."); ok {
			indexes = append(indexes, index)
		}
	}
	slices.Sort(indexes)
	indexes = indexes[:min(rows, len(indexes))]
	var b bytes.Buffer
	fmt.Fprintf(&b, "%[1]s1.1.0|4|%[2]s\n%[1]s1.2.0|6|%[3]s\n%[1]s1.3.0|67|8640000\n%[1]s1.4.0|4|\n%[1]s1.5.0|4|bench\n%[1]s1.6.0|4|\n%[1]s1.7.0|2|78\n",
		mib2, cells[mib2+"1.1.0"].value, recordedObject)
	for _, c := range ifColumns {
		for n, index := range indexes {
			fmt.Fprintf(&b, "%s%s.%s|%s\n", mib2, c.oid, index, c.line(n, index, cells))
		}
	}
	return len(indexes), os.WriteFile(file, b.Bytes(), 0o644)
}

// recorded is a value of a recording: its tag as written there, and its text.
type recorded struct{ tag, value string }

func readRecording(path string) (map[string]recorded, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	cells := map[string]recorded{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if p := strings.SplitN(lines.Text(), "|", 3); len(p) == 3 {
			cells[p[0]] = recorded{p[1], p[2]}
		}
	}
	return cells, lines.Err()
}

// troubles are counters that stand still on a healthy device.
var troubles = regexp.MustCompile("Errors$|Discards$|UnknownProtos$")

// line is tag and value of the nth row's cell. Counters of traffic that stand at
// nothing get something, since the responder moves each by what it stands at, and
// so do descriptions; the recorded device leaves eleven columns out, which follow
// from others. Moments are gauges here, because the responder would move them.
func (c ifColumn) line(n int, index string, cells map[string]recorded) string {
	r, ok := cells[mib2+c.oid+"."+index]
	tag := c.tag
	switch {
	case c.kind == "counter":
		v, err := strconv.ParseUint(r.value, 10, 64)
		if (err != nil || v == 0) && !troubles.MatchString(c.name) {
			v = uint64(n+1) * 1_000_003
			if tag == tagCount64 {
				v *= 7919
			}
		}
		r.value = strconv.FormatUint(v, 10)
	case tag == tagTicks:
		tag = tagGauge
	case c.name == "ifAlias":
		r.value = fmt.Sprintf("to rack %d port %d", n/8, n%8)
	case ok:
		return r.tag + "|" + r.value
	case c.name == "ifIndex":
		r.value = index
	case c.name == "ifSpeed":
		mbit, _ := strconv.ParseUint(cells[mib2+"31.1.1.1.15."+index].value, 10, 64)
		r.value = strconv.FormatUint(min(mbit*1_000_000, 1<<32-1), 10)
	case tag == tagOID:
		r.value = "0.0"
	default:
		r.value = "0"
	}
	return fmt.Sprintf("%d|%s", tag, r.value)
}

// writeProfile writes a profile that reads every column at every poll, and
// nothing else of the shipped ones.
func writeProfile(file string) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "profile: bench-switch\nclass: network\nverified: none\nsource: [RFC 2863]\nreplaces: [if-mib, system]\nmatch: [{sys_object_id: [%s]}]\n", recordedObject)
	fmt.Fprintf(&b, "tables:\n  - name: ifTable\n    index: [ifIndex]\n    labels: {ifName: %[1]s31.1.1.1.1, ifDescr: %[1]s2.2.1.2, ifAlias: %[1]s31.1.1.1.18}\n    columns:\n", mib2)
	for _, c := range ifColumns {
		format := ""
		if c.name == "ifPhysAddress" {
			format = ", format: mac"
		}
		fmt.Fprintf(&b, "      - {metric: %s, oid: %s%s, type: %s%s}\n", c.name, mib2, c.oid, c.kind, format)
	}
	return os.WriteFile(file, b.Bytes(), 0o644)
}

// responder is a running snmpreplay: one device for each of its addresses.
type responder struct {
	*process
	first   netip.Addr
	devices int
	port    int
	stats   string // its file of counts, written each second
}

// fleet is what a responder plays.
type fleet struct {
	devices int
	rows    int           // interfaces of each, at most
	latency time.Duration // of its answers
}

// buildResponder builds snmpreplay from the shared tools.
func buildResponder(ctx context.Context, o options) (string, error) {
	src := filepath.Join(sharedDir(), "tools", "snmpreplay")
	if _, err := os.Stat(filepath.Join(src, "go.mod")); err != nil {
		return "", fmt.Errorf("no %s: set FAULTLINE_SHARED to where it is", src)
	}
	bin := filepath.Join(o.work, "snmpreplay")
	cmd := exec.CommandContext(ctx, o.goTool, "build", "-o", bin, ".")
	cmd.Dir, cmd.Env = src, append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build snmpreplay: %w\n%s", err, out)
	}
	return bin, nil
}

// startResponder starts the devices and waits until they answer.
func startResponder(ctx context.Context, o options, bin string, f fleet) (*responder, error) {
	dir, err := os.MkdirTemp(o.work, "devices-")
	if err != nil {
		return nil, err
	}
	if _, err := writeRecording(filepath.Join(dir, benchCommunity+".snmprec"), f.rows); err != nil {
		return nil, err
	}
	r := &responder{first: netip.MustParseAddr("127.1.0.1"), devices: f.devices, stats: filepath.Join(dir, "stats.json")}
	if r.port, err = freePort(r.first); err != nil {
		return nil, err
	}
	r.process, err = start(ctx, o, bin, "-data", dir, "-listen", fmt.Sprintf("%s+%d:%d", r.first, f.devices, r.port),
		"-max-msg", "1472", "-live", "-preload", "-latency", f.latency.String(), "-stats", r.stats)
	if err != nil {
		return nil, err
	}
	if err := eventually(ctx, time.Minute, func() error { _, err := os.Stat(r.stats); return err }); err != nil {
		r.stop()
		return nil, r.failed(err)
	}
	return r, nil
}

// address is that of the nth device.
func (r *responder) address(n int) string {
	a := r.first.As4()
	at := uint32(a[2])<<8 + uint32(a[3]) + uint32(n)
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{a[0], a[1], byte(at >> 8), byte(at)}), uint16(r.port)).String()
}

// answered is what a responder has done since its start.
type answered struct {
	In       int64 `json:"in"` // requests
	Varbinds int64 `json:"varbinds"`
}

// count waits until the responder has written its counts anew and returns them.
func (r *responder) count(ctx context.Context) (answered, error) {
	var a answered
	before, err := os.Stat(r.stats)
	if err != nil {
		return a, err
	}
	err = eventually(ctx, 10*time.Second, func() error {
		now, err := os.Stat(r.stats)
		if err == nil && now.ModTime().Equal(before.ModTime()) {
			err = errors.New("the responder writes no counts")
		}
		return err
	})
	if err != nil {
		return a, err
	}
	b, err := os.ReadFile(r.stats)
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(b, &a)
}

// freePort returns a UDP port that is free at an address.
func freePort(a netip.Addr) (int, error) {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 0)))
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }()
	return c.LocalAddr().(*net.UDPAddr).Port, nil
}

// swallow opens n addresses that take every datagram and answer none, until
// the returned function is called.
func swallow(n int) (addresses []string, closeAll func(), err error) {
	var open []*net.UDPConn
	closeAll = func() {
		for _, c := range open {
			_ = c.Close()
		}
	}
	first := netip.MustParseAddr("127.2.0.1")
	for range n {
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(first, 0)))
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		open = append(open, c)
		addresses = append(addresses, c.LocalAddr().String())
		first = first.Next()
		go func() {
			b := make([]byte, 2048)
			for {
				if _, _, err := c.ReadFromUDPAddrPort(b); err != nil {
					return
				}
			}
		}()
	}
	return addresses, closeAll, nil
}
