package modbus

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/simonvetter/modbus"

	"github.com/faultline/faultline/agent/input/inputtest"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
	"github.com/faultline/faultline/plugins/plugintest"
)

// device is what a real Modbus server serves: two tables of unit 1.
type device struct {
	mu             sync.Mutex
	holding, input map[uint16]uint16
	busy           int // answers "busy" that are still to be given
	clients        map[string]bool
}

func (d *device) table(unit uint8, from string, table map[uint16]uint16, first, count uint16) ([]uint16, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clients[from] = true
	if d.busy > 0 {
		d.busy--
		return nil, modbus.ErrServerDeviceBusy
	}
	switch unit {
	case 1:
	case 9:
		return nil, modbus.ErrGWTargetFailedToRespond
	default:
		return nil, modbus.ErrIllegalFunction
	}
	var out []uint16
	for i := range count {
		v, ok := table[first+i]
		if !ok {
			return nil, modbus.ErrIllegalDataAddress
		}
		out = append(out, v)
	}
	return out, nil
}

func (d *device) HandleHoldingRegisters(r *modbus.HoldingRegistersRequest) ([]uint16, error) {
	return d.table(r.UnitId, r.ClientAddr, d.holding, r.Addr, r.Quantity)
}

func (d *device) HandleInputRegisters(r *modbus.InputRegistersRequest) ([]uint16, error) {
	return d.table(r.UnitId, r.ClientAddr, d.input, r.Addr, r.Quantity)
}

func (d *device) HandleCoils(*modbus.CoilsRequest) ([]bool, error) {
	return nil, modbus.ErrIllegalFunction
}

func (d *device) HandleDiscreteInputs(*modbus.DiscreteInputsRequest) ([]bool, error) {
	return nil, modbus.ErrIllegalFunction
}

// serve starts the server and returns its address.
func serve(t *testing.T, clients uint) (*device, string) {
	t.Helper()
	d := &device{holding: map[uint16]uint16{}, input: map[uint16]uint16{}, clients: map[string]bool{}}
	address := inputtest.FreePort(t)
	s, err := modbus.NewServer(&modbus.ServerConfiguration{URL: "tcp://" + address, Timeout: time.Minute, MaxClients: clients, Logger: log.New(io.Discard, "", 0)}, d)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	return d, address
}

func (d *device) set(table map[uint16]uint16, first uint16, words ...uint16) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, w := range words {
		table[first+uint16(i)] = w
	}
}

func target(address string, options ...string) base.Target {
	t := base.Target{ID: address + strings.Join(options, ""), Input: "modbus", Address: address, Options: map[string]string{}}
	for i := 0; i < len(options); i += 2 {
		t.Options[options[i]] = options[i+1]
	}
	return t
}

// TestServer reads every type from a real server, and compares with what Debian's
// mbpoll reads of it.
func TestServer(t *testing.T) {
	d, address := serve(t, 5)
	bits := math.Float32bits(21.75)
	d.set(d.holding, 0, 455, 0xffce, 0x7fff, 0, 3) // 45.5 %, -5.0 °C, broken, dry, bits
	d.set(d.holding, 100, uint16(bits>>16), uint16(bits), uint16(bits), uint16(bits>>16))
	d.set(d.input, 7, 0x0001, 0x86a0, 0xffff, 0xfffe)
	r := inputtest.Up(t, New(Options{}), target(address, "registers", `
		hum  holding:0 u16 scale=0.1 sensor="rack 1"       # tenths
		temp holding:1 s16 scale=0.1 offset=1 sensor="rack 1"
		gone holding:2 s16 missing=0x7fff
		wet  holding:3 u16 class=leak sensor=门口
		second_bit holding:4 u16 mask=0x2
		flt  holding:100 f32
		flt  holding:102 f32 order=CDAB sensor=swapped
		energy input:7 u32
		down input:9 s32
	`))
	for series, v := range map[string]float64{"hum{sensor=rack 1}": 45.5, "temp{sensor=rack 1}": -4, "second_bit": 2, "flt": 21.75, "flt{sensor=swapped}": 21.75, "energy": 100000, "down": -2,
		"wet{sensor=门口}": 0, "faultline_sensor_value{class=state,place=room,sensor=water leak 门口,unit=truth}": 0} {
		r.Want(t, series, v)
	}
	r.Without(t, "gone")
	mbpoll := inputtest.Program(t, "mbpoll", "mbpoll")
	host, port, _ := net.SplitHostPort(address)
	out, err := exec.Command(mbpoll, "-m", "tcp", "-p", port, "-a", "1", "-t", "4:float", "-B", "-0", "-r", "100", "-c", "1", "-1", host).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "21.75") {
		t.Errorf("mbpoll: %v\n%s", err, out)
	}
}

// TestProfiles reads the built-in layouts and leaves out what is no reading.
func TestProfiles(t *testing.T) {
	d, address := serve(t, 5)
	d.set(d.holding, 0, 613, 247)
	d.set(d.input, 1, 251, 0x7fff)
	d.set(d.holding, 20, 2)
	in := New(Options{})
	r := inputtest.Up(t, in, target(address, "profile", "humidity-temperature", "sensor", "rack 1"))
	for series, v := range map[string]float64{"modbus_humidity_percent{sensor=rack 1}": 61.3, "modbus_temperature_celsius{sensor=rack 1}": 24.7,
		"faultline_sensor_value{class=temperature,place=room,sensor=rack 1,unit=celsius}": 24.7, "faultline_sensor_value{class=humidity,place=room,sensor=rack 1,unit=percent}": 61.3} {
		if got := r.Values[series]; math.Abs(got-v) > 1e-9 {
			t.Errorf("%s is %v, want %v; all: %v", series, got, v, r.Values)
		}
	}
	r = inputtest.Up(t, in, target(address, "profile", "temperature-humidity"))
	r.Want(t, "modbus_temperature_celsius", 25.1)
	r.Without(t, "modbus_humidity_percent")
	r = inputtest.Up(t, in, target(address, "profile", "leak", "at", "holding:20"))
	r.Want(t, "modbus_water_leak", 2)
	r.Want(t, "faultline_sensor_value{class=state,place=room,sensor=water leak,unit=truth}", 1)
	for name := range profiles {
		if _, err := fromProfile(name, "", "x"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestExceptions: what a device refuses is said, and costs nothing else.
func TestExceptions(t *testing.T) {
	d, address := serve(t, 5)
	d.set(d.holding, 0, 1)
	in := New(Options{})
	r, err := inputtest.Gather(t, in, target(address, "registers", "a holding:0 u16\nb holding:50 u16\nc input:0 u16"))
	var partial input.Partial
	if !errors.As(err, &partial) || !strings.Contains(err.Error(), "holding:50 (1): the device has no such register (exception 2)") || !strings.Contains(err.Error(), "input:0") {
		t.Errorf("got %v", err)
	}
	r.Want(t, "a", 1)
	inputtest.Down(t, in, target(address, "unit", "9", "registers", "a holding:0 u16"), "status")
	_, err = inputtest.Gather(t, in, target(address, "unit", "9", "registers", "a holding:0 u16"))
	if err == nil || !strings.Contains(err.Error(), "unit 9: holding:0 (1): the unit behind the gateway does not answer (exception 11)") {
		t.Errorf("got %v", err)
	}
	d.mu.Lock()
	d.busy = 1
	d.mu.Unlock()
	inputtest.Up(t, in, target(address, "registers", "a holding:0 u16")).Want(t, "a", 1)
}

// TestOneAtATime: a gateway that takes one connection serves many units.
func TestOneAtATime(t *testing.T) {
	d, address := serve(t, 1)
	d.set(d.holding, 0, 1)
	in := New(Options{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	failed := 0
	for i := range 8 {
		wg.Go(func() {
			tg := target(address, "registers", "a holding:0 u16")
			tg.ID = fmt.Sprint(i)
			// The server frees its place a moment after our end of the connection is closed.
			for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
				if _, err := inputtest.Gather(t, in, tg); err == nil {
					return
				}
				if time.Now().After(end) {
					mu.Lock()
					failed++
					mu.Unlock()
					return
				}
			}
		})
	}
	wg.Wait()
	if failed > 0 {
		t.Errorf("%d of 8 targets of one gateway were not read", failed)
	}
	leave, err := in.enter(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := in.enter(ctx, address); err == nil {
		t.Error("two are let in at once")
	}
}

// answers listens and gives each connection to f, in order.
func answers(t *testing.T, f ...func(net.Conn)) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, f := range f {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f(c)
			_ = c.Close()
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return l.Addr().String()
}

// ask reads one request and writes frames made of it.
func ask(frames ...func(request []byte) []byte) func(net.Conn) {
	return func(c net.Conn) {
		b := make([]byte, 12)
		if _, err := io.ReadFull(c, b); err != nil {
			return
		}
		for _, f := range frames {
			_, _ = c.Write(f(b))
		}
		_, _ = io.Copy(io.Discard, c)
	}
}

func good(v uint16) func([]byte) []byte {
	return func(q []byte) []byte {
		return binary.BigEndian.AppendUint16([]byte{q[0], q[1], 0, 0, 0, 5, q[6], q[7], 2}, v)
	}
}

// TestBadDevices: lost connections are opened again, late answers passed over,
// nonsense named.
func TestBadDevices(t *testing.T) {
	in := New(Options{})
	drop := func(c net.Conn) { _, _ = io.ReadFull(c, make([]byte, 12)) }
	inputtest.Up(t, in, target(answers(t, drop, ask(good(7))), "registers", "a holding:0 u16")).Want(t, "a", 7)
	late := func(q []byte) []byte { b := good(1)(q); b[1]--; return b }
	inputtest.Up(t, in, target(answers(t, ask(late, good(8))), "registers", "a holding:0 u16")).Want(t, "a", 8)
	for name, f := range map[string]func([]byte) []byte{
		"another protocol": func(q []byte) []byte { b := good(1)(q); b[3] = 1; return b },
		"another unit":     func(q []byte) []byte { b := good(1)(q); b[6]++; return b },
		"another function": func(q []byte) []byte { b := good(1)(q); b[7] = 4; return b },
		"another count":    func(q []byte) []byte { b := good(1)(q); b[8] = 4; return b },
		"no Modbus":        func([]byte) []byte { return []byte("SSH-2.0-OpenSSH_9.2p1\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			inputtest.Down(t, in, target(answers(t, ask(f)), "registers", "a holding:0 u16"), "malformed")
		})
	}
	inputtest.Down(t, in, target(answers(t, drop, drop), "registers", "a holding:0 u16"), "closed")
	inputtest.Down(t, in, target(inputtest.FreePort(t), "registers", "a holding:0 u16"), "refused")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := in.Gather(ctx, target(inputtest.Mute(t), "registers", "a holding:0 u16"), &inputtest.Recorder{}); err == nil {
		t.Error("a device that never answers counts as read")
	}
}

// many are more registers than are taken.
func many() string {
	var s strings.Builder
	for i := range maxRegisters + 1 {
		_, _ = fmt.Fprintf(&s, "a%d holding:%d u16\n", i, i)
	}
	return s.String()
}

func TestCheckTarget(t *testing.T) {
	in := New(Options{})
	for name, c := range map[string]struct {
		options []string
		want    string
	}{
		"nothing":   {nil, "one of registers and profile"},
		"both":      {[]string{"registers", "a holding:0 u16", "profile", "leak"}, "only one of"},
		"profile":   {[]string{"profile", "x"}, "want one of humidity-temperature, leak"},
		"at":        {[]string{"registers", "a holding:0 u16", "at", "holding:1"}, "belong to a profile"},
		"table":     {[]string{"registers", "a coil:0 u16"}, "40001 in a maker's list is holding:0"},
		"type":      {[]string{"registers", "a holding:0 u8"}, "want u16"},
		"end":       {[]string{"registers", "a holding:65535 u32"}, "does not fit"},
		"name":      {[]string{"registers", "up holding:0 u16"}, "want letters"},
		"ours":      {[]string{"registers", "faultline_x holding:0 u16"}, "want letters"},
		"label":     {[]string{"registers", "a holding:0 u16 site=x"}, "no label that may be given"},
		"twice":     {[]string{"registers", "a holding:0 u16\na holding:1 u16"}, "line 2: another register has the same name"},
		"mask":      {[]string{"registers", "a holding:0 f32 mask=1"}, "mask=1"},
		"class":     {[]string{"registers", "a holding:0 u16 class=rain"}, "want temperature"},
		"too many":  {[]string{"registers", many()}, "more than 200"},
		"unit":      {[]string{"unit", "300", "profile", "leak"}, "unit"},
		"stranger":  {[]string{"profile", "leak", "x", "1"}, `"x" is not known`},
		"past end":  {[]string{"profile", "humidity-temperature", "at", "holding:65535"}, "holding:65536"},
		"no number": {[]string{"registers", "a holding:0 u16 scale=NaN"}, "want a number"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := in.CheckTarget(target("10.0.0.1", c.options...)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestContract(t *testing.T) {
	d, address := serve(t, 5)
	d.set(d.holding, 0, 1)
	one := []string{"registers", "a holding:0 u16"}
	other := target(address, one...)
	other.ID = "other"
	plugintest.Run(t, plugintest.Input(plugintest.InputCase{Input: New(Options{}), Targets: []base.Target{target(address, one...), other}, Silent: target(inputtest.Mute(t), one...),
		Closed: target(inputtest.FreePort(t), one...), Bad: []base.Target{target("a:b:c", one...), target("a"), target("a", "profile", "x")}, Patience: 300 * time.Millisecond}))
}

func FuzzParse(f *testing.F) {
	f.Add([]byte{0, 1, 0, 0, 0, 5, 1, 3, 2, 0, 7}, "a holding:0 u16 scale=0.1 sensor=\"x y\" # c")
	f.Add([]byte{0, 1, 0, 0, 0, 3, 1, 0x83, 2}, "b input:0x10 f32 order=CDAB missing=1,2")
	f.Fuzz(func(t *testing.T, frame []byte, text string) {
		if _, _, pdu, err := readFrame(strings.NewReader(string(frame))); err == nil {
			words, err := parsePDU(pdu, 3, 1)
			if (err == nil) != (len(words) == 1) {
				t.Errorf("%d words, %v", len(words), err)
			}
		}
		registers, err := parseRegisters(text)
		if err != nil {
			return
		}
		for _, s := range spans(registers) {
			if s.count < 1 || s.count > maxWords {
				t.Errorf("a span of %d", s.count)
			}
			for _, r := range s.registers {
				if v, ok := r.value(make([]uint16, s.count)[r.address-s.first:]); ok && math.IsNaN(v) {
					t.Error("not a number")
				}
			}
		}
	})
}
