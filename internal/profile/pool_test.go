package profile_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/faultline/faultline/internal/profile"
)

// poolOf returns the pool that a profile's lines describe, in a table with the
// cells c, d and e; the error is what Parse says.
func poolOf(lines string) (*profile.Pool, error) {
	p, _, err := profile.Parse("x.yaml", []byte("profile: x\ntables:\n  - {name: t, entry: 1.3.6, index: [i], cells: {c: .91, d: .92, e: .93}, memory: [{name: m, "+lines+"}]}\n"))
	if err != nil {
		return nil, err
	}
	return &p.Tables[0].Memory[0], nil
}

// usage works a pool out of what its columns hold.
func usage(p *profile.Pool, columns map[string]float64, row cells) (profile.Usage, bool) {
	return p.Usage(func(r *profile.Ref) (float64, bool) {
		v, has := columns[strings.TrimPrefix(r.OID, "1.3.6.")]
		return r.Number(numeric(v), has, row.get)
	}, row.get)
}

// TestPoolCombinations: whatever of total, used, free and percent there is, with
// and without a unit and something to take off, what can be known of a pool of
// 1000 units with 250 used comes out, and the rest stays unknown.
func TestPoolCombinations(t *testing.T) {
	oids := []string{"total", "used", "free", "percent"}
	columns := map[string]float64{"1": 1000, "2": 250, "3": 750, "4": 25, "5": 50}
	for mask := range 1 << len(oids) {
		for _, unit := range []float64{0, 1024} {
			for _, less := range []bool{false, true} {
				var lines []string
				has := map[string]bool{}
				for i, name := range oids {
					if mask>>i&1 == 1 {
						has[name] = true
						lines = append(lines, fmt.Sprintf("%s: .%d", name, i+1))
					}
				}
				if less {
					lines = append(lines, "less: [.5]")
				}
				if unit > 0 {
					lines = append(lines, fmt.Sprintf("unit: %v", unit))
				}
				def := strings.Join(lines, ", ")
				p, err := poolOf(def)
				if !has["percent"] && len(has) < 2 {
					if err == nil {
						t.Errorf("{%s} was taken: nothing can be said of it", def)
					}
					continue
				}
				if err != nil {
					t.Errorf("{%s}: %v", def, err)
					continue
				}
				got, ok := usage(p, columns, cells{})
				checkCombination(t, def, has, max(unit, 1), less, got, ok)
			}
		}
	}
}

func checkCombination(t *testing.T, def string, has map[string]bool, unit float64, less bool, got profile.Usage, ok bool) {
	t.Helper()
	want := profile.Usage{Total: -1, Used: -1, Percent: -1}
	if has["total"] || has["used"] && has["free"] {
		want.Total = 1000 * unit
	}
	if has["used"] || has["total"] && (has["free"] || has["percent"]) {
		want.Used = 250 * unit
		if less {
			want.Used = 200 * unit
		}
	}
	switch {
	case has["percent"]:
		want.Percent = 25
	case want.Total > 0 && want.Used >= 0:
		want.Percent = 100 * want.Used / want.Total
	}
	if got != want || !ok {
		t.Errorf("{%s}: %+v, %v; want %+v", def, got, ok, want)
	}
}

func TestPoolEdges(t *testing.T) {
	const unknown = -1
	tests := []struct {
		name    string
		def     string
		columns map[string]float64
		row     cells
		want    profile.Usage
		ok      bool
	}{
		{"nothing was read", "total: .1, used: .2", nil, nil, profile.Usage{Total: unknown, Used: unknown, Percent: unknown}, false},
		{"total alone was read", "total: .1, used: .2", map[string]float64{"1": 10}, nil, profile.Usage{Total: 10, Used: unknown, Percent: unknown}, false},
		{"percent alone was read", "total: .1, percent: .4", map[string]float64{"4": 40}, nil, profile.Usage{Total: unknown, Used: unknown, Percent: 40}, true},
		{"empty pool", "total: .1, used: .2", map[string]float64{"1": 0, "2": 0}, nil, profile.Usage{Total: 0, Used: 0, Percent: unknown}, false},
		{"nothing used", "total: .1, used: .2", map[string]float64{"1": 10, "2": 0}, nil, profile.Usage{Total: 10, Used: 0, Percent: 0}, true},
		{"all used", "total: .1, free: .3", map[string]float64{"1": 10, "3": 0}, nil, profile.Usage{Total: 10, Used: 10, Percent: 100}, true},
		{"more free than there is", "total: .1, free: .3", map[string]float64{"1": 10, "3": 11}, nil, profile.Usage{Total: 10, Used: unknown, Percent: unknown}, false},
		{"negative reading", "total: .1, used: .2", map[string]float64{"1": 10, "2": -1}, nil, profile.Usage{Total: 10, Used: unknown, Percent: unknown}, false},
		{"negative percent", "total: .1, percent: .4", map[string]float64{"1": 10, "4": -1}, nil, profile.Usage{Total: 10, Used: unknown, Percent: unknown}, false},
		{"percent beats what follows from the rest", "total: .1, used: .2, percent: .4", map[string]float64{"1": 10, "2": 5, "4": 49}, nil, profile.Usage{Total: 10, Used: 5, Percent: 49}, true},
		{"less than is used", "total: .1, used: .2, less: [.5, .6]", map[string]float64{"1": 100, "2": 80, "5": 20, "6": 10}, nil, profile.Usage{Total: 100, Used: 50, Percent: 50}, true},
		{"as much as is used", "total: .1, used: .2, less: [.5]", map[string]float64{"1": 100, "2": 80, "5": 80}, nil, profile.Usage{Total: 100, Used: 0, Percent: 0}, true},
		{"more than is used is not taken off", "total: .1, used: .2, less: [.5, .6]", map[string]float64{"1": 100, "2": 80, "5": 90, "6": 10}, nil, profile.Usage{Total: 100, Used: 70, Percent: 70}, true},
		{"what is to be taken off is missing", "total: .1, used: .2, less: [.5]", map[string]float64{"1": 100, "2": 80}, nil, profile.Usage{Total: 100, Used: 80, Percent: 80}, true},
		{"unit of a cell", `total: .1, used: .2, unit: "{c}"`, map[string]float64{"1": 100, "2": 80}, cells{"c": "4096"}, profile.Usage{Total: 409600, Used: 327680, Percent: 80}, true},
		{"unit of a cell with words", `total: .1, used: .2, unit: "{c}"`, map[string]float64{"1": 100, "2": 80}, cells{"c": "512 bytes"}, profile.Usage{Total: 51200, Used: 40960, Percent: 80}, true},
		{"unit missing", `total: .1, used: .2, unit: "{c}"`, map[string]float64{"1": 100, "2": 80}, nil, profile.Usage{Total: unknown, Used: unknown, Percent: 80}, true},
		{"unit of nothing", `total: .1, used: .2, unit: "{c}"`, map[string]float64{"1": 100, "2": 80}, cells{"c": "0"}, profile.Usage{Total: unknown, Used: unknown, Percent: 80}, true},
		{"total of a cell", `total: "{d}", used: .2`, map[string]float64{"2": 80}, cells{"d": "160"}, profile.Usage{Total: 160, Used: 80, Percent: 50}, true},
		{"total of a cell that is missing", `total: "{d}", used: .2`, map[string]float64{"2": 80}, nil, profile.Usage{Total: unknown, Used: 80, Percent: unknown}, false},
		{"scale and offset of one number", "total: {oid: .1, scale: 1024}, used: {oid: .2, scale: 2, offset: 10}", map[string]float64{"1": 1, "2": 251}, nil, profile.Usage{Total: 1024, Used: 512, Percent: 50}, true},
		{"percent that is free", "percent: {oid: .4, scale: -1, offset: 100}", map[string]float64{"4": 30}, nil, profile.Usage{Total: unknown, Used: unknown, Percent: 70}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := poolOf(tt.def)
			if err != nil {
				t.Fatal(err)
			}
			if tt.row == nil {
				tt.row = cells{}
			}
			if got, ok := usage(p, tt.columns, tt.row); got != tt.want || ok != tt.ok {
				t.Errorf("%+v, %v; want %+v, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

// TestRefNumber: what a pool's number reads of texts.
func TestRefNumber(t *testing.T) {
	tests := []struct {
		ref  string
		raw  profile.Raw
		has  bool
		want float64 // none: none
	}{
		{".1", numeric(5), true, 5},
		{".1", numeric(5), false, none},
		{".1", text("512 MB"), true, 512},
		{".1", text("lots"), true, none},
		{`{oid: .1, extract: 'of (\d+)'}`, text("3 of 12"), true, 12},
		{`{oid: .1, extract: 'of (\d+)'}`, text("3"), true, none},
		{`{oid: .1, extract: 'of (\d+)', scale: 0.5, offset: 1}`, text("3 of 12"), true, 7},
	}
	for _, tt := range tests {
		p, err := poolOf("percent: " + tt.ref)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := p.Percent.Number(tt.raw, tt.has, cells{}.get)
		if ok != (tt.want != none) || ok && math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%s of %+v is %v, %v; want %v", tt.ref, tt.raw, got, ok, tt.want)
		}
	}
}

func TestPoolApplies(t *testing.T) {
	p, err := poolOf(`percent: .4, when: ["c = ram|swap"]`)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{"ram": true, "swap": true, "disk": false, "": false} {
		if got := p.Applies(cells{"c": text}.get); got != want {
			t.Errorf("row with %q is a pool: %v", text, got)
		}
	}
}

func TestPoolFaults(t *testing.T) {
	for def, want := range map[string]string{
		"total: .1":                            "want percent, or two of total, used and free",
		"total: .1, less: [.5]":                "want percent, or two of total, used and free",
		"total: iso, used: .2":                 `OID "iso"`,
		`total: "{nobody}", used: .2`:          `"nobody" is neither`,
		`total: .1, used: .2, unit: "{zz}"`:    `"zz" is neither`,
		"total: .1, used: .2, unit: 0":         "above 0",
		"total: .1, used: .2, unit: .inf":      "above 0",
		"percent: {oid: .1, extract: '[0-9]'}": "has no group",
		`percent: {oid: .1, key: "{nobody}"}`:  `"nobody" is neither`,
		`percent: .1, when: ["zz = 1"]`:        `"zz" is neither`,
	} {
		if _, err := poolOf(def); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("{%s}: error %v, want %q", def, err, want)
		}
	}
}
