package process

// Sizes of the drawing, in its own units (pixels at 100 %).
const (
	boxW, boxH = 158.0, 66.0
	gapX, gapY = 112.0, 34.0 // between columns and between rows; arrows and their words run there
	laneHead   = 34.0        // the lane's name, written sideways
	margin     = 8.0
)

// place is where a node is drawn.
type place struct {
	col, lane, row int
	x, y           float64 // top left
}

// layout is a drawing before it is written down.
type layout struct {
	graph         Graph
	places        map[string]place
	laneY, laneH  []float64
	width, height float64
}

// arrange puts every step into its lane's row and into the column after its
// predecessors; steps of one lane and column stand below each other.
func arrange(g Graph) layout {
	l := layout{graph: g, places: map[string]place{}}
	lanes := map[string]int{}
	for n, lane := range g.Lanes {
		lanes[lane.Role] = n
	}
	cols := columns(g)
	rows := make([]int, len(g.Lanes))
	taken := map[[3]int]bool{}
	last := 0
	for _, n := range g.Nodes {
		p := place{col: cols[n.ID], lane: lanes[n.Lane]}
		for taken[[3]int{p.col, p.lane, p.row}] {
			p.row++
		}
		taken[[3]int{p.col, p.lane, p.row}] = true
		rows[p.lane], last = max(rows[p.lane], p.row+1), max(last, p.col)
		l.places[n.ID] = p
	}
	y := margin
	for n := range g.Lanes {
		h := float64(rows[n])*(boxH+gapY) + gapY/2
		l.laneY, l.laneH = append(l.laneY, y), append(l.laneH, h)
		y += h + 4
	}
	for id, p := range l.places {
		p.x = margin + laneHead + gapX/2 + float64(p.col)*(boxW+gapX)
		p.y = l.laneY[p.lane] + gapY*0.8 + float64(p.row)*(boxH+gapY)
		l.places[id] = p
	}
	l.width = margin*2 + laneHead + float64(last+1)*(boxW+gapX)
	l.height = y + margin
	return l
}

// columns gives each node the column after the last of those that lead to it
// in the file's order; what leads back does not count.
func columns(g Graph) map[string]int {
	order, cols := map[string]int{}, map[string]int{}
	for n, node := range g.Nodes {
		order[node.ID] = n
	}
	for _, node := range g.Nodes {
		for _, e := range g.Edges {
			if e.From == node.ID && order[e.To] > order[e.From] && e.Kind != "timeout" {
				cols[e.To] = max(cols[e.To], cols[e.From]+1)
			}
		}
	}
	return cols
}
