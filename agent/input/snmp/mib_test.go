package snmp_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// objects are what a device shows beside net-snmp's own: OID, type and value as
// snmpd's override directive takes them.
func objects(lines ...string) []string {
	var conf []string
	for _, l := range lines {
		conf = append(conf, "override "+l)
	}
	return append(conf, "rocommunity public")
}

func TestUPS(t *testing.T) {
	const u = "1.3.6.1.2.1.33.1."
	addr := snmpd(t, objects(
		u+"1.2.0 octet_str EX-3000", u+"2.1.0 integer 3", u+"2.2.0 integer 75", u+"2.3.0 integer 4", u+"2.4.0 integer 20", u+"2.5.0 integer 2665", u+"2.7.0 integer 31",
		u+"3.1.0 counter 7", u+"3.3.1.2.1 integer 500", u+"3.3.1.3.1 integer 228", u+"4.1.0 integer 5", u+"4.2.0 integer 499",
		u+"4.4.1.2.1 integer 220", u+"4.4.1.5.1 integer 31", u+"6.1.0 uinteger 1", u+"6.2.1.2.1 object_id 1.3.6.1.2.1.33.1.6.3.2")...)
	in := newInput(t)
	s, err := gather(t, in, base.Target{ID: "ups", Address: addr, Options: map[string]string{"community": "public"}})
	if err != nil {
		t.Fatal(err)
	}
	s.noTwins(t)
	for _, want := range []struct {
		value float64
		name  string
		pairs []string
	}{
		{5, "upsOutputSource", nil}, {3, "upsBatteryStatus", nil}, {75, "upsSecondsOnBattery", nil}, {4, "upsEstimatedMinutesRemaining", nil},
		{7, "upsInputLineBads", nil}, {50, "upsInputFrequency", []string{"upsInputLineIndex", "1"}}, {31, "upsOutputPercentLoad", []string{"upsOutputLineIndex", "1"}},
		{1, "upsIdentModel", []string{"upsIdentModel", "EX-3000"}}, {1, "upsAlarmDescr_info", []string{"upsAlarmDescr", "upsAlarmOnBattery"}},
		{240, "faultline_sensor_value", []string{"class", "runtime", "unit", "seconds", "sensor", "battery runtime"}},
		{266.5, "faultline_sensor_value", []string{"class", "voltage", "unit", "volts", "sensor", "battery voltage"}},
		{228, "faultline_sensor_value", []string{"class", "voltage", "sensor", "input 1"}},
		{3, "faultline_sensor_status", []string{"sensor", "output source"}}, {3, "faultline_sensor_status", []string{"sensor", "battery status"}},
	} {
		if v := s.value(t, want.name, want.pairs...); v < want.value-1e-9 || v > want.value+1e-9 {
			t.Errorf("%s%v is %v, want %v", want.name, want.pairs, v, want.value)
		}
	}
}

func TestEnvironmentUnit(t *testing.T) {
	const e, p = "1.3.6.1.2.1.99.1.1.1.", "1.3.6.1.4.1.99999.1."
	addr := snmpd(t, objects(
		e+"1.1 integer 8", e+"1.2 integer 9", e+"1.3 integer 12", e+"1.4 integer 8", e+"2.1 integer 9", e+"2.2 integer 9", e+"2.3 integer 9", e+"2.4 integer 8",
		e+"3.1 integer 1", e+"3.2 integer 1", e+"3.3 integer 0", e+"3.4 integer 0", e+"4.1 integer 362", e+"4.2 integer 455", e+"4.3 integer 1", e+"4.4 integer 24500",
		e+"5.1 integer 1", e+"5.2 integer 3", e+"5.3 integer 1", e+"5.4 integer 2",
		e+"6.1 octet_str Celsius", e+"6.2 octet_str %RH", e+"6.3 octet_str leak", e+"6.4 octet_str Celsius",
		p+"1.0 integer 0", p+"2.0 integer 1", p+"3.0 integer 330", p+"4.0 integer 1")...)
	s, err := gather(t, newInput(t), base.Target{ID: "env", Address: addr, Options: map[string]string{"community": "public"}})
	if err != nil {
		t.Fatal(err)
	}
	s.noTwins(t)
	temps := s.find("faultline_sensor_value", "class", "temperature")
	if len(temps) != 3 {
		t.Fatalf("%d temperatures, want two of the room and the supply air: %v", len(temps), temps)
	}
	for _, want := range []struct {
		value float64
		name  string
		pairs []string
	}{
		{36.2, "faultline_sensor_value", []string{"class", "temperature", "sensor", "Celsius", "unit", "celsius"}},
		{24.5, "faultline_sensor_value", []string{"class", "temperature", "sensor", "Celsius 1.3.6.1.2.1.99.1.1.1.4.4"}},
		{33, "faultline_sensor_value", []string{"class", "temperature", "sensor", "supply air"}},
		{45.5, "faultline_sensor_value", []string{"class", "humidity", "unit", "percent"}},
		{1, "faultline_sensor_value", []string{"class", "state", "sensor", "leak"}},
		{1, "faultline_sensor_status", []string{"sensor", "Celsius"}}, {3, "faultline_sensor_status", []string{"class", "humidity"}},
		{3, "faultline_sensor_status", []string{"sensor", "air conditioner running"}}, {3, "faultline_sensor_status", []string{"sensor", "air conditioner alarm"}},
		{2, "faultline_sensor_status", []string{"sensor", "door open"}}, {1, "acAlarm", nil}, {362, "entPhySensorValue", []string{"entPhysicalIndex", "1"}},
	} {
		if v := s.value(t, want.name, want.pairs...); v < want.value-1e-9 || v > want.value+1e-9 {
			t.Errorf("%s%v is %v, want %v", want.name, want.pairs, v, want.value)
		}
	}
}

// TestEmptyView: a user who may see nothing is not an empty success.
func TestEmptyView(t *testing.T) {
	addr := snmpd(t, "rocommunity nothing default .1.3.6.1.4.1.424242")
	s, err := gather(t, newInput(t), base.Target{ID: "a", Address: addr, Options: map[string]string{"community": "nothing"}})
	if err == nil || errors.As(err, new(input.Partial)) || !strings.Contains(err.Error(), "may not read") {
		t.Errorf("error %v", err)
	}
	if s.value(t, "faultline_snmp_auth_failure", "reason", "authorization") != 1 {
		t.Error("the refusal is not in the metrics")
	}
}
