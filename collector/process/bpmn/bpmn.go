// Package bpmn writes a process as BPMN 2.0 with lanes and diagram interchange,
// for tools that read nothing else. It is an export: what BPMN has no word for
// (suggestions, guards, pauses) goes into documentation and annotations.
package bpmn

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/faultline/faultline/collector/process"
)

// writer makes the model and its diagram together.
type writer struct {
	d           *process.Definition
	draw        process.Drawing
	lang        string
	model, diag bytes.Buffer
	lanes       map[string][]string // role → flow nodes in it
	flows       int
	from        map[string]string // step → flow node its sequence flows leave from
}

const head = `<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI" xmlns:dc="http://www.omg.org/spec/DD/20100524/DC" xmlns:di="http://www.omg.org/spec/DD/20100524/DI" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" id="definitions" targetNamespace="urn:faultline:process" exporter="Faultline" exporterVersion="1">
`

// Export returns the process as BPMN 2.0 XML, its words in the language.
func Export(d *process.Definition, language string) ([]byte, error) {
	w := &writer{d: d, draw: d.Drawing(), lang: language, lanes: map[string][]string{}, from: map[string]string{}}
	for n := range d.Steps {
		w.step(n, &d.Steps[n])
	}
	w.edges()
	var out bytes.Buffer
	out.WriteString(head)
	fmt.Fprintf(&out, "<bpmn:collaboration id=\"collaboration\">\n<bpmn:participant id=\"pool\" name=\"%s\" processRef=\"%s\"/>\n</bpmn:collaboration>\n", w.text(d.Title.In(language)), w.id(d.ID))
	fmt.Fprintf(&out, "<bpmn:process id=\"%s\" name=\"%s\" isExecutable=\"false\">\n<bpmn:documentation>%s</bpmn:documentation>\n", w.id(d.ID), w.text(d.Title.In(language)), w.text(w.about()))
	w.laneSet(&out)
	out.Write(w.model.Bytes())
	out.WriteString("</bpmn:process>\n<bpmndi:BPMNDiagram id=\"diagram\">\n<bpmndi:BPMNPlane id=\"plane\" bpmnElement=\"collaboration\">\n")
	w.pool(&out)
	out.Write(w.diag.Bytes())
	out.WriteString("</bpmndi:BPMNPlane>\n</bpmndi:BPMNDiagram>\n</bpmn:definitions>\n")
	return out.Bytes(), xml.Unmarshal(out.Bytes(), new(struct{ XMLName xml.Name }))
}

func (w *writer) id(id string) string { return "p_" + id }

func (w *writer) text(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(strings.ToValidUTF8(s, "?"))) // a buffer takes everything
	return strings.ReplaceAll(b.String(), "&#xA;", "\n")
}

// about is the version and the limits, for whom the drawing is not enough.
func (w *writer) about() string {
	lines := []string{w.d.Ref(), w.d.Source.Document + " " + w.d.Source.Section}
	for _, k := range w.d.Clocks {
		lines = append(lines, fmt.Sprintf("%s: %s (%s)", k.Title.In(w.lang), k.Target, k.Calendar))
	}
	return strings.Join(lines, "\n")
}

func (w *writer) laneSet(out *bytes.Buffer) {
	out.WriteString("<bpmn:laneSet id=\"lanes\">\n")
	for _, l := range w.draw.Lanes {
		fmt.Fprintf(out, "<bpmn:lane id=\"lane_%s\" name=\"%s\">\n", l.Role, w.text(l.Title.In(w.lang)))
		for _, node := range w.lanes[l.Role] {
			fmt.Fprintf(out, "<bpmn:flowNodeRef>%s</bpmn:flowNodeRef>\n", node)
		}
		out.WriteString("</bpmn:lane>\n")
	}
	out.WriteString("</bpmn:laneSet>\n")
}

// pool draws the pool and its lanes; the pool's name stands left of theirs.
func (w *writer) pool(out *bytes.Buffer) {
	boxes := w.draw.LaneBox
	first, last := boxes[0], boxes[len(boxes)-1]
	fmt.Fprintf(out, "<bpmndi:BPMNShape id=\"pool_di\" bpmnElement=\"pool\" isHorizontal=\"true\">%s</bpmndi:BPMNShape>\n",
		bounds(process.Box{X: first.X - 30, Y: first.Y, W: first.W + 30, H: last.Y + last.H - first.Y}))
	for n, l := range w.draw.Lanes {
		b := boxes[n]
		if n+1 < len(boxes) {
			b.H = boxes[n+1].Y - b.Y
		}
		fmt.Fprintf(out, "<bpmndi:BPMNShape id=\"lane_%s_di\" bpmnElement=\"lane_%s\" isHorizontal=\"true\">%s</bpmndi:BPMNShape>\n", l.Role, l.Role, bounds(b))
	}
}

func bounds(b process.Box) string {
	return fmt.Sprintf("<dc:Bounds x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>", b.X, b.Y, b.W, b.H)
}

// node writes a flow node and its shape.
func (w *writer) node(role, element, id, attrs, inner string, b process.Box) {
	fmt.Fprintf(&w.model, "<bpmn:%s id=\"%s\"%s>%s</bpmn:%s>\n", element, id, attrs, inner, element)
	fmt.Fprintf(&w.diag, "<bpmndi:BPMNShape id=\"%s_di\" bpmnElement=\"%s\">%s</bpmndi:BPMNShape>\n", id, id, bounds(b))
	w.lanes[role] = append(w.lanes[role], id)
}

// step writes a step: the first with a start event before it, a final one as an
// end event, one that leads to several as a task and a gateway, and one timer
// event at the border for each rung.
func (w *writer) step(n int, s *process.StepDef) {
	box, role := w.draw.Boxes[s.ID], w.roleOf(s.ID)
	title := fmt.Sprintf(" name=\"%s\"", w.text(s.Title.In(w.lang)))
	doc := "<bpmn:documentation>" + w.text(w.document(s)) + "</bpmn:documentation>"
	id := "s_" + s.ID
	w.from[s.ID] = id
	if s.Final {
		w.node(role, "endEvent", id, title, doc, middle(box, 36))
		return
	}
	element := "userTask"
	switch {
	case s.Guard != nil:
		element = "serviceTask"
	case s.Ticket != nil && s.Ticket.VendorKind != "":
		element = "sendTask"
	}
	w.node(role, element, id, title, doc, process.Box{X: box.X, Y: box.Y, W: box.W - 14, H: box.H})
	if n == 0 {
		start := process.Box{X: box.X - 46, Y: box.Y + box.H/2 - 13, W: 26, H: 26}
		w.node(role, "startEvent", "start", "", "", start)
		w.flow("start", id, "", []process.Point{{X: start.X + start.W, Y: start.Y + 13}, {X: box.X, Y: start.Y + 13}})
	}
	if ways := w.waysOut(s.ID); ways > 1 {
		gate := process.Box{X: box.X + box.W - 8, Y: box.Y + box.H/2 - 11, W: 22, H: 22}
		w.node(role, "exclusiveGateway", "g_"+s.ID, "", "", gate)
		w.flow(id, "g_"+s.ID, "", []process.Point{{X: box.X + box.W - 14, Y: box.Y + box.H/2}, {X: gate.X, Y: box.Y + box.H/2}})
		w.from[s.ID] = "g_" + s.ID
	}
	w.timers(s, box, role)
}

// timers writes a boundary event for each rung; those that only tell people do
// not interrupt and end in an event of their own.
func (w *writer) timers(s *process.StepDef, box process.Box, role string) {
	for n, r := range s.Timeout {
		id := fmt.Sprintf("t_%s_%d", s.ID, n)
		at := process.Box{X: box.X + 8 + float64(n)*30, Y: box.Y + box.H - 10, W: 20, H: 20}
		cal := r.Calendar
		def := fmt.Sprintf("<bpmn:timerEventDefinition id=\"%s_d\"><bpmn:timeDuration xsi:type=\"bpmn:tFormalExpression\">%s</bpmn:timeDuration></bpmn:timerEventDefinition>", id, duration(r.After))
		attrs := fmt.Sprintf(" name=\"%s\" attachedToRef=\"s_%s\" cancelActivity=\"%v\"", w.text(r.After+" "+cal), s.ID, r.To != "")
		w.node(role, "boundaryEvent", id, attrs, def, at)
		if r.To == "" {
			end := process.Box{X: at.X + 1, Y: at.Y + 26, W: 18, H: 18}
			w.node(role, "endEvent", id+"_told", fmt.Sprintf(" name=\"%s\"", w.text("→ "+w.people(r.Notify))),
				fmt.Sprintf("<bpmn:escalationEventDefinition id=\"%s_e\"/>", id), end)
			w.flow(id, id+"_told", "", []process.Point{{X: at.X + 10, Y: at.Y + 20}, {X: at.X + 10, Y: end.Y}})
		}
	}
}

// duration writes a span as ISO 8601 does.
func duration(after string) string {
	if days, ok := strings.CutSuffix(after, "d"); ok {
		return "P" + days + "D"
	}
	return "PT" + strings.ToUpper(after)
}

func (w *writer) people(ids []string) string {
	var out []string
	for _, id := range ids {
		if r, ok := w.d.Role(id); ok {
			out = append(out, r.Title.In(w.lang))
		}
	}
	return strings.Join(out, ", ")
}

// edges writes the sequence flows of the drawing.
func (w *writer) edges() {
	rung := map[string]int{}
	for n, e := range w.draw.Edges {
		from, to := w.from[e.From], w.draw.Boxes[e.To]
		points := append([]process.Point(nil), w.draw.Ways[n]...)
		switch {
		case e.Kind == "timeout":
			s, _ := w.d.Step(e.From)
			for rung[e.From] < len(s.Timeout) && s.Timeout[rung[e.From]].To == "" {
				rung[e.From]++
			}
			from = fmt.Sprintf("t_%s_%d", e.From, rung[e.From])
			box := w.draw.Boxes[e.From]
			points[0] = process.Point{X: box.X + 18 + float64(rung[e.From])*30, Y: box.Y + box.H + 10}
			points = append(points[:1], append([]process.Point{{X: points[0].X, Y: points[0].Y + 8}, {X: points[len(points)-2].X, Y: points[0].Y + 8}}, points[len(points)-2:]...)...)
			rung[e.From]++
		case strings.HasPrefix(from, "g_"):
			points[0].X = w.draw.Boxes[e.From].X + w.draw.Boxes[e.From].W + 14
		}
		if s, _ := w.d.Step(e.To); s.Final {
			points[len(points)-1].X = middle(to, 36).X
		}
		w.flow(from, "s_"+e.To, e.Label.In(w.lang), points)
	}
}

func (w *writer) flow(from, to, name string, points []process.Point) {
	w.flows++
	id := fmt.Sprintf("f_%d", w.flows)
	if name != "" {
		name = fmt.Sprintf(" name=\"%s\"", w.text(name))
	}
	fmt.Fprintf(&w.model, "<bpmn:sequenceFlow id=\"%s\"%s sourceRef=\"%s\" targetRef=\"%s\"/>\n", id, name, from, to)
	fmt.Fprintf(&w.diag, "<bpmndi:BPMNEdge id=\"%s_di\" bpmnElement=\"%s\">", id, id)
	for _, p := range points {
		fmt.Fprintf(&w.diag, "<di:waypoint x=\"%.1f\" y=\"%.1f\"/>", p.X, p.Y)
	}
	w.diag.WriteString("</bpmndi:BPMNEdge>\n")
}

func (w *writer) waysOut(id string) int {
	n := 0
	for _, e := range w.draw.Edges {
		if e.From == id && e.Kind != "timeout" {
			n++
		}
	}
	return n
}

func (w *writer) roleOf(id string) string {
	for _, n := range w.draw.Nodes {
		if n.ID == id {
			return n.Lane
		}
	}
	return ""
}

// document is what the step asks for, in words.
func (w *writer) document(s *process.StepDef) string {
	var lines []string
	add := func(zh, en, what string) {
		if what != "" {
			label := en
			if w.lang == "zh-CN" {
				label = zh
			}
			lines = append(lines, label+": "+what)
		}
	}
	add("问责", "accountable", w.people([]string{s.RACI.A}))
	add("征询", "consulted", w.people(s.RACI.C))
	add("知会", "informed", w.people(s.RACI.I))
	if s.Decide != nil {
		add("判断", "question", s.Decide.Prompt.In(w.lang))
	}
	if s.Approve != nil {
		add("批准", "approves", fmt.Sprintf("%s ×%d", w.people([]string{s.Approve.By}), s.Approve.Min))
	}
	w.remedy(s, add)
	if s.Guard != nil {
		add("恢复须保持", "recovery must hold", s.Guard.Hold)
	}
	add("文件", "documents", strings.Join(s.Documents, ", "))
	add("产生", "produces", strings.Join(s.Produce, ", "))
	return strings.Join(lines, "\n")
}

func middle(b process.Box, size float64) process.Box {
	return process.Box{X: b.X + b.W/2 - size/2, Y: b.Y + b.H/2 - size/2, W: size, H: size}
}
