package ipmi

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"github.com/faultline/faultline/agent/input/failure"
	"github.com/faultline/faultline/plugins/input"
)

// short is an answer that lacks bytes.
func short(b []byte, want int) error {
	return failure.As(failure.Malformed, fmt.Errorf("answer of %d bytes, want %d", len(b), want))
}

// device tells who the BMC is (20.1).
func device(ctx context.Context, s *session, put teller) error {
	b, err := s.command(ctx, netApp, 0, 0x01)
	if err == nil && len(b) < 11 {
		err = short(b, 11)
	}
	if err != nil {
		return fmt.Errorf("device id: %w", err)
	}
	put("ipmi_bmc_info", 1, map[string]string{"firmware_revision": fmt.Sprintf("%d.%02x", b[2]&0x7f, b[3]),
		"manufacturer_id": strconv.Itoa(int(b[6]) | int(b[7])<<8 | int(b[8]&0xf)<<16), "product_id": strconv.Itoa(int(binary.LittleEndian.Uint16(b[9:])))})
	return nil
}

// chassis tells whether the server has power, and the chassis' own faults (28.2).
// As in ipmi_exporter 1 is good: on, no fault.
func chassis(ctx context.Context, s *session, put teller) error {
	b, err := s.command(ctx, netChassis, 0, 0x01)
	if err == nil && len(b) < 3 {
		err = short(b, 3)
	}
	if err != nil {
		return fmt.Errorf("chassis status: %w", err)
	}
	put("ipmi_chassis_power_state", bit(b[0], 0), nil)
	put("ipmi_chassis_drive_fault_state", 1-bit(b[2], 2), nil)
	put("ipmi_chassis_cooling_fault_state", 1-bit(b[2], 3), nil)
	return nil
}

func bit(b byte, n int) float64 { return float64(b >> n & 1) }

// eventLog tells how full the event log is (31.2).
func eventLog(ctx context.Context, s *session, put teller) error {
	b, err := s.command(ctx, netStorage, 0, 0x40)
	if err == nil && len(b) < 14 {
		err = short(b, 14)
	}
	if err != nil {
		return fmt.Errorf("event log: %w", err)
	}
	put("ipmi_sel_logs_count", float64(binary.LittleEndian.Uint16(b[1:])), nil)
	put("ipmi_sel_free_space_bytes", float64(binary.LittleEndian.Uint16(b[3:])), nil)
	return nil
}

// sensors tells what the sensors say. One that does not answer is left out.
func (k *kept) sensors(ctx context.Context, s *session, put teller) error {
	repositoryErr := k.repository.bring(ctx, s)
	if repositoryErr != nil && len(k.repository.sensors) == 0 {
		return repositoryErr
	}
	put("faultline_ipmi_sensors", float64(len(k.repository.sensors)), nil)
	put("faultline_ipmi_sensors_foreign", float64(k.repository.foreign), nil)
	var silent []error
	for i := range k.repository.sensors {
		one := &k.repository.sensors[i]
		b, err := s.command(ctx, netSensor, one.lun, 0x2d, one.number)
		var c completion
		switch {
		case errors.As(err, &c) && (c == 0xcb || c == 0xcd || c == 0xd5 || c == 0xce || c == 0xd3):
			continue // not there at the moment, as all sensors of an empty slot
		case errors.As(err, &c):
			silent = append(silent, fmt.Errorf("sensor %s: %w", one.name, err))
			continue
		case err != nil:
			return errors.Join(fmt.Errorf("sensor %s: %w", one.name, err), repositoryErr)
		}
		if r := parseReading(b); r.there {
			one.emit(r, put)
		}
	}
	if len(silent) > 3 {
		silent = append(silent[:3], fmt.Errorf("and %d more", len(silent)-3))
	}
	if err := errors.Join(append(silent, repositoryErr)...); err != nil {
		return input.Partial{Err: err}
	}
	return nil
}

// quantities name the metric of a unit (table 43-15).
var quantities = map[byte]string{1: "temperature_celsius", 2: "temperature_celsius", 3: "temperature_celsius", 4: "voltage_volts", 5: "current_amperes", 6: "power_watts", 18: "fan_speed_rpm"}

// families are the metrics' first parts, which their states have too.
var families = map[byte]string{1: "temperature", 2: "temperature", 3: "temperature", 4: "voltage", 5: "current", 6: "power", 18: "fan_speed"}

// emit tells one reading under the names of ipmi_exporter.
func (s *sensor) emit(r reading, put teller) {
	labels := map[string]string{"id": strconv.Itoa(int(s.record)), "name": s.name}
	if s.name == "" {
		labels["name"] = "sensor " + strconv.Itoa(int(s.number))
	}
	quantity, family := quantities[s.unit], families[s.unit]
	plain := s.line != nil && !s.line.percentage && s.units&0x3e == 0 // no rate, no second unit
	if s.line != nil && s.line.percentage && s.kind == 0x04 {
		quantity, family, plain = "fan_speed_ratio", "fan_speed", true
	}
	if !plain || quantity == "" {
		quantity, family = "sensor_value", "sensor"
		if labels["type"] = kinds[s.kind]; labels["type"] == "" {
			labels["type"] = fmt.Sprintf("type %#02x", s.kind)
		}
	}
	if s.line != nil && s.event == 1 {
		if v, ok := s.line.value(r.raw); ok {
			put("ipmi_"+quantity, s.convert(v, quantity), labels)
		}
	}
	if state, ok := s.state(r.bits); ok {
		put("ipmi_"+family+"_state", float64(state), labels)
	}
}

// convert brings a value into the metric's unit.
func (s *sensor) convert(v float64, quantity string) float64 {
	switch {
	case quantity == "fan_speed_ratio":
		return v / 100
	case quantity == "temperature_celsius" && s.unit == 2:
		return (v - 32) / 1.8
	case quantity == "temperature_celsius" && s.unit == 3:
		return v - 273.15
	}
	return v
}
