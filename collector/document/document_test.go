package document

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lang"
)

var now = time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)

func TestTake(t *testing.T) {
	png := []byte("\x89PNG\r\n\x1a\n....")
	for name, c := range map[string]struct {
		kind, file string
		body       []byte
		want       string // of the fault; "" is taken
	}{
		"a picture":              {"photo", "机房.PNG", png, ""},
		"a report":               {"inspection_report", `C:\scan\检查报告.pdf`, []byte("%PDF-1.7 ..."), ""},
		"a configuration in GBK": {"config_backup", "sw-1.cfg", []byte("interface \xb6\xcb\xbf\xda 1\n"), ""},
		"an unknown kind":        {"joke", "a.pdf", []byte("%PDF-"), "no such kind"},
		"nothing":                {"photo", "a.png", nil, "empty"},
		"a page":                 {"other", "a.html", []byte("<html>"), "not taken"},
		"a page called text":     {"other", "a.txt", []byte("<!DOCTYPE html><script>"), "not what its name says"},
		"a program called pdf":   {"other", "a.pdf", []byte("\x7fELF"), "not what its name says"},
		"a binary called log":    {"load_data", "a.log", []byte("a\x00b"), "not what its name says"},
		"too much":               {"other", "a.txt", bytes.Repeat([]byte("a"), MaxUpload+1), "larger than 16 MiB"},
	} {
		d, err := Take(Upload{IncidentID: "i1", Kind: c.kind, Name: c.file, Body: c.body, At: now})
		var f *Fault
		switch {
		case c.want == "" && (err != nil || strings.ContainsAny(d.Name, `/\:`) || d.Size != int64(len(c.body)) || len(d.Hash) != 64):
			t.Errorf("%s: %+v, %v", name, d, err)
		case c.want != "" && (!errors.As(err, &f) || !strings.Contains(f.Text.EN, c.want) || f.Text.ZH == ""):
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	a, _ := Take(Upload{IncidentID: "i1", Kind: "photo", Name: "a.png", Body: png})
	b, _ := Take(Upload{IncidentID: "i1", Kind: "photo", Name: "b.png", Body: png})
	c, _ := Take(Upload{IncidentID: "i2", Kind: "photo", Name: "a.png", Body: png})
	if a.ID != b.ID || a.ID == c.ID {
		t.Errorf("ids %s %s %s", a.ID, b.ID, c.ID)
	}
	long, _ := Take(Upload{IncidentID: "i1", Kind: "photo", Name: strings.Repeat("长", 300) + ".png", Body: png})
	if n := len([]rune(long.Name)); n != maxName || !strings.HasSuffix(long.Name, ".png") {
		t.Errorf("name of %d characters: %s", n, long.Name)
	}
}

func source() Source {
	i := incident.Incident{ID: "i1", Number: "20261120-0001", OpenedAt: now, ClosedAt: now.Add(time.Hour), Practice: true, ProcessVersion: "network@2#ab",
		Diagnosis: incident.Diagnosis{Title: lang.Text{ZH: "专线中断", EN: "Line down"}, Site: "branch-2", Device: "x<script>", Proof: lang.Text{ZH: "依据", EN: "Proof"}},
		Clocks:    []incident.Clock{{Name: "respond", Title: lang.Text{ZH: "响应", EN: "Response"}, Target: "10m", Breached: true}}}
	return Source{Incident: i, Language: lang.EN, Zone: time.FixedZone("CST", 8*3600), Now: now.Add(2 * time.Hour), Effect: incident.Effect{Key: "i1/9/document"},
		ProcessTitle: lang.Text{ZH: "网络故障处理", EN: "Network fault"},
		StepTitle:    func(s string) lang.Text { return lang.Same("step " + s) }, ChoiceTitle: lang.Same, RoleTitle: lang.Same,
		Events: []incident.Event{{At: now, Kind: incident.Entered, Step: "triage", Actor: incident.System},
			{At: now, Kind: incident.Decided, Choice: "circuit", Comment: "fibre <cut>", Actor: incident.Actor{ID: "li", Role: "branch_it"}},
			{At: now, Kind: incident.TimerSet}}}
}

func TestPlain(t *testing.T) {
	d, err := Registry{}.Write(t.Context(), "incident_report", source())
	if err != nil {
		t.Fatal(err)
	}
	page := string(d.Body)
	for _, want := range []string{"Incident report", "DRILL", "2026-11-20 10:00:00", "step triage", "circuit", "fibre &lt;cut&gt;", "li (branch_it)", "x&lt;script&gt;", "exceeded", "1h0m0s"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not in the paper", want)
		}
	}
	if strings.Contains(page, "<script>") || strings.Contains(page, "timer") {
		t.Error("hostile or technical text is in the paper")
	}
	s := source()
	s.Language = lang.ZH
	zh, err := Registry{}.Write(t.Context(), "incident_report", s)
	if err != nil || zh.ID == d.ID || zh.Name != "20261120-0001-事故总结报告.html" || !strings.Contains(string(zh.Body), "经验教训") {
		t.Errorf("%s, %v", zh.Name, err)
	}
	again, _ := Registry{}.Write(t.Context(), "incident_report", source())
	if again.ID != d.ID {
		t.Error("the same effect has another document")
	}
}

func TestWriterOfItsOwn(t *testing.T) {
	r := Registry{"kb_draft": func(_ context.Context, _ Source) (Draft, error) {
		return Draft{Name: "kb.md", Media: "text/markdown", Body: []byte("# x")}, nil
	},
		"bad": func(_ context.Context, _ Source) (Draft, error) { return Draft{}, nil }}
	if d, err := r.Write(t.Context(), "kb_draft", source()); err != nil || d.Name != "kb.md" {
		t.Fatalf("%+v, %v", d, err)
	}
	if _, err := r.Write(t.Context(), "bad", source()); !errors.Is(err, ErrDraft) {
		t.Fatalf("an empty draft: %v", err)
	}
}
