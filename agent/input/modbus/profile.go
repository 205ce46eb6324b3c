package modbus

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// profiles are the register layouts that many makers' cheap sensors share. The
// addresses count from where the option at says that the layout begins.
var profiles = map[string]struct {
	at    string // where most have it
	lines []string
}{
	// Serial transmitters of Chinese make: humidity first, tenths, in both tables.
	"humidity-temperature": {"holding:0", []string{"modbus_humidity_percent +0 u16 scale=0.1 class=humidity missing=0x7fff,0xffff",
		"modbus_temperature_celsius +1 s16 scale=0.1 class=temperature missing=0x7fff,0x8000"}},
	// Boards with a SHT20 or SHT30: temperature first, in input registers from 1.
	"temperature-humidity": {"input:1", []string{"modbus_temperature_celsius +0 s16 scale=0.1 class=temperature missing=0x7fff,0x8000",
		"modbus_humidity_percent +1 u16 scale=0.1 class=humidity missing=0x7fff,0xffff"}},
	"temperature": {"holding:0", []string{"modbus_temperature_celsius +0 s16 scale=0.1 class=temperature missing=0x7fff,0x8000"}},
	// A leak cable or spot: 0 is dry.
	"leak": {"holding:0", []string{"modbus_water_leak +0 u16 class=leak"}},
	// Two floating-point numbers, as panel meters and gateways give them.
	"temperature-humidity-float": {"holding:0", []string{"modbus_temperature_celsius +0 f32 class=temperature", "modbus_humidity_percent +2 f32 class=humidity"}},
}

// fromProfile returns the registers of a built-in profile.
func fromProfile(name, at, sensor string) ([]register, error) {
	p, ok := profiles[name]
	if !ok {
		return nil, fmt.Errorf("profile %q: want one of %s", name, strings.Join(slices.Sorted(maps.Keys(profiles)), ", "))
	}
	if at == "" {
		at = p.at
	}
	function, first, err := parsePlace(at)
	if err != nil {
		return nil, fmt.Errorf("at: %w", err)
	}
	table := "holding"
	if function == tables["input"] {
		table = "input"
	}
	var lines []string
	for _, l := range p.lines {
		words := strings.Fields(l)
		plus, err := strconv.Atoi(words[1])
		if err != nil {
			return nil, fmt.Errorf("profile %s: %q: %w", name, words[1], err)
		}
		words[1] = fmt.Sprintf("%s:%d", table, int(first)+plus)
		if sensor != "" {
			words = append(words, `sensor="`+strings.ReplaceAll(sensor, `"`, "")+`"`)
		}
		lines = append(lines, strings.Join(words, " "))
	}
	return parseRegisters(strings.Join(lines, "\n"))
}
