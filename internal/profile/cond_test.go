package profile_test

import (
	"strings"
	"testing"

	"github.com/faultline/faultline/internal/profile"
)

// sensorOf returns the sensor that a profile's lines describe; its table has the
// cells c, d and e.
func sensorOf(t *testing.T, lines string) *profile.Sensor {
	t.Helper()
	p, _, err := profile.Parse("x.yaml", []byte(`profile: x
tables:
  - name: t
    entry: 1.3.6
    index: [i]
    cells: {c: .91, d: .92, e: .93}
    sensors:
      - {oid: .1, `+lines+"}\n"))
	if err != nil {
		t.Fatal(err)
	}
	return &p.Tables[0].Sensors[0]
}

func text(s string) profile.Raw     { return profile.Raw{Text: s, Octets: s, IsText: true} }
func numeric(f float64) profile.Raw { return profile.Raw{Number: f} }

// TestConditionOnCell: every operator against a row's cell.
func TestConditionOnCell(t *testing.T) {
	tests := []struct {
		cond string
		cell string
		want bool
	}{
		{"c = 1", "1", true},
		{"c = 1", "2", false},
		{"c = 1", "01", false}, // a cell is text
		{"c = 1|2", "2", true},
		{"c = 1 | 2", "2", true},
		{"c=1|2", "3", false},
		{"c = on line", "on line", true},
		{"c = a=b", "a=b", true},
		{"c = ", "", true},
		{"c = ", "x", false},
		{"c != ", "x", true},
		{"c != ", "", false},
		{"c != 1|2", "3", true},
		{"c != 1|2", "2", false},
		{"c != -99", "-99", false},
		{"c > 5", "6", true},
		{"c > 5", "5", false},
		{"c > 5", "5.1", true},
		{"c > 5", "6 V", true},
		{"c > 5", "", false},
		{"c > 5", "many", false},
		{"c < 5", "many", false},
		{"c >= 5", "5", true},
		{"c >= 5", "4.999", false},
		{"c < 5", "-1", true},
		{"c < 5", "5", false},
		{"c <= 5", "5", true},
		{"c <= 5", "5.01", false},
		{"c > -1.5e3", "-1499", true},
		{"c > 10", "9", false}, // as numbers, not as texts
		{"c ~ ^ab", "abc", true},
		{"c ~ ^ab", "cab", false},
		{"c ~ (?i)FAN|pump", "A Fan", true},
		{"c !~ ^ab", "cab", true},
		{"c !~ ^ab", "abc", false},
		{"c !~ .", "", true},
	}
	for _, tt := range tests {
		s := sensorOf(t, `class: count, when: ["`+tt.cond+`"]`)
		if _, got := s.Resolve(cells{"c": tt.cell}.get); got != tt.want {
			t.Errorf("%q of %q is %v, want %v", tt.cond, tt.cell, got, tt.want)
		}
		if got := s.When[0].String(); got != tt.cond {
			t.Errorf("%q reads as %q", tt.cond, got)
		}
	}
}

// TestConditionOnValue: numbers and texts as they were read; all conditions must
// hold.
func TestConditionOnValue(t *testing.T) {
	tests := []struct {
		when string
		raw  profile.Raw
		want bool
	}{
		{`"value = 1"`, numeric(1), true},
		{`"value = 1"`, numeric(1.5), false},
		{`"value = 1.5"`, numeric(1.5), true},
		{`"value = 1"`, text("1"), true},
		{`"value = 1"`, text("1 V"), false},
		{`"value != 0|-99"`, numeric(-99), false},
		{`"value != 0|-99"`, numeric(0), false},
		{`"value != 0|-99"`, numeric(-98), true},
		{`"value != 4294967295"`, numeric(4294967295), false},
		{`"value != 2147483647"`, numeric(2147483647), false},
		{`"value != 18446744073709551615"`, numeric(1), true},
		{`"value > 0"`, numeric(0.25), true},
		{`"value > 0"`, numeric(0), false},
		{`"value > 0"`, text("3 rpm"), true},
		{`"value > 0"`, text("off"), false},
		{`"value >= -5"`, numeric(-5), true},
		{`"value < 1000"`, numeric(1000), false},
		{`"value <= 1000"`, numeric(1000), true},
		{`"value ~ ^[0-9]"`, text("23.5 C"), true},
		{`"value ~ ^[0-9]"`, text("n/a"), false},
		{`"value !~ ^-"`, numeric(-5), false},
		{`"value > 0", "value < 100"`, numeric(50), true},
		{`"value > 0", "value < 100"`, numeric(100), false},
		{`"c = 1", "value > 0"`, numeric(1), true},
		{`"c = 1", "value > 0"`, numeric(0), false},
	}
	for _, tt := range tests {
		r, ok := sensorOf(t, "class: count, when: ["+tt.when+"]").Resolve(cells{"c": "1"}.get)
		if !ok {
			t.Errorf("%s: a condition on the value decided about the row", tt.when)
			continue
		}
		if _, got := r.Read(tt.raw); got != tt.want {
			t.Errorf("%s of %+v is read: %v, want %v", tt.when, tt.raw, got, tt.want)
		}
	}
}

// TestConditionSeesExtractedValue: conditions are on what counts as the raw value.
func TestConditionSeesExtractedValue(t *testing.T) {
	r, _ := sensorOf(t, `class: count, extract: '=(-?\d+)', signed: 16, when: ["value > 10"]`).Resolve(cells{}.get)
	for raw, want := range map[string]bool{"load=11": true, "load=9": false, "11": false} {
		if _, got := r.Read(text(raw)); got != want {
			t.Errorf("%q is read: %v, want %v", raw, got, want)
		}
	}
	r, _ = sensorOf(t, `class: count, signed: 8, when: ["value < 0"]`).Resolve(cells{}.get)
	if v, ok := r.Read(numeric(255)); !ok || v != -1 {
		t.Errorf("255 as signed is %v, %v", v, ok)
	}
	if _, ok := r.Read(numeric(5)); ok {
		t.Error("5 passed as below 0")
	}
}

func TestConditionFaults(t *testing.T) {
	for cond, want := range map[string]string{
		"c":        "want NAME OP VALUES",
		"c ? 1":    "want NAME OP VALUES",
		"= 1":      "want NAME OP VALUES",
		"":         "want NAME OP VALUES",
		"c > many": "invalid syntax",
		"c < ":     "invalid syntax",
		"c ~ (":    "missing closing",
		"nobody=1": "neither a cell",
	} {
		_, _, err := profile.Parse("x.yaml", []byte("profile: x\ntables:\n  - {name: t, entry: 1.3.6, index: [i], cells: {c: .9}, sensors: [{oid: .1, class: count, when: ['"+cond+"']}]}\n"))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "x.yaml:3") {
			t.Errorf("condition %q: error %v, want %q", cond, err, want)
		}
	}
}
