package process

import (
	"fmt"
	"strings"
)

// Point is a place in a drawing, in its units (pixels at 100 %).
type Point struct{ X, Y float64 }

// Box is a rectangle in a drawing.
type Box struct{ X, Y, W, H float64 }

// Drawing is where everything of a process is drawn.
type Drawing struct {
	Graph
	Size    Point
	LaneBox []Box          // of Lanes, in their order
	Boxes   map[string]Box // by step
	Ways    [][]Point      // of Edges, in their order: from border to border
}

// Drawing lays the process out as SVG does.
func (d *Definition) Drawing() Drawing {
	l := arrange(d.Graph())
	out := Drawing{Graph: l.graph, Size: Point{l.width, l.height}, Boxes: map[string]Box{}}
	for n := range l.graph.Lanes {
		out.LaneBox = append(out.LaneBox, Box{margin, l.laneY[n], l.width - 2*margin, l.laneH[n]})
	}
	for id, p := range l.places {
		out.Boxes[id] = Box{p.x, p.y, boxW, boxH}
	}
	for k, e := range l.graph.Edges {
		out.Ways = append(out.Ways, way(l.places[e.From], l.places[e.To], k))
	}
	return out
}

// way leads an arrow through the gaps between columns and rows; its number
// keeps arrows apart that share a gap.
func way(from, to place, number int) []Point {
	shift := float64(number%7) * 5
	y1, y2 := from.y+boxH/2, to.y+boxH/2
	in := to.x - gapX + 24 + shift
	switch {
	case from == to:
		x := from.x + boxW/2
		return []Point{{x, from.y}, {x, from.y - 12}, {x + 26, from.y - 12}, {x + 26, from.y}}
	case to.col == from.col+1:
		return []Point{{from.x + boxW, y1}, {in, y1}, {in, y2}, {to.x, y2}}
	case to.col > from.col:
		out, channel := from.x+boxW+12+shift, to.y-6-shift/2
		return []Point{{from.x + boxW, y1}, {out, y1}, {out, channel}, {in, channel}, {in, y2}, {to.x, y2}}
	default: // back, or within the column
		x, channel := from.x+boxW/2+shift*2-24, from.y+boxH+5+shift/2
		return []Point{{x, from.y + boxH}, {x, channel}, {in, channel}, {in, y2}, {to.x, y2}}
	}
}

// path writes points as an SVG path.
func path(points []Point) string {
	var b strings.Builder
	for n, p := range points {
		letter := "L"
		if n == 0 {
			letter = "M"
		}
		fmt.Fprintf(&b, "%s%.1f %.1f", letter, p.X, p.Y)
	}
	return b.String()
}
