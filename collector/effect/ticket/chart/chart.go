// Package chart draws a series of measurements over time, as SVG for pages and
// as PNG for mail programs, which show no SVG. It is pure: values in, pictures
// out. It queries nothing and knows no metric.
package chart

import (
	"cmp"
	"fmt"
	"html"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Point is one measurement; NaN is a moment without one.
type Point struct {
	At    time.Time
	Value float64
}

// Chart is what is drawn.
type Chart struct {
	Name   string // of the file, without an ending: loss
	Title  string // in the reader's language; the PNG has none, its caption does
	Unit   string // %, ms, Mbit/s
	Points []Point
	From   time.Time      // left edge; zero: the first point
	To     time.Time      // right edge; zero: the last point
	Fault  time.Time      // since when the fault is; shaded from there to End. Zero: none
	End    time.Time      // of the fault; zero: the right edge
	Max    float64        // at least this is the top; 0: by the values
	Zone   *time.Location // of the times below; nil is UTC
}

// frame is where things are, in pixels.
type frame struct {
	w, h, left, right, top, bottom int
	from, to                       time.Time
	max                            float64
	step                           float64
	ticks                          []time.Time
	clock                          string // layout of the times
}

// gap is how many usual intervals without a point break the line.
const gap = 2.5

// lay computes the frame.
func lay(c Chart, w, h int) frame {
	f := frame{w: w, h: h, left: 44, right: 12, top: 12, bottom: 24, from: c.From, to: c.To}
	if finite(c.Max) {
		f.max = max(0, c.Max)
	}
	for _, p := range c.Points {
		if f.from.IsZero() || c.From.IsZero() && p.At.Before(f.from) {
			f.from = p.At
		}
		if f.to.IsZero() || c.To.IsZero() && p.At.After(f.to) {
			f.to = p.At
		}
		if finite(p.Value) {
			f.max = max(f.max, p.Value)
		}
	}
	if !f.to.After(f.from) {
		f.to = f.from.Add(time.Minute)
	}
	f.step = nice(f.max / 4)
	f.max = f.step * math.Max(1, math.Ceil(f.max/f.step-1e-9))
	f.ticks, f.clock = times(f.from, f.to, c.Zone, max(2, (w-f.left-f.right)/90))
	return f
}

// finite tells whether a value can be drawn; beyond 1e15 nothing measured lies.
func finite(v float64) bool { return math.Abs(v) <= 1e15 }

// nice rounds a step up to 1, 2 or 5 times a power of ten.
func nice(v float64) float64 {
	if v <= 0 || !finite(v) {
		return 0.25
	}
	p := math.Pow(10, math.Floor(math.Log10(v)))
	for _, n := range []float64{1, 2, 2.5, 5} {
		if v <= n*p*(1+1e-9) {
			return n * p
		}
	}
	return 10 * p
}

var spans = []time.Duration{time.Second * 5, time.Second * 15, time.Second * 30, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 48 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour}

// times are the labelled moments: round ones, at most n.
func times(from, to time.Time, zone *time.Location, n int) ([]time.Time, string) {
	if zone == nil {
		zone = time.UTC
	}
	step := spans[len(spans)-1]
	for _, s := range spans {
		if to.Sub(from) <= s*time.Duration(n) {
			step = s
			break
		}
	}
	layout := "15:04"
	switch {
	case step < time.Minute:
		layout = "15:04:05"
	case step >= 24*time.Hour:
		layout = "01-02"
	}
	_, offset := from.In(zone).Zone()
	shift := time.Duration(offset) * time.Second
	var out []time.Time
	for t := from.Add(shift).Truncate(step).Add(-shift); !t.After(to) && len(out) < 64; t = t.Add(step) {
		if !t.Before(from) {
			out = append(out, t.In(zone))
		}
	}
	return out, layout
}

func (f frame) x(t time.Time) float64 {
	part := float64(t.Sub(f.from)) / float64(f.to.Sub(f.from))
	return float64(f.left) + min(1, max(0, part))*float64(f.w-f.left-f.right)
}

func (f frame) y(v float64) float64 {
	return float64(f.h-f.bottom) - min(1, max(0, v/f.max))*float64(f.h-f.top-f.bottom)
}

// levels are the labelled values.
func (f frame) levels() []float64 {
	var out []float64
	for n := range 12 {
		v := float64(n) * f.step
		if v > f.max*(1+1e-9) {
			break
		}
		out = append(out, v)
	}
	return out
}

func label(v float64) string { return strconv.FormatFloat(math.Round(v*1e6)/1e6, 'f', -1, 64) }

// lines are the points as unbroken pieces: missing measurements leave a gap.
func lines(c Chart, f frame) [][]Point {
	points := slices.Clone(c.Points)
	slices.SortStableFunc(points, func(a, b Point) int { return a.At.Compare(b.At) })
	var between []time.Duration
	for n := 1; n < len(points); n++ {
		between = append(between, points[n].At.Sub(points[n-1].At))
	}
	slices.Sort(between)
	usual := time.Duration(math.MaxInt64)
	if len(between) > 0 {
		usual = max(between[len(between)/2], time.Second)
	}
	var out [][]Point
	var piece []Point
	end := func() {
		if len(piece) > 0 {
			out, piece = append(out, piece), nil
		}
	}
	for _, p := range points {
		if p.At.Before(f.from) || p.At.After(f.to) {
			continue
		}
		if !finite(p.Value) {
			end()
			continue
		}
		if n := len(piece); n > 0 && float64(p.At.Sub(piece[n-1].At)) > gap*float64(usual) {
			end()
		}
		piece = append(piece, p)
	}
	end()
	return out
}

// fault is the shaded part, in pixels; ok is false without one.
func (f frame) fault(c Chart) (from, to float64, ok bool) {
	if c.Fault.IsZero() || c.Fault.After(f.to) {
		return 0, 0, false
	}
	end := c.End
	if end.IsZero() {
		end = f.to
	}
	return f.x(c.Fault), f.x(end), end.After(f.from)
}

// SVG draws the chart, w by h pixels.
func SVG(c Chart, w, h int) string {
	f := lay(c, w, h)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" font-family="system-ui,sans-serif" font-size="11">`, w, h, w, h)
	fmt.Fprintf(&b, `<title>%s</title><rect width="%d" height="%d" fill="#fff"/>`, html.EscapeString(cmp.Or(c.Title, c.Name)+" "+c.Unit), w, h)
	if x0, x1, ok := f.fault(c); ok {
		fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="#fde8e8"/>`, x0, f.top, x1-x0, h-f.top-f.bottom)
	}
	for n, v := range f.levels() {
		unit := ""
		if n == len(f.levels())-1 {
			unit = c.Unit
		}
		fmt.Fprintf(&b, `<path d="M%d %.1fH%d" stroke="#e5e7eb"/><text x="%d" y="%.1f" text-anchor="end" fill="#6b7280">%s%s</text>`,
			f.left, f.y(v), w-f.right, f.left-5, f.y(v)+4, label(v), html.EscapeString(unit))
	}
	for _, t := range f.ticks {
		anchor := "middle"
		if f.x(t) > float64(w-f.right-18) { // half of it would be outside
			anchor = "end"
		}
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="%s" fill="#6b7280">%s</text>`, f.x(t), h-8, anchor, t.Format(f.clock))
	}
	for _, piece := range lines(c, f) {
		if len(piece) == 1 {
			fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="2" fill="#b91c1c"/>`, f.x(piece[0].At), f.y(piece[0].Value))
			continue
		}
		b.WriteString(`<polyline fill="none" stroke="#b91c1c" stroke-width="2" stroke-linejoin="round" points="`)
		for _, p := range piece {
			fmt.Fprintf(&b, "%.1f,%.1f ", f.x(p.At), f.y(p.Value))
		}
		b.WriteString(`"/>`)
	}
	b.WriteString("</svg>")
	return b.String()
}
