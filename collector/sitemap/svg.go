package sitemap

import (
	"fmt"
	"html"
	"strings"
	"unicode/utf8"

	"github.com/faultline/faultline/internal/lang"
)

// Sizes in pixels of the drawing.
const (
	boxWidth, boxHeight = 172.0, 46.0
	gapX, gapY          = 18.0, 36.0
	lineGap             = 18.0 // between the lines of one row
	margin              = 14.0
	legendHeight        = 30.0
	perRow              = 6 // more things of a row go below each other
)

// style works in light and dark, and says nothing by colour alone: each state has
// a sign, a word, and a frame of its own.
const style = `.fl-s{font:12px system-ui,"Noto Sans CJK SC","Microsoft YaHei",sans-serif;color-scheme:light dark;color:CanvasText}
.fl-s text{fill:currentColor}.fl-s .box{fill:Canvas;stroke:currentColor;stroke-opacity:.6}.fl-s .small{font-size:10px;fill-opacity:.8}
.fl-s .edge{fill:none;stroke:currentColor;stroke-opacity:.45;stroke-width:1.4}.fl-s .feed{font-size:11px;fill-opacity:.7}.fl-s .feed.off{fill:#c9372c;fill-opacity:1}
.fl-s .gone{stroke-dasharray:6 4;stroke:#b3261e;stroke-opacity:.8}
.fl-s .up .box{stroke:#176b34;stroke-opacity:.9}.fl-s .up .sign{fill:#2c8a4b}
.fl-s .down .box{stroke:#b3261e;stroke-opacity:1;stroke-width:2}.fl-s .down .sign,.fl-s .cause .sign{fill:#c9372c}
.fl-s .unreachable .box{stroke:#9a6700;stroke-opacity:1;stroke-dasharray:7 3}.fl-s .unreachable .sign{fill:#9a6700}
.fl-s .unknown .box{stroke-dasharray:2 3}
.fl-s .cause .box{stroke:#b3261e;stroke-opacity:1;stroke-width:3;fill:#b3261e;fill-opacity:.12}.fl-s .cause .halo{fill:none;stroke:#b3261e}
.fl-s .beyond .box{fill-opacity:.4}.fl-s .sign{font-weight:700;font-size:14px}.fl-s .name{font-weight:600}`

// look is how a state is drawn and called.
type look struct {
	class, sign string
	word        lang.Text
}

var looks = map[State]look{
	Unknown:     {"unknown", "?", lang.Text{ZH: "未知", EN: "unknown"}},
	Up:          {"up", "✓", lang.Text{ZH: "正常", EN: "up"}},
	Unreachable: {"unreachable", "⊘", lang.Text{ZH: "不可达", EN: "unreachable"}},
	Down:        {"down", "✕", lang.Text{ZH: "故障", EN: "down"}},
	Cause:       {"cause", "✕", lang.Text{ZH: "根因", EN: "root cause"}},
}

// point is where a node's box begins.
type point struct{ x, y float64 }

// SVG draws the map in the language. It stands alone, follows the reader's light
// or dark setting, and runs nothing.
func (m Map) SVG(language string) []byte {
	at, width, height := m.place()
	var b strings.Builder
	title := m.Title.In(language)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" class="fl-s" role="img" aria-label="%s" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" lang="%s">`,
		esc(title), width, height, width, height, esc(language))
	fmt.Fprintf(&b, "<style>%s</style><title>%s</title>", style, esc(title))
	for _, e := range m.Edges {
		if !e.Power {
			m.edge(&b, e, at)
		}
	}
	for _, n := range m.Nodes {
		n.draw(&b, at[n.ID], language)
		m.feed(&b, n, at[n.ID], language)
	}
	legend(&b, height-legendHeight+8, language)
	b.WriteString("</svg>")
	return []byte(b.String())
}

// place works out where the boxes stand; rows with many things take several.
func (m Map) place() (at map[string]point, width, height float64) {
	at = map[string]point{}
	most := 4 // the legend needs some room
	for row := range m.Rows {
		most = max(most, min(len(m.row(row)), perRow))
	}
	width = 2*margin + float64(most)*(boxWidth+gapX) - gapX
	y := margin
	for row := range m.Rows {
		of := m.row(row)
		for len(of) > 0 {
			n := min(len(of), perRow)
			x := (width - float64(n)*(boxWidth+gapX) + gapX) / 2
			for _, node := range of[:n] {
				at[node.ID] = point{x, y}
				x += boxWidth + gapX
			}
			of = of[n:]
			if len(of) > 0 {
				y += boxHeight + lineGap
			}
		}
		y += boxHeight + gapY
	}
	return at, width, y - gapY + margin + legendHeight
}

func (m Map) row(row int) []Node {
	var of []Node
	for _, n := range m.Nodes {
		if n.Row == row {
			of = append(of, n)
		}
	}
	return of
}

// edge draws what carries a thing: down to a bus above its row, along that, and
// down to it. A row that takes several lines has a bus for each, joined at the
// left.
func (m Map) edge(b *strings.Builder, e Edge, at map[string]point) {
	from, to := at[e.From], at[e.To]
	class := "edge"
	if s := m.state(e.From); s == Cause || s == Down || s == Unreachable {
		class += " gone"
	}
	x1, y1, x2, y2 := from.x+boxWidth/2, from.y+boxHeight, to.x+boxWidth/2, to.y
	if y2 <= y1 { // a loop, or beside it
		fmt.Fprintf(b, `<path class="%s" d="M%.1f %.1fL%.1f %.1f"/>`, class, x1, from.y+boxHeight/2, x2, to.y+boxHeight/2)
		return
	}
	fmt.Fprintf(b, `<path class="%s" d="M%.1f %.1f`, class, x1, y1)
	if first := y1 + gapY/2; y2-first > gapY/2+1 { // not the line next below
		fmt.Fprintf(b, `V%.1fH%.1f`, first, margin/2)
		fmt.Fprintf(b, `V%.1f`, y2-lineGap/2)
		fmt.Fprintf(b, `H%.1fV%.1f"/>`, x2, y2)
		return
	}
	fmt.Fprintf(b, `V%.1fH%.1fV%.1f"/>`, (y1+y2)/2, x2, y2)
}

func (m Map) state(id string) State {
	for _, n := range m.Nodes {
		if n.ID == id {
			return n.State
		}
	}
	return Unknown
}

// draw draws the node's box with its sign, name and state.
func (n Node) draw(b *strings.Builder, p point, language string) {
	l, class := looks[n.State], ""
	if n.Beyond {
		class = " beyond"
	}
	radius := 5.0
	if n.Kind == "line" {
		radius = boxHeight / 2
	}
	word := l.word.In(language)
	if n.Note != "" {
		word += " · " + n.Note
	}
	name := n.Name.In(language)
	if name == "" {
		name = n.ID
	}
	fmt.Fprintf(b, `<g class="%s%s" transform="translate(%.1f %.1f)"><title>%s</title>`, l.class, class, p.x, p.y, esc(name+" ("+n.ID+"): "+word))
	if n.State == Cause {
		fmt.Fprintf(b, `<rect class="halo" x="-4" y="-4" width="%.0f" height="%.0f" rx="%.0f"/>`, boxWidth+8, boxHeight+8, radius+4)
	}
	fmt.Fprintf(b, `<rect class="box" width="%.0f" height="%.0f" rx="%.0f"/>`, boxWidth, boxHeight, radius)
	fmt.Fprintf(b, `<text class="sign" x="14" y="28">%s</text><text class="name" x="32" y="20">%s</text><text class="small" x="32" y="35">%s</text></g>`,
		l.sign, esc(short(name, 18)), esc(short(word, 22)))
}

// feed marks a thing that something of the picture feeds, and whether all that
// could has failed.
func (m Map) feed(b *strings.Builder, n Node, p point, language string) {
	var by []string
	off := true
	for _, e := range m.Edges {
		if e.To != n.ID || !e.Power {
			continue
		}
		for _, source := range m.Nodes {
			if source.ID == e.From {
				by = append(by, source.Name.In(language))
				off = off && (source.State == Cause || source.State == Down)
			}
		}
	}
	if len(by) == 0 {
		return
	}
	class := "feed"
	if off {
		class += " off"
	}
	fmt.Fprintf(b, `<text class="%s" x="%.1f" y="%.1f">⚡<title>%s</title></text>`, class, p.x+boxWidth-18, p.y+boxHeight-8, esc(strings.Join(by, " / ")))
}

func legend(b *strings.Builder, y float64, language string) {
	x := margin
	for _, s := range []State{Cause, Down, Unreachable, Unknown, Up} {
		l := looks[s]
		word := l.word.In(language)
		fmt.Fprintf(b, `<g class="%s" transform="translate(%.1f %.1f)"><rect class="box" width="22" height="14" rx="3"/><text class="sign" x="6" y="11.5" style="font-size:11px">%s</text><text class="small" x="28" y="11">%s</text></g>`,
			l.class, x, y, l.sign, esc(word))
		x += 46 + 6.5*float64(columns(word))
	}
	fed := lang.Text{ZH: "由 UPS 等供电", EN: "fed by a UPS or the like"}.In(language)
	fmt.Fprintf(b, `<text class="feed" x="%.1f" y="%.1f">⚡</text><text class="small" x="%.1f" y="%.1f">%s</text>`, x, y+11, x+16, y+11, esc(fed))
}

// columns is how wide a text is, in letters: Chinese ones take two.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0x2e80 {
			n++
		}
	}
	return n
}

// short cuts a text to so many letters' room, in the middle: names differ in
// their numbers at the end.
func short(s string, most int) string {
	if columns(s) <= most {
		return s
	}
	head, tail := s, s
	for columns(head) > (most-1)*2/3 {
		_, size := utf8.DecodeLastRuneInString(head)
		head = head[:len(head)-size]
	}
	for columns(head)+1+columns(tail) > most {
		_, size := utf8.DecodeRuneInString(tail)
		tail = tail[size:]
	}
	return head + "…" + tail
}

func esc(s string) string { return html.EscapeString(s) }
