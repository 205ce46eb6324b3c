package ticket

import (
	"embed"
	"fmt"
	htmltemplate "html/template"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/faultline/faultline/collector/effect"
	"github.com/faultline/faultline/collector/effect/ticket/chart"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/lang"
	desk "github.com/faultline/faultline/plugins/ticket"
)

//go:embed templates
var files embed.FS

// kinds are the templates by what they ask for, and whom they are for.
var kinds = map[string]string{
	incident.VendorCarrier:  "carrier-circuit-fault",
	incident.VendorSupplier: "device-repair",
	incident.VendorUPS:      "power-repair",
	incident.VendorDB:       "database-support",
}

// Input is what a message is written from.
type Input struct {
	Effect   incident.Effect
	Incident incident.Incident
	Vendor   inventory.Vendor
	Graph    *inventory.Graph
	Now      time.Time
	Charts   []chart.Chart // what was measured over time; drawn into the mail
	OnSite   string        // whom to call on site; "" is the site's contact
	Until    time.Time     // until when he can be called; zero: not said
	PageURL  string        // where the vendor answers without an account; "" has no such page
}

// Message is a written ticket message. HTML shows the attachments that it names
// by cid: and their names; the others are to be kept.
type Message struct {
	Subject, Body, HTML string
	Attachments         []desk.Attachment
}

// Renderer writes the messages to vendors. It may be used from several goroutines.
type Renderer struct {
	templates map[string]*template.Template // by language and template name
	html      *htmltemplate.Template
}

// NewRenderer parses the templates.
func NewRenderer() (*Renderer, error) {
	r := &Renderer{templates: map[string]*template.Template{}}
	for _, language := range []string{lang.ZH, lang.EN} {
		for _, kind := range kinds {
			t, err := template.New("").Funcs(template.FuncMap{"inc": func(n int) int { return n + 1 }}).Option("missingkey=error").ParseFS(files,
				"templates/common."+language+".tmpl", "templates/"+kind+"."+language+".tmpl")
			if err != nil {
				return nil, fmt.Errorf("ticket templates: %w", err)
			}
			r.templates[language+"/"+kind] = t
		}
	}
	var err error
	if r.html, err = htmltemplate.New("page").ParseFS(files, "templates/page.html.tmpl"); err != nil {
		return nil, fmt.Errorf("ticket templates: %w", err)
	}
	return r, nil
}

// Render writes the message.
func (r *Renderer) Render(in Input) (Message, error) {
	v := newView(in)
	t := r.pick(in)
	subject, err := run(t, "subject", v)
	if err != nil {
		return Message{}, err
	}
	body, err := run(t, "body", v)
	if err != nil {
		return Message{}, err
	}
	m := Message{Subject: strings.Join(strings.Fields(subject), " "), Body: tidy(body)}
	return m, r.page(&m, t, v, in)
}

// pick returns the template the process names, else the one for the vendor's
// kind; a kind without one of its own is asked as a supplier is.
func (r *Renderer) pick(in Input) *template.Template {
	l := language(in.Vendor)
	for _, name := range []string{in.Effect.Params[effect.Template], kinds[in.Effect.Params[effect.VendorKind]], kinds[in.Vendor.Kind]} {
		if t, ok := r.templates[l+"/"+name]; ok {
			return t
		}
	}
	return r.templates[l+"/"+kinds[incident.VendorSupplier]]
}

func run(t *template.Template, name string, v view) (string, error) {
	var b strings.Builder
	if err := t.ExecuteTemplate(&b, name, v); err != nil {
		return "", fmt.Errorf("write ticket: %w", err)
	}
	return b.String(), nil
}

// tidy leaves at most one empty line in a row and none at the ends.
func tidy(s string) string {
	var out []string
	for line := range strings.Lines(s) {
		line = strings.TrimRight(line, " \t\r\n")
		if line == "" && (len(out) == 0 || out[len(out)-1] == "") {
			continue
		}
		out = append(out, line)
	}
	return strings.TrimRight(strings.Join(out, "\n"), "\n") + "\n"
}

// language is the vendor's; Chinese when the inventory does not say.
func language(v inventory.Vendor) string {
	if v.Language == "" || strings.HasPrefix(strings.ToLower(v.Language), "zh") {
		return lang.ZH
	}
	return lang.EN
}

// view is what the templates see: words in the reader's language, times in the
// site's zone.
type view struct {
	Reason    string // one of effect.Reason…
	Comment   string
	Told      string // what the vendor was told first, for messages that take it back
	Practice  bool
	Number    string
	Vendor    string
	Site      place
	Class     string
	WasClass  string // before a re-classification
	Severity  string
	Title     string
	Proof     string
	Decides   string // what would settle a provisional diagnosis; "" when it is settled
	Line      *line
	Device    *device
	Component string
	Since     string
	Lasted    string
	Recovered string
	Sides     []side // what was measured, by where it was seen from
	Answers   []string
	Until     string // until when the contact on site can be called
	RepairBy  string // as agreed: when the vendor's clock runs out
	PageURL   string
	Late      *late // to the next contact, after nobody answered; nil in all other messages
	Affected  []string
	More      int // affected beyond those named
	Contract  string
}

type place struct{ Name, Address, Contact string }

type line struct {
	Name, Circuit, Role, Bandwidth string
	A, B                           string
}

type device struct{ Name, Kind, Model, Serial, Address string }

// maxAffected is how many affected things a message names.
const maxAffected = 10

func newView(in Input) view {
	l, i, d := language(in.Vendor), in.Incident, in.Incident.Diagnosis
	zone := in.Graph.Location(d.Site)
	v := view{
		Reason: reasonOf(in.Effect, i), Comment: in.Effect.Params[effect.Comment], Practice: i.Practice,
		Number: i.Number, Vendor: in.Vendor.Name.In(l), Class: classes[d.Class].In(l), Severity: severities[i.Severity].In(l),
		Title: d.Title.In(l), Proof: d.Proof.In(l), Component: d.Component, Since: clock(i.FaultAt, zone),
		Sides: sides(in.Graph, d.Evidence, l, zone), Affected: d.Affected, Until: clock(in.Until, zone), PageURL: in.PageURL,
		RepairBy: clock(repairBy(i), zone),
	}
	if v.Late = lateOf(in, zone); v.Late != nil {
		v.Comment = "" // it tells our own people what this message says at length
	}
	if asks(v.Reason) {
		v.Answers = answersFor(kindOf(in), l)
	}
	if v.Reason == effect.ReasonWithdrawn || v.Reason == effect.ReasonFolded {
		// The diagnosis is another vendor's by now: speak of what this one knows.
		if v.Told = told(i, Key(i.ID, in.Vendor.ID), in.Effect.Key); v.Told != "" {
			v.Title = v.Told
		}
	}
	if i.FirstClass != d.Class {
		v.WasClass = classes[i.FirstClass].In(l)
	}
	if d.Provisional {
		v.Decides = d.Decides.In(l)
		if v.Decides == "" {
			v.Decides = moreEvidence.In(l)
		}
	}
	end := in.Now
	if !i.RecoveredAt.IsZero() {
		v.Recovered, end = clock(i.RecoveredAt, zone), i.RecoveredAt
	}
	v.Lasted = lasted(end.Sub(i.FaultAt), l)
	if len(v.Affected) > maxAffected {
		v.Affected, v.More = v.Affected[:maxAffected], len(v.Affected)-maxAffected
	}
	if s, ok := in.Graph.Site(d.Site); ok {
		v.Site = place{s.Name.In(l), s.Address, s.Contact}
		v.Practice = v.Practice || s.Practice
	} else {
		v.Site.Name = d.Site
	}
	if in.OnSite != "" {
		v.Site.Contact = in.OnSite
	}
	v.Line, v.Device = lineOf(in.Graph, d, l), deviceOf(in.Graph, d, l)
	if c, ok := in.Graph.ContractFor(d.Device, in.Now); ok {
		v.Contract = c.ID
	}
	return v
}

// told is the subject of the first message of a ticket that was sent, without
// the incident's number; "" when none was.
func told(i incident.Incident, ticketKey, not string) string {
	at := slices.IndexFunc(i.Tickets, func(t incident.Ticket) bool { return t.Key == ticketKey })
	if at < 0 {
		return ""
	}
	for _, m := range i.Tickets[at].Messages {
		if m.Subject != "" && m.Key != not {
			return strings.TrimPrefix(m.Subject, "[FL#"+i.Number+"] ")
		}
	}
	return ""
}

func lineOf(g *inventory.Graph, d incident.Diagnosis, l string) *line {
	x, ok := g.Line(d.Device)
	if !ok {
		return nil
	}
	out := &line{Name: x.Name.In(l), Circuit: x.Circuit, Role: lineRoles[x.Role].In(l), A: end(g, x.AEnd, l), B: end(g, x.BEnd, l)}
	if strings.Contains(strings.ToLower(out.Name), strings.ToLower(out.Role)) {
		out.Role = "" // its name says so already
	}
	if out.Circuit == "" {
		out.Circuit = d.Circuit
	}
	if x.Mbps > 0 {
		out.Bandwidth = fmt.Sprintf("%g Mbit/s", x.Mbps)
	}
	return out
}

// end describes one end of a line: site, device, interface, address.
func end(g *inventory.Graph, e inventory.End, l string) string {
	var parts []string
	if s, ok := g.Site(g.SiteOf(e.Device)); ok {
		parts = append(parts, s.Name.In(l))
	}
	for _, p := range []string{e.Device, e.Interface} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	if e.Address != "" {
		parts = append(parts, "("+e.Address+")")
	}
	return strings.Join(parts, " ")
}

func deviceOf(g *inventory.Graph, d incident.Diagnosis, l string) *device {
	x, ok := g.Device(d.Device)
	if !ok {
		return nil
	}
	out := &device{Name: x.ID, Kind: deviceKinds[x.Kind].In(l), Model: strings.TrimSpace(x.Vendor + " " + x.Model), Serial: x.Serial}
	if name := x.Name.In(l); name != "" && name != x.ID {
		out.Name = name + " (" + x.ID + ")"
	}
	if len(x.Addresses) > 0 {
		out.Address = x.Addresses[0]
	}
	return out
}

// clock is a moment as people on site read it.
func clock(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return ""
	}
	return t.In(zone).Format("2006-01-02 15:04:05 -07:00")
}
