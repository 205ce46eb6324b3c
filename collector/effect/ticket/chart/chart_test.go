package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/color"
	"image/png"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var t0 = time.Date(2026, 11, 21, 7, 50, 0, 0, time.UTC)

func loss() Chart {
	c := Chart{Name: "loss", Title: "丢包率 <A & B>", Unit: "%", Fault: t0.Add(9*time.Minute + 38*time.Second), Max: 100, Zone: time.FixedZone("CST", 8*3600)}
	for n := range 61 {
		v := 0.0
		if n >= 58 {
			v = 100
		}
		c.Points = append(c.Points, Point{t0.Add(time.Duration(n) * 10 * time.Second), v})
	}
	return c
}

func TestSVG(t *testing.T) {
	s := SVG(loss(), 560, 160)
	d := xml.NewDecoder(strings.NewReader(s))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("not well-formed: %v\n%s", err, s)
		}
	}
	for _, want := range []string{"丢包率 &lt;A &amp; B&gt; %", ">100%<", ">16:00<", "#fde8e8", "<polyline"} {
		if !strings.Contains(s, want) {
			t.Errorf("lacks %q", want)
		}
	}
}

func TestPNG(t *testing.T) {
	b, err := PNG(loss(), 560, 160)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil || img.Bounds().Dx() != 560 || img.Bounds().Dy() != 160 {
		t.Fatalf("%v, %v", img, err)
	}
	f := lay(loss(), 560, 160)
	at := func(x, y float64) color.RGBA { return color.RGBAModel.Convert(img.At(int(x), int(y))).(color.RGBA) }
	if got := at(f.x(t0.Add(2*time.Minute)), f.y(0)); got.R < 0xa0 || got.G > 0x60 {
		t.Errorf("no line at the bottom before the fault: %v", got)
	}
	if got := at(f.x(t0.Add(9*time.Minute+50*time.Second)), f.y(100)); got.R < 0xa0 || got.G > 0x60 {
		t.Errorf("no line at the top during the fault: %v", got)
	}
	if got := at(f.x(t0.Add(9*time.Minute+55*time.Second)), f.y(40)); got != shaded {
		t.Errorf("the fault is not shaded: %v", got)
	}
	for _, side := range []int{0, -1, 5000} {
		if _, err := PNG(loss(), side, 100); err == nil {
			t.Errorf("%d pixels: drawn", side)
		}
	}
}

func TestGapsAreGaps(t *testing.T) {
	c := Chart{Points: []Point{{t0, 1}, {t0.Add(10 * time.Second), 1}, {t0.Add(20 * time.Second), math.NaN()}, {t0.Add(30 * time.Second), 1}, {t0.Add(40 * time.Second), 2}, {t0.Add(5 * time.Minute), 2}}}
	if got := len(lines(c, lay(c, 300, 100))); got != 3 {
		t.Fatalf("%d pieces, want 3", got)
	}
}

func TestAnythingCanBeDrawn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Chart{Unit: "ms", Max: rapid.Float64().Draw(t, "max")}
		for range rapid.IntRange(0, 20).Draw(t, "n") {
			v := rapid.OneOf(rapid.Float64(), rapid.Just(math.NaN()), rapid.Just(math.Inf(1)), rapid.Just(0.0)).Draw(t, "v")
			c.Points = append(c.Points, Point{t0.Add(time.Duration(rapid.IntRange(-1e6, 1e6).Draw(t, "s")) * time.Second), v})
		}
		if s := SVG(c, 300, 100); strings.Contains(s, "NaN") || strings.Contains(s, "Inf") {
			t.Fatalf("%s", s)
		}
		if _, err := PNG(c, 100, 80); err != nil {
			t.Fatal(err)
		}
	})
}
