package lab

import (
	"fmt"
	"math"
	"time"
)

// The enterprise number 32473 is kept free for examples (RFC 5612).
const enterprise = ".1.3.6.1.4.1.32473.1"

const (
	system = ".1.3.6.1.2.1.1"
	ifMIB  = ".1.3.6.1.2.1.2"
	ifX    = ".1.3.6.1.2.1.31.1.1.1"
	upsMIB = ".1.3.6.1.2.1.33.1"
	entity = ".1.3.6.1.2.1.47.1.1.1.1"
	sensor = ".1.3.6.1.2.1.99.1.1.1"
)

// Values of ifAdminStatus and ifOperStatus.
const (
	portUp   = 1
	portDown = 2
)

func (b *Branch) systemGroup(s state, name, description string, number int) builder {
	var t builder
	t.text(system+".1.0", description)
	t.object(system+".2.0", fmt.Sprintf("%s.%d", enterprise, number))
	t.ticks(system+".3.0", s.uptime[name].Milliseconds()/10)
	t.text(system+".4.0", "practice")
	t.text(system+".5.0", name)
	t.text(system+".6.0", "practice branch")
	t.integer(system+".7.0", 72)
	return t
}

// port is one interface of a simulated device.
type port struct {
	name, alias string
	oper        int
	mbps        uint32
	bytesPerSec float64 // in; out is half of it
}

// interfaces adds ifTable and ifXTable. Counters run with the device's uptime,
// faster and slower in turn.
func (t *builder) interfaces(s state, name string, number byte, ports []port) {
	t.integer(ifMIB+".1.0", len(ports))
	up := s.uptime[name].Seconds()
	for i, p := range ports {
		in := uint64(p.bytesPerSec * (up + 60*(1-math.Cos(up/300))))
		out := in / 2
		col := func(n int) string { return fmt.Sprintf("%s.2.1.%d.%d", ifMIB, n, i+1) }
		t.integer(col(1), i+1)
		t.text(col(2), p.name)
		t.integer(col(3), 6)
		t.integer(col(4), 1500)
		t.gauge(col(5), p.mbps*1_000_000)
		t.text(col(6), string([]byte{0x02, 0x00, 0x5e, 0x10, number, byte(i + 1)}))
		t.integer(col(7), portUp)
		t.integer(col(8), p.oper)
		t.ticks(col(9), 100)
		t.counter(col(10), in)
		t.counter(col(11), in/700)
		t.counter(col(13), 0)
		t.counter(col(14), 0)
		t.counter(col(16), out)
		t.counter(col(17), out/700)
		t.counter(col(19), 0)
		t.counter(col(20), 0)
		x := func(n int) string { return fmt.Sprintf("%s.%d.%d", ifX, n, i+1) }
		t.text(x(1), p.name)
		t.counter64(x(6), in)
		t.counter64(x(7), in/700)
		t.counter64(x(10), out)
		t.counter64(x(11), out/700)
		t.gauge(x(15), p.mbps)
		t.text(x(18), p.alias)
	}
}

// router's ports stay up when the line is cut: the cut is inside the carrier.
func (b *Branch) router(s state) []instance {
	n := b.opt.Names
	t := b.systemGroup(s, n.Router, "Faultline practice router", 1)
	t.interfaces(s, n.Router, 1, []port{
		{n.LANPort, "LAN " + n.Switch, portUp, 1000, 91_000},
		{n.WANPort, n.Line + " " + b.opt.Circuit, portUp, 100, 88_000},
	})
	return t
}

func (b *Branch) switchTable(s state) []instance {
	n := b.opt.Names
	t := b.systemGroup(s, n.Switch, "Faultline practice switch", 2)
	towardsRouter := portUp
	if s.broken[faultRouter] {
		towardsRouter = portDown
	}
	t.interfaces(s, n.Switch, 2, []port{
		{n.RouterPort, n.Router, towardsRouter, 1000, 90_000},
		{n.ServerPort, n.Server, portUp, 1000, 120_000},
		{n.UPSPort, n.UPS, portUp, 100, 300},
		{n.SensorPort, n.Sensor, portUp, 100, 200},
	})
	return t
}

// ups answers as UPS-MIB says (RFC 1628).
func (b *Branch) ups(s state) []instance {
	n := b.opt.Names
	t := b.systemGroup(s, n.UPS, "Faultline practice UPS", 3)
	onBattery := s.broken[faultUPS]
	minutes := int(b.opt.BatteryMinutes * s.charge / 100)
	batteryStatus, source, volts, hertz := 2, 3, 228, 500
	if onBattery {
		source, volts, hertz = 5, 0, 0
	}
	if onBattery && s.charge < 15 {
		batteryStatus = 3
	}
	if s.charge <= 0 {
		batteryStatus = 4
	}
	t.text(upsMIB+".1.1.0", "Faultline")
	t.text(upsMIB+".1.2.0", "Practice 3000")
	t.text(upsMIB+".1.3.0", "1.0")
	t.text(upsMIB+".1.4.0", "1.0")
	t.text(upsMIB+".1.5.0", n.UPS)
	t.integer(upsMIB+".2.1.0", batteryStatus)
	t.integer(upsMIB+".2.2.0", int(s.battery.Seconds()))
	t.integer(upsMIB+".2.3.0", minutes)
	t.integer(upsMIB+".2.4.0", clamp(int(s.charge), 0, 100))
	t.integer(upsMIB+".2.5.0", 480+int(s.charge*0.6))
	t.integer(upsMIB+".2.7.0", 26)
	t.counter(upsMIB+".3.1.0", s.losses)
	t.integer(upsMIB+".3.2.0", 1)
	t.integer(upsMIB+".3.3.1.2.1", hertz)
	t.integer(upsMIB+".3.3.1.3.1", volts)
	t.integer(upsMIB+".4.1.0", source)
	t.integer(upsMIB+".4.2.0", 500)
	t.integer(upsMIB+".4.3.0", 1)
	t.integer(upsMIB+".4.4.1.2.1", 220)
	t.integer(upsMIB+".4.4.1.3.1", 31)
	t.integer(upsMIB+".4.4.1.4.1", 680)
	t.integer(upsMIB+".4.4.1.5.1", 31)
	t.upsAlarms(s, n.UPS, batteryStatus)
	return t
}

// upsAlarms adds the table of present alarms (upsWellKnownAlarms).
func (t *builder) upsAlarms(s state, name string, batteryStatus int) {
	var alarms []int
	if s.broken[faultUPS] {
		alarms = append(alarms, 2)
	}
	if batteryStatus >= 3 {
		alarms = append(alarms, batteryStatus)
	}
	t.gauge(upsMIB+".6.1.0", uint32(len(alarms)))
	for i, a := range alarms {
		t.integer(fmt.Sprintf("%s.6.2.1.1.%d", upsMIB, i+1), i+1)
		t.object(fmt.Sprintf("%s.6.2.1.2.%d", upsMIB, i+1), fmt.Sprintf("%s.6.3.%d", upsMIB, a))
		t.ticks(fmt.Sprintf("%s.6.2.1.3.%d", upsMIB, i+1), s.uptime[name].Milliseconds()/10)
	}
}

// sensor answers as ENTITY-MIB and ENTITY-SENSOR-MIB say (RFC 6933, RFC 3433).
func (b *Branch) sensor(s state) []instance {
	n := b.opt.Names
	t := b.systemGroup(s, n.Sensor, "Faultline practice environment sensor", 4)
	// Warm air holds the same water at a lower relative humidity.
	humidity := 45 - (s.celsius - b.opt.RoomCelsius)
	wobble := 0.2 * math.Sin(s.uptime[n.Sensor].Seconds()/40)
	for i, p := range []struct {
		name, unit string
		kind       int
		value      float64
	}{
		{n.Room, "Celsius", 8, s.celsius + wobble},
		{n.Humidity, "%RH", 9, clamp(humidity, 5, 95)},
	} {
		row := func(table string, column int) string { return fmt.Sprintf("%s.%d.%d", table, column, i+1) }
		t.text(row(entity, 2), p.name)
		t.integer(row(entity, 5), 8)
		t.text(row(entity, 7), p.name)
		t.integer(row(sensor, 1), p.kind)
		t.integer(row(sensor, 2), 9)
		t.integer(row(sensor, 3), 1)
		t.integer(row(sensor, 4), int(math.Round(p.value*10)))
		t.integer(row(sensor, 5), 1)
		t.text(row(sensor, 6), p.unit)
		t.ticks(row(sensor, 7), s.uptime[n.Sensor].Milliseconds()/10)
		t.gauge(row(sensor, 8), uint32(time.Second.Milliseconds()))
	}
	return t
}
