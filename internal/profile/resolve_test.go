package profile_test

import (
	"math"
	"testing"

	"github.com/faultline/faultline/internal/profile"
)

// TestRead: what a raw value comes to.
func TestRead(t *testing.T) {
	tests := []struct {
		name string
		def  string
		row  cells
		raw  profile.Raw
		want float64 // none: no value
	}{
		{"as it is", "class: count", nil, numeric(42), 42},
		{"zero", "class: count", nil, numeric(0), 0},
		{"scale", "class: temperature, scale: 0.1", nil, numeric(235), 23.5},
		{"scale and offset", "class: temperature, scale: 0.5, offset: -40", nil, numeric(100), 10},
		{"offset alone", "class: temperature, offset: -100", nil, numeric(121), 21},
		{"convert comes last", "class: temperature, scale: 0.1, offset: 2, convert: fahrenheit", nil, numeric(2100), 100},
		{"kelvin", "class: temperature, scale: 0.1, convert: kelvin", nil, numeric(2931), 19.95},
		{"minutes", "class: runtime, convert: minutes", nil, numeric(1.5), 90},
		{"hours", "class: runtime, convert: hours", nil, numeric(2), 7200},
		{"ticks", "class: runtime, convert: ticks", nil, numeric(360000), 3600},
		{"none", "class: count, convert: none", nil, numeric(7), 7},
		{"milliwatts", "class: dbm, convert: milliwatts_dbm", nil, numeric(1), 0},
		{"tenths of milliwatts", "class: dbm, scale: 0.1, convert: milliwatts_dbm", nil, numeric(1), -10},
		{"microwatts", "class: dbm, convert: microwatts_dbm", nil, numeric(500), -3.010299957},
		{"watts", "class: dbm, convert: watts_dbm", nil, numeric(0.002), 3.010299957},
		{"no light", "class: dbm, convert: milliwatts_dbm", nil, numeric(0), -60},
		{"no light in microwatts", "class: dbm, convert: microwatts_dbm", nil, numeric(0), -60},
		{"hardly any light", "class: dbm, convert: watts_dbm", nil, numeric(1e-12), -60},
		{"less than no light", "class: dbm, convert: milliwatts_dbm", nil, numeric(-1), none},
		{"conversion by cell", "class: temperature, convert_from: {cell: c, map: {2: fahrenheit}}", cells{"c": "2"}, numeric(212), 100},
		{"conversion by cell, not listed", "class: temperature, convert_from: {cell: c, map: {2: fahrenheit}}", cells{"c": "1"}, numeric(21), 21},
		{"conversion by cell before the fixed one", "class: temperature, convert: fahrenheit, convert_from: {cell: c, map: {1: none}}", cells{"c": "1"}, numeric(21), 21},
		{"fixed conversion where the cell says nothing", "class: temperature, convert: fahrenheit, convert_from: {cell: c, map: {1: none}}", nil, numeric(32), 0},
		{"exponent", "class: power, exponent_from: {cell: c}", cells{"c": "-2"}, numeric(1234), 12.34},
		{"exponent and scale", "class: power, scale: 0.5, exponent_from: {cell: c}", cells{"c": "3"}, numeric(4), 2000},
		{"exponent by map", "class: power, exponent_from: {cell: c, map: {8: -3, 9: 0, 10: 3}}", cells{"c": "8"}, numeric(5000), 5},
		{"exponent by map, not listed", "class: power, exponent_from: {cell: c, map: {8: -3}}", cells{"c": "9"}, numeric(5000), 5000},
		{"exponent missing", "class: power, exponent_from: {cell: c}", nil, numeric(5), 5},
		{"exponent that is nonsense", "class: power, exponent_from: {cell: c}", cells{"c": "2147483647"}, numeric(5), 5},
		{"exponent at its bound", "class: power, exponent_from: {cell: c}", cells{"c": "24"}, numeric(1), 1e24},
		{"exponent beyond its bound", "class: power, exponent_from: {cell: c}", cells{"c": "25"}, numeric(1), 1},
		{"precision", "class: voltage, precision_from: c", cells{"c": "2"}, numeric(1205), 12.05},
		{"negative precision", "class: voltage, precision_from: c", cells{"c": "-1"}, numeric(12), 120},
		{"scale by ENTITY-SENSOR-MIB's two columns", "class: voltage, exponent_from: {cell: d, map: {8: -3}}, precision_from: c", cells{"c": "1", "d": "8"}, numeric(120500), 12.05},
		{"divisor", "class: current, divisor_from: c", cells{"c": "10"}, numeric(52), 5.2},
		{"divisor in words", "class: current, divisor_from: c", cells{"c": "100 per A"}, numeric(52), 0.52},
		{"divisor of nothing", "class: current, divisor_from: c", cells{"c": "0"}, numeric(52), 52},
		{"divisor missing", "class: current, divisor_from: c", nil, numeric(52), 52},
		{"signed 8", "class: temperature, signed: 8", nil, numeric(0xfb), -5},
		{"signed 8 at its bound", "class: temperature, signed: 8", nil, numeric(0x80), -128},
		{"signed 8, not negative", "class: temperature, signed: 8", nil, numeric(0x7f), 127},
		{"signed 8, beyond a byte", "class: temperature, signed: 8", nil, numeric(300), 300},
		{"signed 16", "class: temperature, signed: 16, scale: 0.1", nil, numeric(0xffec), -2},
		{"signed 32", "class: temperature, signed: 32", nil, numeric(4294967246), -50},
		{"signed, negative already", "class: temperature, signed: 16", nil, numeric(-7), -7},
		{"number in a text", "class: temperature", nil, text("23.5"), 23.5},
		{"number before its unit", "class: temperature", nil, text("23.5 C"), 23.5},
		{"number before its unit without a blank", "class: voltage", nil, text("12V"), 12},
		{"negative number before its unit", "class: temperature", nil, text(" -4.5C"), -4.5},
		{"plus sign", "class: dbm", nil, text("+3.1 dBm"), 3.1},
		{"fraction without a zero", "class: voltage", nil, text(".5 V"), 0.5},
		{"power of ten", "class: ber", nil, text("1.5E-12"), 1.5e-12},
		{"power of ten and a unit", "class: ber", nil, text("1.5e-3x"), 1.5e-3},
		{"an E that is a unit", "class: count", nil, text("3E"), 3},
		{"words", "class: temperature", nil, text("n/a"), none},
		{"words before a number", "class: temperature", nil, text("about 20"), none},
		{"empty text", "class: temperature", nil, text(""), none},
		{"blank text", "class: temperature", nil, text("  "), none},
		{"text of minus alone", "class: temperature", nil, text("--"), none},
		{"text nan", "class: temperature", nil, text("NaN"), none},
		{"text -nan", "class: temperature", nil, text("-nan"), none},
		{"text inf", "class: temperature", nil, text("inf"), none},
		{"text -Inf", "class: temperature", nil, text("-Inf"), none},
		{"hexadecimal is no number but its zero", "class: count", nil, text("0x1F"), 0},
		{"not a number", "class: temperature", nil, numeric(math.NaN()), none},
		{"infinite", "class: temperature", nil, numeric(math.Inf(1)), none},
		{"not a number, converted", "class: dbm, convert: milliwatts_dbm", nil, numeric(math.NaN()), none},
		{"extract", `class: temperature, extract: 'T=(\d+)'`, nil, text("H=40 T=21"), 21},
		{"extract and scale", `class: temperature, extract: 'T=(\d+)', scale: 0.1`, nil, text("H=40 T=215"), 21.5},
		{"extract without a fit", `class: temperature, extract: 'T=(\d+)'`, nil, text("H=40"), none},
		{"extract of an empty group", `class: temperature, extract: 'T=(\d*)'`, nil, text("T="), none},
		{"extract of a number", `class: count, extract: '^\d\d(\d)'`, nil, numeric(127), 7},
		{"extract of the first of two groups", `class: count, extract: '(\d+)/(\d+)'`, nil, text("3/9"), 3},
		{"class by cell", "class_from: {cell: c, map: {1: temperature}}", cells{"c": "1"}, numeric(20), 20},
		{"truth", "class_from: {cell: c, map: {12: state}}, truth: 12, status: {1: ok, 2: critical}", cells{"c": "12"}, numeric(1), 1},
		{"untruth", "class_from: {cell: c, map: {12: state}}, truth: 12, status: {1: ok, 2: critical}", cells{"c": "12"}, numeric(2), 0},
		{"truth of another kind", "class_from: {cell: c, map: {10: count, 12: state}}, truth: 12", cells{"c": "10"}, numeric(2), 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.def[:5] == "class" && tt.row == nil {
				tt.row = cells{}
			}
			r, ok := sensorOf(t, tt.def).Resolve(tt.row.get)
			if !ok {
				t.Fatal("the row has no such sensor")
			}
			got, ok := r.Read(tt.raw)
			switch {
			case ok != (tt.want != none):
				t.Errorf("%+v is read: %v, %v; want %v", tt.raw, got, ok, tt.want)
			case ok && math.Abs(got-tt.want) > 1e-9*max(1, math.Abs(tt.want)):
				t.Errorf("%+v is %v, want %v", tt.raw, got, tt.want)
			}
		})
	}
}

// none stands for no value.
const none = -8.25e77

// TestResolve: what a sensor is in a row.
func TestResolve(t *testing.T) {
	const byCell = "class_from: {cell: c, map: {1: temperature, 2: humidity, 12: state}}, truth: 12"
	tests := []struct {
		name, def   string
		row         cells
		is          bool
		class, unit string
		called      string
	}{
		{"plain", "class: temperature", nil, true, "temperature", "celsius", ""},
		{"named", `class: humidity, name: "{d|'air'} humidity"`, cells{"d": "intake"}, true, "humidity", "percent", "intake humidity"},
		{"named by default", `class: humidity, name: "{d|'air'} humidity"`, nil, true, "humidity", "percent", "air humidity"},
		{"class by cell", byCell, cells{"c": "2"}, true, "humidity", "percent", ""},
		{"truth has a unit of its own", byCell, cells{"c": "12"}, true, "state", "truth", ""},
		{"class not listed", byCell, cells{"c": "3"}, false, "", "", ""},
		{"class not known", byCell, nil, false, "", "", ""},
		{"when", `class: count, when: ["c = 1", "d != "]`, cells{"c": "1", "d": "x"}, true, "count", "count", ""},
		{"when one does not hold", `class: count, when: ["c = 1", "d != "]`, cells{"c": "1"}, false, "", "", ""},
		{"when on the value is left to reading", `class: count, when: ["value = 1"]`, nil, true, "count", "count", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.row == nil {
				tt.row = cells{}
			}
			r, is := sensorOf(t, tt.def).Resolve(tt.row.get)
			if is != tt.is {
				t.Fatalf("row has the sensor: %v, want %v", is, tt.is)
			}
			if is && (r.Class != tt.class || r.Unit() != tt.unit || r.Name != tt.called) {
				t.Errorf("class %q unit %q name %q, want %q, %q, %q", r.Class, r.Unit(), r.Name, tt.class, tt.unit, tt.called)
			}
		})
	}
}

// TestPlace: what the profile says, else the target, else the room for what
// watches rooms.
func TestPlace(t *testing.T) {
	for _, tt := range []struct{ def, target, class, want string }{
		{"class: temperature", "", "environment", profile.PlaceRoom},
		{"class: temperature", "", "cooling", profile.PlaceRoom},
		{"class: temperature", "", "network", profile.PlaceDevice},
		{"class: temperature", "", "", profile.PlaceDevice},
		{"class: temperature", "room", "network", profile.PlaceRoom},
		{"class: temperature", "device", "environment", profile.PlaceDevice},
		{"class: temperature, place: device", "room", "environment", profile.PlaceDevice},
		{"class: temperature, place: room", "device", "ups", profile.PlaceRoom},
	} {
		r, _ := sensorOf(t, tt.def).Resolve(cells{}.get)
		if got := r.Place(tt.target, tt.class); got != tt.want {
			t.Errorf("{%s} of a target placed %q, on a device of class %q, measures the %s, want %s", tt.def, tt.target, tt.class, got, tt.want)
		}
	}
}

// TestUnits: every class of docs/profiles.md has its unit there.
func TestUnits(t *testing.T) {
	for class, want := range map[string]string{
		"temperature": "celsius", "energy": "kilowatt_hours", "runtime": "seconds", "pressure": "pascals", "airflow": "cubic_metres_per_hour",
		"waterflow": "litres_per_minute", "cooling": "watts", "dbm": "dbm", "power_factor": "ratio", "state": "state", "warmth": "",
	} {
		if got := profile.Unit(class); got != want {
			t.Errorf("%s is given in %q, want %q", class, got, want)
		}
	}
}
