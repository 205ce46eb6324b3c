package chart

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
)

// fine is how many times finer than its pixels a picture is drawn, so that its
// lines are smooth once it is brought down.
const fine = 3

var (
	white  = color.RGBA{255, 255, 255, 255}
	grey   = color.RGBA{0xe5, 0xe7, 0xeb, 255}
	ink    = color.RGBA{0x6b, 0x72, 0x80, 255}
	shaded = color.RGBA{0xfd, 0xe8, 0xe8, 255}
	red    = color.RGBA{0xb9, 0x1c, 0x1c, 255}
)

// Bounds of a picture, in pixels.
const (
	minSide = 80
	maxSide = 2000
)

// PNG draws the chart, w by h pixels. Its letters are digits and the few signs
// of numbers and times; the title belongs beside the picture.
func PNG(c Chart, w, h int) ([]byte, error) {
	if w < minSide || h < minSide || w > maxSide || h > maxSide {
		return nil, fmt.Errorf("draw chart %s: %d by %d pixels, want %d to %d", c.Name, w, h, minSide, maxSide)
	}
	f := lay(c, w, h)
	p := &canvas{image.NewRGBA(image.Rect(0, 0, w*fine, h*fine))}
	p.box(0, 0, float64(w), float64(h), white)
	if x0, x1, ok := f.fault(c); ok {
		p.box(x0, float64(f.top), x1, float64(h-f.bottom), shaded)
	}
	for _, v := range f.levels() {
		p.box(float64(f.left), f.y(v)-0.5, float64(w-f.right), f.y(v)+0.5, grey)
		s := label(v)
		p.text(s, float64(f.left)-5-textWidth(s), f.y(v)-4)
	}
	for _, t := range f.ticks {
		s := t.Format(f.clock)
		x := f.x(t) - textWidth(s)/2
		p.text(s, min(max(0, x), float64(w)-textWidth(s)), float64(h)-15)
	}
	for _, piece := range lines(c, f) {
		for n := range piece {
			at := piece[max(0, n-1)]
			p.line(f.x(at.At), f.y(at.Value), f.x(piece[n].At), f.y(piece[n].Value))
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, p.down(w, h)); err != nil {
		return nil, fmt.Errorf("draw chart %s: %w", c.Name, err)
	}
	return b.Bytes(), nil
}

// canvas draws on a picture that is finer than the one to be.
type canvas struct{ *image.RGBA }

func (p *canvas) box(x0, y0, x1, y1 float64, c color.RGBA) {
	r := image.Rect(int(math.Round(x0*fine)), int(math.Round(y0*fine)), int(math.Round(x1*fine)), int(math.Round(y1*fine))).Intersect(p.Rect)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			p.SetRGBA(x, y, c)
		}
	}
}

// line draws a line two pixels wide with round ends.
func (p *canvas) line(x0, y0, x1, y1 float64) {
	steps := int(math.Ceil(math.Hypot(x1-x0, y1-y0)*fine)) + 1
	const r = fine
	for n := range steps {
		part := float64(n) / float64(max(1, steps-1))
		cx, cy := int((x0+(x1-x0)*part)*fine), int((y0+(y1-y0)*part)*fine)
		for dy := -r; dy <= r; dy++ {
			for dx := -r; dx <= r; dx++ {
				if dx*dx+dy*dy <= r*r && image.Pt(cx+dx, cy+dy).In(p.Rect) {
					p.SetRGBA(cx+dx, cy+dy, red)
				}
			}
		}
	}
}

// down brings the picture to its size: each pixel is the mean of its parts.
func (p *canvas) down(w, h int) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			var r, g, b int
			for n := range fine * fine {
				c := p.RGBAAt(x*fine+n%fine, y*fine+n/fine)
				r, g, b = r+int(c.R), g+int(c.G), b+int(c.B)
			}
			const all = fine * fine
			out.SetRGBA(x, y, color.RGBA{uint8(r / all), uint8(g / all), uint8(b / all), 255})
		}
	}
	return out
}

// glyphs are letters of 5 by 7 dots, a row a byte, the left dot the highest bit.
var glyphs = map[rune][7]byte{
	'0': {0x0E, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0E}, '1': {0x04, 0x0C, 0x04, 0x04, 0x04, 0x04, 0x0E}, '2': {0x0E, 0x11, 0x01, 0x06, 0x08, 0x10, 0x1F},
	'3': {0x0E, 0x11, 0x01, 0x06, 0x01, 0x11, 0x0E}, '4': {0x02, 0x06, 0x0A, 0x12, 0x1F, 0x02, 0x02}, '5': {0x1F, 0x10, 0x1E, 0x01, 0x01, 0x11, 0x0E},
	'6': {0x06, 0x08, 0x10, 0x1E, 0x11, 0x11, 0x0E}, '7': {0x1F, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08}, '8': {0x0E, 0x11, 0x11, 0x0E, 0x11, 0x11, 0x0E},
	'9': {0x0E, 0x11, 0x11, 0x0F, 0x01, 0x02, 0x0C}, ':': {0, 0x04, 0, 0, 0, 0x04, 0}, '.': {0, 0, 0, 0, 0, 0, 0x04}, '-': {0, 0, 0, 0x0E, 0, 0, 0},
}

// dot is the side of a letter's dot, in pixels.
const dot = 1.25

func textWidth(s string) float64 { return float64(len([]rune(s))) * 6 * dot }

func (p *canvas) text(s string, x, y float64) {
	for _, r := range s {
		for row, bits := range glyphs[r] {
			for col := range 5 {
				if bits&(0x10>>col) != 0 {
					p.box(x+float64(col)*dot, y+float64(row)*dot, x+float64(col+1)*dot, y+float64(row+1)*dot, ink)
				}
			}
		}
		x += 6 * dot
	}
}
