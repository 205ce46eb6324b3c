package reporter

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/document"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/plugins/notify"
)

var t0 = time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)

// desk is a service over a company in memory: what it did to incidents is kept.
type desk struct {
	*Service
	now     time.Time
	open    []incident.Incident
	facts   []incident.Event
	started []engine.Opening
	papers  []document.Document
	reports map[string]Report // by hash
	kv      map[string]string
	mails   []notify.Notice
	refuse  error
}

func newDesk(t *testing.T, l Limits) *desk {
	t.Helper()
	inv := &inventory.Inventory{
		Sites: []inventory.Site{{ID: "hq"}, {ID: "sh"}, {ID: "cd"}},
		Devices: []inventory.Device{{ID: "sh-rtr", Site: "sh", Kind: "router", DependsOn: []inventory.Dependency{{AnyOf: []string{"u:1"}, For: "network"}}},
			{ID: "sh-sw", Site: "sh", Kind: "switch", DependsOn: []inventory.Dependency{{AnyOf: []string{"sh-rtr"}, For: "network"}}},
			{ID: "sh-db", Site: "sh", Kind: "database"}, {ID: "cd-ups", Site: "cd", Kind: "ups"}},
		Lines: []inventory.Line{{ID: "u:1", Site: "sh", Carrier: "u"}},
	}
	g := inventory.NewGraph(inv)
	d := &desk{now: t0, reports: map[string]Report{}, kv: map[string]string{}}
	s, err := New(Options{Store: d, Documents: d, Settings: d, Graph: func() *inventory.Graph { return g }, Open: func(context.Context) []incident.Incident { return d.open },
		Incident: d.incident, Start: d.start, Handle: d.handle, Mail: d, Link: func(s string) string { return "https://x/r/" + s }, Key: []byte(strings.Repeat("k", 32)), Now: func() time.Time { return d.now },
		Confirm: func(i incident.Incident) (string, string, bool) { return "ok", "bad", i.Step == "confirm" }, Limits: l, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	d.Service = s
	return d
}

func (d *desk) incident(_ context.Context, id string) (incident.Incident, error) {
	for _, i := range d.open {
		if i.ID == id {
			return i, nil
		}
	}
	return incident.Incident{}, engine.ErrNotFound
}

func (d *desk) start(_ context.Context, o engine.Opening) (string, error) {
	d.started = append(d.started, o)
	i := incident.Incident{ID: "i" + o.FactID, Number: "N1", State: incident.StateOpen, Diagnosis: o.Diagnosis}
	d.open = append(d.open, i)
	return i.ID, nil
}

func (d *desk) handle(_ context.Context, e incident.Event) error {
	if d.refuse != nil && e.Kind != incident.Commented {
		return d.refuse
	}
	d.facts = append(d.facts, e)
	return nil
}

func (d *desk) PutReport(_ context.Context, r Report, hash string) error {
	d.reports[hash] = r
	return nil
}

func (d *desk) ReportByLink(_ context.Context, hash string) (Report, error) {
	r, ok := d.reports[hash]
	if !ok {
		return r, engine.ErrNotFound
	}
	return r, nil
}

func (d *desk) UpdateReport(_ context.Context, r Report) error {
	for h, had := range d.reports {
		if had.ID == r.ID {
			d.reports[h] = r
		}
	}
	return nil
}

func (d *desk) ReportsOf(context.Context, string) ([]Report, error) { return nil, nil }

func (d *desk) ReportsToTell(context.Context, int) (out []Report, err error) {
	for _, r := range d.reports {
		if !r.Over {
			out = append(out, r)
		}
	}
	return out, nil
}

func (d *desk) PutDocument(_ context.Context, p document.Document) error {
	d.papers = append(d.papers, p)
	return nil
}

func (d *desk) Documents(context.Context, string) ([]document.Document, error) { return d.papers, nil }

func (d *desk) Document(context.Context, string, string) (document.Document, error) {
	return document.Document{}, engine.ErrNotFound
}

func (d *desk) KVPut(_ context.Context, name, value string) error { d.kv[name] = value; return nil }

func (d *desk) KVList(_ context.Context, prefix string) (map[string]string, error) {
	out := map[string]string{}
	for k, v := range d.kv {
		if strings.HasPrefix(k, prefix) {
			out[k] = v
		}
	}
	return out, nil
}

func (d *desk) KVDelete(_ context.Context, names ...string) error {
	for _, n := range names {
		delete(d.kv, n)
	}
	return nil
}

func (d *desk) Name() string { return "mail" }

func (d *desk) Deliver(_ context.Context, n notify.Notice) error {
	d.mails = append(d.mails, n)
	return nil
}

var li = incident.Actor{Kind: "person", ID: "li", Name: "li", Role: "branch_it"}

func draft(change func(*Draft)) Draft {
	d := Draft{Site: "sh", Category: NetworkDown, Symptoms: "二楼没有网络", Name: "李", Contact: "li@example.com", Language: lang.ZH, By: li, Remote: "10.0.0.1"}
	if change != nil {
		change(&d)
	}
	return d
}

func openIncident(id, class, site, device string, affected ...string) incident.Incident {
	return incident.Incident{ID: id, State: incident.StateOpen, Diagnosis: incident.Diagnosis{Cause: "c/" + id, Rule: "r", Class: class, Site: site, Device: device, Affected: affected}}
}

// TestMatch says to which open incident a report belongs.
func TestMatch(t *testing.T) {
	d := newDesk(t, Limits{})
	line := openIncident("line", incident.ClassCarrierLine, "sh", "u:1", "sh-rtr")
	ups := openIncident("ups", incident.ClassPower, "cd", "cd-ups")
	room := openIncident("room", incident.ClassEnvironment, "sh", "sh-temp")
	power := openIncident("power", incident.ClassPower, "sh", "sh-ups")
	drill, child, verified, abroad := line, line, line, ups
	drill.ID, drill.Diagnosis.Cause = "drill", "drill/1/c"
	child.ID, child.ParentID = "child", "p"
	verified.ID, verified.State = "verified", incident.StateVerified
	abroad.ID, abroad.Diagnosis.Affected = "abroad", []string{"sh-rtr"}
	for name, c := range map[string]struct {
		open   []incident.Incident
		change func(*Draft)
		want   string
	}{
		"nothing is open":                         {want: ""},
		"its root":                                {open: []incident.Incident{ups, line}, change: func(d *Draft) { d.Device = "u:1" }, want: "line"},
		"affected":                                {open: []incident.Incident{line}, change: func(d *Draft) { d.Device = "sh-rtr" }, want: "line"},
		"upstream of it":                          {open: []incident.Incident{line}, change: func(d *Draft) { d.Device = "sh-sw" }, want: "line"},
		"upstream, but another by the person":     {open: []incident.Incident{line}, change: func(d *Draft) { d.Device, d.Join = "sh-sw", JoinNew }, want: ""},
		"its root, whatever the person says":      {open: []incident.Incident{line}, change: func(d *Draft) { d.Device, d.Join = "u:1", JoinNew }, want: "line"},
		"the only one with such symptoms":         {open: []incident.Incident{line, room}, want: "line"},
		"two would do":                            {open: []incident.Incident{line, power}, want: ""},
		"the only one, but another by the person": {open: []incident.Incident{line}, change: func(d *Draft) { d.Join = JoinNew }, want: ""},
		"recognised":                              {open: []incident.Incident{line, power, room}, change: func(d *Draft) { d.Join = "room" }, want: "room"},
		"recognised at another place":             {open: []incident.Incident{ups}, change: func(d *Draft) { d.Join = "ups" }, want: ""},
		"other symptoms":                          {open: []incident.Incident{line}, change: func(d *Draft) { d.Category = Security }, want: ""},
		"of another site":                         {open: []incident.Incident{ups}, change: func(d *Draft) { d.Category = Power }, want: ""},
		"of another site, affects this":           {open: []incident.Incident{abroad}, change: func(d *Draft) { d.Device = "sh-rtr" }, want: "abroad"},
		"an exercise":                             {open: []incident.Incident{drill}, change: func(d *Draft) { d.Device = "u:1" }, want: ""},
		"part of another":                         {open: []incident.Incident{child}, change: func(d *Draft) { d.Device = "u:1" }, want: ""},
		"proven to be over":                       {open: []incident.Incident{verified}, change: func(d *Draft) { d.Device = "u:1" }, want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, why, ok := Match(draft(c.change), c.open, d.o.Graph())
			if got.ID != c.want || ok != (c.want != "") || ok && (why.ZH == "" || why.EN == "") {
				t.Fatalf("got %q because %v", got.ID, why)
			}
		})
	}
}

func TestSubmit(t *testing.T) {
	d := newDesk(t, Limits{})
	ctx := t.Context()
	first, err := d.Submit(ctx, draft(func(d *Draft) { d.FactID, d.Photos = "f1", [][]byte{photo(t, 6)} }))
	if err != nil || first.Report.Joined || len(d.started) != 1 || d.started[0].Diagnosis.VendorKind != incident.VendorNone || first.Report.Photos != 1 || len(d.papers) != 1 {
		t.Fatalf("%+v, %v, %d", first, err, len(d.papers))
	}
	again, err := d.Submit(ctx, draft(func(d *Draft) { d.FactID = "f1" }))
	if err != nil || again.Secret != first.Secret || len(d.started) != 1 {
		t.Fatalf("sent twice: %+v, %v", again, err)
	}
	other, err := d.Submit(ctx, draft(func(d *Draft) { d.Name, d.Symptoms = "王", "三楼也没有" }))
	if err != nil || !other.Report.Joined || other.Report.IncidentID != first.Report.IncidentID || len(d.started) != 1 {
		t.Fatalf("a second person: %+v, %v", other, err)
	}
	if last := d.facts[len(d.facts)-1]; last.Kind != incident.Commented || !strings.Contains(last.Comment, "三楼也没有") || !strings.Contains(last.Comment, "王") {
		t.Fatalf("%+v", last)
	}
	for field, change := range map[string]func(*Draft){
		"site": func(d *Draft) { d.Site = "mars" }, "device": func(d *Draft) { d.Device = "cd-ups" }, "category": func(d *Draft) { d.Category = "x" },
		"symptoms": func(d *Draft) { d.Symptoms = "  " }, "name": func(d *Draft) { d.Name = strings.Repeat("x", 121) }, "photo": func(d *Draft) { d.Photos = [][]byte{[]byte("GIF89a")} },
	} {
		var fault *Fault
		if _, err := d.Submit(ctx, draft(change)); !errors.As(err, &fault) || fault.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, _, err := d.Follow(ctx, first.Secret+"x"); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("a wrong link opens: %v", err)
	}
}

// TestLimits takes so many reports and no more until the window is over.
func TestLimits(t *testing.T) {
	l := newLimiter(Limits{Address: 2, Site: 3, All: 5})
	var busy *BusyError
	for n, c := range []struct {
		site, remote string
		known, ok    bool
	}{{"a", "1", false, true}, {"a", "1", false, true}, {"a", "1", false, false}, {"a", "2", false, true}, {"a", "3", false, false}, {"a", "1", true, true}, {"b", "4", false, true}, {"b", "5", true, false}} {
		if err := l.take(c.site, c.remote, c.known, t0); (err == nil) != c.ok || !c.ok && !errors.As(err, &busy) {
			t.Fatalf("%d: %v", n, err)
		}
	}
	if err := l.take("a", "1", false, t0.Add(10*time.Minute)); err != nil {
		t.Fatal(err)
	}
}

// TestConfirm asks the reporter once recovery is proven, and does what they say.
func TestConfirm(t *testing.T) {
	for name, c := range map[string]struct {
		state, step, answer string
		joined              bool
		refuse              error
		kind                incident.Kind
		choice              string
	}{
		"yes decides":                     {incident.StateVerified, "confirm", AnswerOK, false, nil, incident.Decided, "ok"},
		"yes of one who joined is noted":  {incident.StateVerified, "confirm", AnswerOK, true, nil, incident.Commented, ""},
		"no counts whoever says it":       {incident.StateVerified, "confirm", AnswerBad, true, nil, incident.Decided, "bad"},
		"no after the end opens it again": {incident.StateClosed, "closed", AnswerBad, false, nil, incident.Reopened, ""},
		"papers are missing: noted":       {incident.StateVerified, "confirm", AnswerOK, false, &process.Refusal{Text: lang.Same("papers")}, incident.Commented, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, Limits{})
			got, err := d.Submit(t.Context(), draft(nil))
			if err != nil {
				t.Fatal(err)
			}
			var fault *Fault
			if err := d.Confirm(t.Context(), got.Secret, AnswerOK, ""); !errors.As(err, &fault) {
				t.Fatalf("confirmed while it lasts: %v", err)
			}
			d.open[0].State, d.open[0].Step, d.open[0].VerifiedAt = c.state, c.step, t0
			r := got.Report
			r.Joined = c.joined
			if err := d.UpdateReport(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			d.refuse = c.refuse
			if err := d.Confirm(t.Context(), got.Secret, c.answer, "谢谢"); err != nil {
				t.Fatal(err)
			}
			if last := d.facts[len(d.facts)-1]; last.Kind != c.kind || last.Choice != c.choice || !strings.Contains(last.Comment, "谢谢") {
				t.Fatalf("%+v", last)
			}
			if err := d.Confirm(t.Context(), got.Secret, AnswerBad, ""); !errors.As(err, &fault) {
				t.Fatalf("answered twice: %v", err)
			}
		})
	}
}

// TestMails tells each change once, and nothing to those who left a telephone number.
func TestMails(t *testing.T) {
	d := newDesk(t, Limits{})
	if _, err := d.Submit(t.Context(), draft(nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Submit(t.Context(), draft(func(d *Draft) { d.Contact = "8123" })); err != nil {
		t.Fatal(err)
	}
	step := func(want int, change func(*incident.Incident)) {
		t.Helper()
		if change != nil {
			change(&d.open[0])
		}
		for range 2 {
			if err := d.TellAll(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if len(d.mails) != want {
			t.Fatalf("%d mails, want %d", len(d.mails), want)
		}
	}
	step(1, nil)
	step(2, func(i *incident.Incident) { i.Acked = true })
	step(3, func(i *incident.Incident) { i.State, i.Practice = incident.StateVerified, true })
	step(4, func(i *incident.Incident) { i.State = incident.StateClosed })
	step(4, nil)
	if m := d.mails[2]; m.To != "li@example.com" || !strings.HasPrefix(m.Subject, "【演练】") || !strings.Contains(m.Body, "https://x/r/") {
		t.Fatalf("%+v", m)
	}
}

func TestSiteLinks(t *testing.T) {
	d := newDesk(t, Limits{})
	opens := func(site, secret string) bool {
		t.Helper()
		ok, err := d.Opens(t.Context(), site, secret)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if opens("sh", "") {
		t.Fatal("a site without a link is open")
	}
	if err := d.NewSiteLink(t.Context(), "sh"); err != nil {
		t.Fatal(err)
	}
	links, _ := d.SiteLinks(t.Context())
	old := links["sh"]
	if !opens("sh", old) || opens("cd", old) {
		t.Fatal("the link does not open its site only")
	}
	if err := d.NewSiteLink(t.Context(), "sh"); err != nil || opens("sh", old) {
		t.Fatalf("the old link still opens: %v", err)
	}
	if err := d.EndSiteLink(t.Context(), "sh"); err != nil || opens("sh", "") {
		t.Fatalf("an ended link opens: %v", err)
	}
}

// photo is a JPEG with EXIF that says how it is turned and where it was taken:
// its left half is red as stored.
func photo(t *testing.T, orientation uint16) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 40, 20))
	for y := range 20 {
		for x := range 40 {
			c := color.RGBA{0, 0, 255, 255}
			if x < 20 {
				c = color.RGBA{255, 0, 0, 255}
			}
			img.Set(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 100}); err != nil {
		t.Fatal(err)
	}
	exif := []byte("Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00GPS 31.23N 121.47E")
	binary.BigEndian.PutUint16(exif[24:], orientation)
	head := []byte{0xff, 0xd8, 0xff, 0xe1, 0, 0}
	binary.BigEndian.PutUint16(head[4:], uint16(len(exif)+2))
	return append(append(head, exif...), b.Bytes()[2:]...)
}

// TestPictures are upright, bounded, and hold nothing but the picture.
func TestPictures(t *testing.T) {
	for o, red := range map[uint16]image.Point{1: {5, 10}, 3: {35, 10}, 6: {10, 5}, 8: {10, 35}, 2: {35, 10}, 4: {5, 10}, 5: {10, 5}, 7: {10, 35}} {
		out, err := picture(photo(t, o))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(out, []byte("GPS")) || bytes.Contains(out, []byte("Exif")) {
			t.Errorf("%d: what was beside the picture is still there", o)
		}
		img, err := jpeg.Decode(bytes.NewReader(out))
		if err != nil {
			t.Fatal(err)
		}
		if r, _, b, _ := img.At(red.X, red.Y).RGBA(); r < 0xc000 || b > 0x4000 {
			t.Errorf("orientation %d: not red at %v of %v", o, red, img.Bounds())
		}
	}
	big := image.NewGray(image.Rect(0, 0, 5000, 100))
	var b bytes.Buffer
	if err := png.Encode(&b, big); err != nil {
		t.Fatal(err)
	}
	out, err := picture(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if c, _, err := image.DecodeConfig(bytes.NewReader(out)); err != nil || c.Width > longEdge {
		t.Errorf("%+v, %v", c, err)
	}
	var fault *Fault
	for name, bad := range map[string][]byte{"cut": photo(t, 1)[:200], "no picture": []byte("hello"), "huge by its head": hugePNG()} {
		if _, err := picture(bad); !errors.As(err, &fault) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// hugePNG says that it has 100000 × 100000 pixels.
func hugePNG() []byte {
	var b bytes.Buffer
	_ = png.Encode(&b, image.NewGray(image.Rect(0, 0, 1, 1)))
	raw := b.Bytes()
	binary.BigEndian.PutUint32(raw[16:], 100_000)
	binary.BigEndian.PutUint32(raw[20:], 100_000)
	binary.BigEndian.PutUint32(raw[29:], crc32.ChecksumIEEE(raw[12:29]))
	return raw
}

func FuzzPicture(f *testing.F) {
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x10Exif\x00\x00II*\x00\x08\x00\x00\x00"))
	f.Fuzz(func(_ *testing.T, b []byte) { orientation(b) })
}
