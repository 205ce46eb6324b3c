// Package scoreboard counts what vendors did in a month: how fast they answered
// and repaired, what they claimed and what measurements proved, and for how many
// minutes each circuit was there, against what its contract promises. Every
// figure stands on intervals that are shown. It is pure: incidents, inventory,
// windows and the clock are handed in.
package scoreboard

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/lang"
)

// Case is one incident with its log.
type Case struct {
	incident.Incident
	Events []incident.Event
}

// Window is an announced time that does not count.
type Window struct {
	ID       string    `json:"id"`
	From     time.Time `json:"from"`
	Until    time.Time `json:"until,omitzero"` // zero: until now
	Subjects []string  `json:"subjects"`       // lines, carriers, sites or devices; empty: everything
	Reason   string    `json:"reason"`
}

// Input is what a month is counted from.
type Input struct {
	Month   time.Time // any moment of it, in Zone
	Zone    *time.Location
	Cases   []Case // those that were open in the month, of all states
	Windows []Window
	Graph   *inventory.Graph
	// Elapsed is the time between two moments by a contract's calendar, work or
	// always, at a site. Nil: all time counts.
	Elapsed func(calendar, site string, from, to time.Time) (time.Duration, error)
	Now     time.Time
}

// Board is one month.
type Board struct {
	Month    string    `json:"month"` // 2026-11
	From     time.Time `json:"from"`
	To       time.Time `json:"to"` // the month's end, or the last whole minute while it lasts
	Partly   bool      `json:"partly,omitempty"`
	Vendors  []Vendor  `json:"vendors"`
	Circuits []Circuit `json:"circuits"`
	// Code names these figures: who sees the same code sees the same minutes.
	Code string `json:"code"`
}

// Interval is a time during which a circuit was down or its quality low.
type Interval struct {
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Seconds  int64     `json:"seconds"`
	Counts   bool      `json:"counts"`
	Why      lang.Text `json:"why"`
	Incident string    `json:"incident,omitempty"` // number
	ID       string    `json:"incident_id,omitempty"`
	Lasts    bool      `json:"lasts,omitempty"` // not over yet
}

// Minutes is the interval's length, to a tenth.
func (i Interval) Minutes() float64 { return minutes(i.Seconds) }

// Circuit is one line in a month.
type Circuit struct {
	Line      string     `json:"line"`
	Name      lang.Text  `json:"name,omitzero"`
	Number    string     `json:"circuit,omitempty"`
	Carrier   string     `json:"carrier"`
	Site      string     `json:"site"`
	Promised  float64    `json:"promised_percent,omitempty"` // 0: nothing agreed
	Measured  float64    `json:"measured_percent"`
	Kept      bool       `json:"kept"`
	Service   int64      `json:"service_seconds"` // of the month within the contract, announced windows left out
	Down      int64      `json:"down_seconds"`    // that count
	Excluded  int64      `json:"excluded_seconds"`
	Intervals []Interval `json:"intervals"`
}

// ServiceMinutes, DownMinutes and ExcludedMinutes are the same in minutes, to a
// tenth.
func (c Circuit) ServiceMinutes() float64 { return minutes(c.Service) }

// DownMinutes are the minutes that count against the carrier.
func (c Circuit) DownMinutes() float64 { return minutes(c.Down) }

// ExcludedMinutes are the minutes of outage that do not count.
func (c Circuit) ExcludedMinutes() float64 { return minutes(c.Excluded) }

func minutes(seconds int64) float64 { return float64((seconds+3)/6) / 10 }

// Of makes the board of a month.
func Of(in Input) Board {
	y, m, _ := in.Month.In(in.Zone).Date()
	b := Board{From: time.Date(y, m, 1, 0, 0, 0, 0, in.Zone), To: time.Date(y, m+1, 1, 0, 0, 0, 0, in.Zone), Vendors: []Vendor{}, Circuits: []Circuit{}}
	b.Month = b.From.Format("2006-01")
	if in.Now.Before(b.To) {
		b.To, b.Partly = in.Now.In(in.Zone).Truncate(time.Minute), true
	}
	if !b.To.After(b.From) {
		b.To = b.From
		return b.sealed()
	}
	in.Cases = slices.DeleteFunc(slices.Clone(in.Cases), func(c Case) bool { return c.Practice })
	slices.SortFunc(in.Cases, func(x, y Case) int {
		return cmp.Or(x.OpenedAt.Compare(y.OpenedAt), cmp.Compare(x.ID, y.ID))
	})
	for _, l := range in.Graph.Inventory().Lines {
		if s, _ := in.Graph.Site(l.Site); !s.Practice {
			b.Circuits = append(b.Circuits, circuit(in, l, span{b.From, b.To}))
		}
	}
	b.Vendors = append(b.Vendors, vendors(in, span{b.From, b.To})...)
	return b.sealed()
}

// sealed sets the code over everything else.
func (b Board) sealed() Board {
	b.Code = ""
	raw, err := json.Marshal(b)
	if err != nil {
		panic(fmt.Sprintf("scoreboard: %v", err)) // numbers, times and texts
	}
	sum := sha256.Sum256(raw)
	b.Code = hex.EncodeToString(sum[:6])
	return b
}

// For returns the part of a board that concerns one vendor, and its own code.
func (b Board) For(vendor string) Board {
	b.Vendors = slices.DeleteFunc(slices.Clone(b.Vendors), func(v Vendor) bool { return v.ID != vendor })
	b.Circuits = slices.DeleteFunc(slices.Clone(b.Circuits), func(c Circuit) bool { return c.Carrier != vendor })
	return b.sealed()
}

// At returns the part of a board that concerns the sites a reader sees. Vendors'
// figures are of all sites and left out unless the reader sees those.
func (b Board) At(sees func(site string) bool, all bool) Board {
	b.Circuits = slices.DeleteFunc(slices.Clone(b.Circuits), func(c Circuit) bool { return !sees(c.Site) })
	if !all {
		b.Vendors = []Vendor{}
	}
	return b.sealed()
}
