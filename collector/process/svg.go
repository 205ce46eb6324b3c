package process

import (
	"fmt"
	"html"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/faultline/faultline/internal/lang"
)

// style works in light and dark: all is drawn in the page's own colours. The
// present step is marked by a thick double frame and a word, not by colour alone.
const style = `.fl-p{font:12px system-ui,"Noto Sans CJK SC","Microsoft YaHei",sans-serif;color:inherit}
.fl-p:root{color-scheme:light dark;color:CanvasText}
.fl-p text{fill:currentColor}.fl-p .lane{fill:currentColor;fill-opacity:.045}.fl-p .lane.out{fill-opacity:.1}
.fl-p .box{fill:var(--surface,Canvas);stroke:currentColor;stroke-opacity:.7;stroke-width:1.2}
.fl-p .final .box{stroke-width:2.6}
.fl-p .edge{fill:none;stroke:currentColor;stroke-opacity:.55;stroke-width:1.1}.fl-p .back{stroke-opacity:.4}.fl-p .timeout,.fl-p .failed{stroke-dasharray:4 3;stroke-opacity:.35}
.fl-p .tip{fill:currentColor;fill-opacity:.65}.fl-p .word{font-size:10px;fill-opacity:.85;paint-order:stroke;stroke:var(--surface,Canvas);stroke-width:3px}
.fl-p .now .box{stroke:var(--accent,#1668c7);stroke-opacity:1;stroke-width:3}.fl-p .now .halo{fill:none;stroke:var(--accent,#1668c7);stroke-width:1.2}
.fl-p .limit{font-size:10px;fill-opacity:.75}.fl-p .head{font-size:18px;font-weight:600}.fl-p .sub{fill-opacity:.7}.fl-p .rule{stroke:currentColor;stroke-opacity:.25}.fl-p .th{font-weight:600;fill-opacity:.75}
.fl-p .now text{font-weight:700}.fl-p .flag{font-size:10px;fill:var(--accent,#1668c7)}`

// SVG draws the process with its lanes and limits, in the language, and marks
// the current step ("" marks none). In a page it takes the page's colours,
// --surface and --accent if they are set; as a file of its own it follows the
// reader's light or dark setting.
func SVG(d *Definition, current, language string) string {
	l := arrange(d.Graph())
	return sheet{d: d, layout: l, language: language}.svg(current, l.height, "", "")
}

// sheet is a drawing of one definition.
type sheet struct {
	layout
	d        *Definition
	language string
}

func (l sheet) svg(current string, height float64, before, after string) string {
	title := esc(l.d.Title.In(l.language))
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" class="fl-p" role="img" aria-label="%s" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" style="max-width:100%%;height:auto" lang="%s">`,
		title, l.width, height, l.width, height, esc(l.language))
	fmt.Fprintf(&b, "<style>%s</style><title>%s</title>", style, title)
	b.WriteString(`<defs><marker id="fl-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>`)
	b.WriteString(before)
	for n, lane := range l.graph.Lanes {
		l.lane(&b, n, lane, l.language)
	}
	words := l.edges(&b, l.language)
	for _, n := range l.graph.Nodes {
		l.node(&b, n, n.ID == current)
	}
	b.WriteString(words)
	b.WriteString(after)
	b.WriteString("</svg>")
	return b.String()
}

func (l layout) lane(b *strings.Builder, n int, lane Lane, language string) {
	class := "lane"
	if lane.External {
		class = "lane out"
	}
	y, h := l.laneY[n], l.laneH[n]
	fmt.Fprintf(b, `<rect class="%s" x="%.0f" y="%.1f" width="%.0f" height="%.1f" rx="4"/>`, class, margin, y, l.width-2*margin, h)
	lines := wrap(lane.Title.In(language), int(h/7))
	for i, line := range lines {
		x := margin + laneHead/2 + 4 + (float64(i)-float64(len(lines)-1)/2)*13
		fmt.Fprintf(b, `<text transform="translate(%.1f %.1f) rotate(-90)" text-anchor="middle">%s</text>`, x, y+h/2, esc(line))
	}
}

func (l sheet) node(b *strings.Builder, n Node, now bool) {
	language := l.language
	p := l.places[n.ID]
	class, radius := n.Kind, 6.0
	if n.Kind == "start" || n.Kind == "final" {
		radius = boxH / 2
	}
	if now {
		class += " now"
	}
	title := n.Title.In(language)
	fmt.Fprintf(b, `<g class="%s" data-step="%s"><title>%s</title>`, class, esc(n.ID), esc(title+l.remedyTip(n.ID)))
	if now {
		fmt.Fprintf(b, `<rect class="halo" x="%.1f" y="%.1f" width="%.0f" height="%.0f" rx="%.0f"/>`, p.x-5, p.y-5, boxW+10, boxH+10, radius+4)
		fmt.Fprintf(b, `<text class="flag" x="%.1f" y="%.1f">%s</text>`, p.x, p.y-8, esc(lang.Text{ZH: "▶ 当前步骤", EN: "▶ now"}.In(language)))
	}
	fmt.Fprintf(b, `<rect class="box" x="%.1f" y="%.1f" width="%.0f" height="%.0f" rx="%.0f"/>`, p.x, p.y, boxW, boxH, radius)
	limits := l.limits(n.ID)
	lines, centre := wrap(mark(n.Kind)+title, 24), p.y+boxH/2+4
	if limits != "" {
		centre -= 8
		fmt.Fprintf(b, `<text class="limit" x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, p.x+boxW/2, p.y+boxH-7, esc(limits))
	}
	if len(lines) > 3 {
		lines = append(lines[:2], lines[2]+"…")
	}
	for i, line := range lines {
		y := centre + (float64(i)-float64(len(lines)-1)/2)*14
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, p.x+boxW/2, y, esc(line))
	}
	b.WriteString("</g>")
}

// mark tells the kinds of steps apart without colour.
func mark(kind string) string {
	return map[string]string{"decision": "◇ ", "approval": "✓ ", "verify": "≈ "}[kind]
}

// maxWords bounds the words before one step; the others are in the tool tips.
const maxWords = 3

// edges draws the arrows and returns their words, which lie above the boxes.
// Arrows that lead back have their words in the tool tip only.
func (l sheet) edges(b *strings.Builder, language string) string {
	var words strings.Builder
	in, drawn := map[string]int{}, map[string]bool{}
	for k, e := range l.graph.Edges {
		key := e.From + ">" + e.To
		if drawn[key] && e.Kind == "timeout" {
			continue // it leads where another arrow leads already
		}
		drawn[key] = true
		from, to := l.places[e.From], l.places[e.To]
		label := e.Label.In(language)
		class := e.Kind
		if to.col <= from.col {
			class += " back"
		}
		fmt.Fprintf(b, `<path class="edge %s" d="%s" marker-end="url(#fl-tip)"><title>%s</title></path>`, class, path(way(from, to, k)), esc(label))
		if e.Kind == "timeout" || to.col <= from.col || in[e.To] == maxWords {
			continue
		}
		fmt.Fprintf(&words, `<text class="word" x="%.1f" y="%.1f" text-anchor="end"><title>%s</title>%s</text>`,
			to.x-9, to.y+boxH/2-5-12*float64(in[e.To]), esc(label), esc(short(label)))
		in[e.To]++
	}
	return words.String()
}

// wrap breaks text into lines of at most width columns; a Chinese character
// takes two.
func wrap(s string, width int) []string {
	var lines []string
	line, used := "", 0
	for _, word := range pieces(s) {
		w := columnsOf(word)
		if used > 0 && used+w > width {
			lines = append(lines, strings.TrimSpace(line))
			line, used = "", 0
		}
		line += word
		used += w
	}
	return append(lines, strings.TrimSpace(line))
}

// pieces are where a line may break: after a space, and around each Chinese
// character but not before punctuation.
func pieces(s string) []string {
	var out []string
	start := 0
	for at, r := range s {
		if at > start && r > 0x2e80 && !slices.Contains([]rune("，。、？！：；）"), r) {
			out = append(out, s[start:at])
			start = at
		}
		if r == ' ' {
			out = append(out, s[start:at+1])
			start = at + 1
		}
	}
	return append(out, s[start:])
}

func columnsOf(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0x2e80 {
			n++
		}
	}
	return n
}

// short is what fits between two columns.
func short(s string) string {
	n := 0
	for at, r := range s {
		n += columnsOf(string(r))
		if n > 17 {
			return strings.TrimSpace(s[:at]) + "…"
		}
	}
	return s
}

func esc(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "?")
	}
	return html.EscapeString(s)
}
