package profile_test

import (
	"testing"

	"github.com/faultline/faultline/internal/profile"
)

// TestStatus: the state that a sensor's own raw value means, and the value that
// goes with it.
func TestStatus(t *testing.T) {
	const numbers = "class: state, status: {1: ok, 2: warning, 3: critical, 4: unknown, -1: critical, 1.5: warning}"
	const words = "class: state, status: {normal: ok, Low Battery: warning, 'FAILED': critical, '故障': critical, '3': warning}"
	tests := []struct {
		name, def string
		raw       profile.Raw
		want      string
		value     float64 // none: none
	}{
		{"number", numbers, numeric(1), profile.StatusOK, 1},
		{"number of a warning", numbers, numeric(2), profile.StatusWarning, 2},
		{"number of a fault", numbers, numeric(3), profile.StatusCritical, 3},
		{"number of ignorance", numbers, numeric(4), profile.StatusUnknown, 4},
		{"negative number", numbers, numeric(-1), profile.StatusCritical, -1},
		{"fraction", numbers, numeric(1.5), profile.StatusWarning, 1.5},
		{"number not listed", numbers, numeric(99), profile.StatusUnknown, 99},
		{"number as text", numbers, text("2"), profile.StatusWarning, 2},
		{"number before words", numbers, text("3 (failed)"), profile.StatusCritical, 3},
		{"word where numbers are listed", numbers, text("failed"), profile.StatusUnknown, 0},
		{"word", words, text("normal"), profile.StatusOK, 1},
		{"case does not matter", words, text("Normal"), profile.StatusOK, 1},
		{"case of the file does not matter", words, text("failed"), profile.StatusCritical, 3},
		{"two words", words, text("low battery"), profile.StatusWarning, 2},
		{"blanks around", words, text("  normal \t"), profile.StatusOK, 1},
		{"Chinese", words, text("故障"), profile.StatusCritical, 3},
		{"word not listed", words, text("odd"), profile.StatusUnknown, 0},
		{"no word at all", words, text(""), profile.StatusUnknown, 0},
		{"number among words", words, numeric(3), profile.StatusWarning, 3},
		{"number among words as text", words, text("3"), profile.StatusWarning, 3},
		{"measurement with limits of its own", "class: temperature, scale: 0.1, status: {0: critical}", numeric(0), profile.StatusCritical, 0},
		{"measurement not listed", "class: temperature, scale: 0.1, status: {0: critical}", numeric(215), profile.StatusUnknown, 21.5},
		{"status of the extracted text", `class: state, extract: 's=(\w+)', status: {on: ok, off: critical}`, text("x s=off"), profile.StatusCritical, 3},
		{"signed status", "class: state, signed: 8, status: {-1: critical, 1: ok}", numeric(255), profile.StatusCritical, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, _ := sensorOf(t, tt.def).Resolve(cells{}.get)
			if !r.HasStatus() {
				t.Fatal("the sensor says nothing of its state")
			}
			if got := r.Status(tt.raw); got != tt.want {
				t.Errorf("%+v is %s, want %s", tt.raw, got, tt.want)
			}
			if v, ok := r.Read(tt.raw); !ok || v != tt.value {
				t.Errorf("%+v is read as %v, %v; want %v", tt.raw, v, ok, tt.value)
			}
		})
	}
	if r, _ := sensorOf(t, "class: temperature").Resolve(cells{}.get); r.HasStatus() {
		t.Error("a plain measurement claims to say its state")
	}
}

// TestStatusBits: the worst state of the bits that are set counts.
func TestStatusBits(t *testing.T) {
	const def = "class: state, status_bits: {0: unknown, 1: warning, 2: critical, 9: critical, 12: ok}"
	tests := []struct {
		name, octets string
		want         string
		value        float64
	}{
		{"no octets", "", profile.StatusOK, 0},
		{"no bit", "\x00\x00", profile.StatusOK, 0},
		{"highest bit of the first octet", "\x80", profile.StatusUnknown, 1},
		{"second bit", "\x40", profile.StatusWarning, 2},
		{"third bit", "\x20", profile.StatusCritical, 3},
		{"the worst of two", "\x60", profile.StatusCritical, 2},
		{"warning is worse than unknown", "\xc0", profile.StatusWarning, 1},
		{"second octet", "\x00\x40", profile.StatusCritical, 10},
		{"a bit that is ok", "\x00\x08", profile.StatusOK, 13},
		{"unknown beside a bit that is ok", "\x80\x08", profile.StatusUnknown, 1},
		{"bits without a meaning", "\x1f\x30", profile.StatusOK, 0},
		{"the second octet was left out", "\x00", profile.StatusOK, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, _ := sensorOf(t, def).Resolve(cells{}.get)
			raw := profile.Raw{Text: "?", Octets: tt.octets, IsText: true}
			if got := r.Status(raw); got != tt.want || !r.HasStatus() {
				t.Errorf("%x is %s, want %s", tt.octets, got, tt.want)
			}
			if v, ok := r.Read(raw); !ok || v != tt.value {
				t.Errorf("%x is read as %v, %v; want %v", tt.octets, v, ok, tt.value)
			}
		})
	}
}

// TestStateColumn: the state of a measurement that another column tells.
func TestStateColumn(t *testing.T) {
	s := sensorOf(t, "class: temperature, state: {oid: .5, map: {1: ok, 2: warning, alarm: critical}}")
	for _, tt := range []struct {
		raw  profile.Raw
		want string
	}{
		{numeric(1), "ok"}, {numeric(2), "warning"}, {text("Alarm"), "critical"}, {numeric(3), "unknown"}, {text("2"), "warning"}, {text(""), "unknown"},
	} {
		if got := s.State.Status(tt.raw); got != tt.want {
			t.Errorf("%+v is %s, want %s", tt.raw, got, tt.want)
		}
	}
	if s.State.OID != "1.3.6.5" {
		t.Errorf("the state stands in %s", s.State.OID)
	}
	for state, want := range map[string]float64{"unknown": 0, "ok": 1, "warning": 2, "critical": 3, "": 0} {
		if got := profile.StatusNumber(state); got != want {
			t.Errorf("state %q is %v, want %v", state, got, want)
		}
	}
}
