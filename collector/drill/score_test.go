package drill

import (
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/scenario"
	"github.com/faultline/faultline/collector/writeup"
	"github.com/faultline/faultline/internal/lang"
)

var t0 = time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)

// course is an incident with what people did on it: kind, seconds after the
// opening, choice and what was suggested.
func course(change func(*incident.Incident), acts ...incident.Event) Course {
	i := incident.Incident{ID: "i1", Number: "20261123-0001", OpenedAt: t0.Add(12 * time.Second), State: incident.StateClosed,
		Diagnosis: incident.Diagnosis{Class: incident.ClassCarrierLine, Device: "line-1", VendorKind: incident.VendorCarrier}}
	if change != nil {
		change(&i)
	}
	return Course{i, acts}
}

func act(kind incident.Kind, after int, choice, suggested string) incident.Event {
	return incident.Event{Kind: kind, At: t0.Add(time.Duration(12+after) * time.Second), Choice: choice, Suggested: suggested, Step: "triage",
		Actor: incident.Actor{Kind: "person", ID: "li", Name: "li", Role: "branch_it"}, Attachment: &incident.Attachment{Kind: "photo", Name: "a.jpg"}}
}

var judge = Judge{
	Suggest: func(step string, i incident.Incident) string {
		if step == "triage" && i.Diagnosis.Class == incident.ClassCarrierLine {
			return "circuit"
		}
		return ""
	},
	Counts: func(_ incident.Incident, clock string) bool { return clock != "outage" },
}

func TestRate(t *testing.T) {
	truth := scenario.Truth{Class: incident.ClassCarrierLine, Device: "line-1", Vendor: incident.VendorCarrier}
	done := func(i *incident.Incident) { i.Acked, i.VerifiedAt = true, t0.Add(time.Hour) }
	clocks := func(breached ...string) func(*incident.Incident) {
		return func(i *incident.Incident) {
			done(i)
			for _, name := range []string{"respond", "handle", "outage"} {
				c := incident.Clock{Name: name}
				for _, b := range breached {
					c.Breached = c.Breached || b == name
				}
				i.Clocks = append(i.Clocks, c)
			}
		}
	}
	verified := incident.Event{Kind: incident.Verified, Actor: incident.System}
	ok := act(incident.Decided, 300, "ok", "")
	ok.Step = "confirm"
	for _, c := range []struct {
		name   string
		list   []Course
		points int
		check  func(Score) bool
	}{
		{"nothing was opened", nil, 0, func(s Score) bool { return s.FoundIn == nil && len(s.Parts) == 4 }},
		{"all as it should be", []Course{course(clocks(), act(incident.Acked, 30, "", ""), act(incident.Decided, 60, "circuit", "circuit"), verified, ok)}, 100,
			func(s Score) bool {
				p := s.People[0]
				return s.FoundIt && *s.FoundIn == 12 && *p.FirstAck == 30 && p.Right == 1 && p.Unjudged == 1 && len(s.Clocks) == 3
			}},
		{"nobody did anything", []Course{course(func(i *incident.Incident) { i.Clocks = []incident.Clock{{Name: "respond", Breached: true}} })}, 0,
			func(s Score) bool { return len(s.People) == 0 && s.Parts[1].Most == 0 }},
		// 25·0.4 + 35 + 12.5 + 15 of 100
		{"answered late", []Course{course(clocks("respond"), act(incident.Acked, 900, "", ""), act(incident.Decided, 960, "circuit", "circuit"), verified, ok)}, 73, nil},
		// 25 + 0 + 25 + 15
		{"decided wrongly, against the evidence", []Course{course(clocks(), act(incident.Acked, 30, "", ""), act(incident.Decided, 60, "device", "circuit"), verified, ok)}, 65,
			func(s Score) bool {
				return s.People[0].Wrong == 1 && s.People[0].Overruled == 1 && s.Decisions[0].Truth == "circuit" && s.Decisions[0].Worth == Wrong
			}},
		{"the evidence was wrong and was overruled rightly", []Course{course(clocks(), act(incident.Acked, 30, "", ""), act(incident.Decided, 60, "circuit", "device"), verified, ok)}, 100,
			func(s Score) bool { return s.Decisions[0].Worth == Right && s.Decisions[0].Overruled }},
		// 25 + 25 + 10, of the 65 that could be judged besides: 60/65
		{"measured well and not confirmed", []Course{course(clocks(), act(incident.Acked, 30, "", ""), verified)}, 92, nil},
		{"a limit that only reports costs nothing", []Course{course(clocks("outage"), act(incident.Acked, 30, "", ""), act(incident.Decided, 60, "circuit", ""), verified, ok)}, 100, nil},
		{"what was folded is its parent's", []Course{course(clocks(), act(incident.Acked, 30, "", ""), act(incident.Decided, 60, "circuit", ""), verified, ok),
			course(func(i *incident.Incident) { i.ParentID = "i1" })}, 100, nil},
		{"found as something else", []Course{course(func(i *incident.Incident) { done(i); i.Diagnosis.Class = incident.ClassDevice }, act(incident.Attached, 5, "", ""))}, 88,
			func(s Score) bool {
				return !s.FoundIt && s.FoundAs == incident.ClassDevice && len(s.Papers) == 1 && s.People[0].Papers == 1
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Rate(Record{StartedAt: t0, Truth: truth}, c.list, judge)
			if got.Points != c.points || c.check != nil && !c.check(got) {
				t.Errorf("got %d points, want %d: %+v", got.Points, c.points, got)
			}
		})
	}
}

func TestLogIsAChain(t *testing.T) {
	r := Record{ID: "d"}
	for _, act := range []string{ActStarted, ActRepaired, ActEnded} {
		r.add(t0, "li", act, "x")
	}
	if err := r.Verify(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(){
		"detail": func() { r.Log[1].Detail = "y" }, "time": func() { r.Log[1].At = t0.Add(time.Second) }, "order": func() { r.Log[0], r.Log[1] = r.Log[1], r.Log[0] },
		"dropped": func() { r.Log = append(r.Log[:1], r.Log[2:]...) },
	} {
		kept := append([]Entry{}, r.Log...)
		change()
		if err := r.Verify(); err == nil || !strings.Contains(err.Error(), "log") {
			t.Errorf("%s: %v", name, err)
		}
		r.Log = kept
	}
}

// TestReportSaysDrill: in both languages, on paper and as a text.
func TestReportSaysDrill(t *testing.T) {
	s := Rate(Record{StartedAt: t0}, []Course{course(nil, act(incident.Decided, 60, "circuit", "device"))}, judge)
	r := Record{ID: "d1", Title: lang.Text{ZH: "专线中断", EN: "A line is cut"}, StartedAt: t0, Score: &s, Incidents: []Chain{{Number: "20261123-0001", Version: 7, Head: "abc"}}}
	r.add(t0, "li", ActStarted, "")
	for _, l := range []string{lang.ZH, lang.EN} {
		d := r.Report(Names{}, t0, l)
		if !d.Practice || !strings.Contains(d.Mark, "演练") || !strings.Contains(d.Mark, "DRILL") {
			t.Errorf("%s: mark %q", l, d.Mark)
		}
		for name, write := range map[string]func() ([]byte, error){"html": func() ([]byte, error) { return d.HTML(signedBy("Li")) }, "docx": func() ([]byte, error) { return d.DOCX(signedBy("Li")) }} {
			b, err := write()
			if err != nil || len(b) < 1000 {
				t.Errorf("%s %s: %d bytes, %v", l, name, len(b), err)
			}
			if name == "html" && (!strings.Contains(string(b), "DRILL") || !strings.Contains(string(b), "abc") || !strings.Contains(string(b), "circuit")) {
				t.Errorf("%s: the page says\n%s", l, b)
			}
		}
	}
}

func signedBy(name string) writeup.Signed { return writeup.Signed{By: name, At: t0} }

// TestWhatTheEndCutShortIsNotJudged: a limit that still ran when the drill was
// stopped was neither kept nor broken.
func TestWhatTheEndCutShortIsNotJudged(t *testing.T) {
	c := course(func(i *incident.Incident) {
		i.Clocks = []incident.Clock{{Name: "respond"}, {Name: "handle", Breached: true}}
	},
		incident.Event{Kind: incident.Closed, Actor: incident.System}, incident.Event{Kind: incident.ClockStopped, Actor: incident.System, Clock: &incident.Clock{Name: "respond"}},
		incident.Event{Kind: incident.ClockStopped, Actor: incident.System, Clock: &incident.Clock{Name: "handle"}})
	got := Rate(Record{StartedAt: t0}, []Course{c}, judge)
	if got.Clocks[0].Counted || !got.Clocks[1].Counted || got.Parts[2].Points != 0 || got.Parts[2].Most != 25 {
		t.Errorf("clocks %+v, parts %+v", got.Clocks, got.Parts)
	}
}
