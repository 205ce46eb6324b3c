package scenario

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/rules"
)

// storyCompany is that of the shipped scenarios; its branch north has everything.
func storyCompany(t *testing.T) *inventory.Inventory {
	t.Helper()
	b, err := fs.ReadFile(rules.FS(), "scenarios/inventories/company.yaml")
	if err != nil {
		t.Fatal(err)
	}
	inv, err := inventory.Parse("company.yaml", b)
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func shippedStories(t *testing.T) []*Story {
	t.Helper()
	dir, err := fs.Sub(rules.FS(), "drills")
	if err != nil {
		t.Fatal(err)
	}
	list, err := LoadStories(dir)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestShippedStoriesLeadToTheirTruth plays every story as a scenario: what it
// calls the truth is what the rules find.
func TestShippedStoriesLeadToTheirTruth(t *testing.T) {
	inv, set := storyCompany(t), shipped(t)
	list := shippedStories(t)
	if len(list) < 8 {
		t.Fatalf("%d stories are shipped", len(list))
	}
	for _, story := range list {
		t.Run(story.ID, func(t *testing.T) {
			t.Parallel()
			text, err := story.At(inv, "north")
			if err != nil {
				t.Fatal(err)
			}
			s, err := ParseAt(story.ID, text, inv, "north")
			if err != nil {
				t.Fatal(err)
			}
			if truth := s.Truth(); truth.Class == "" || truth.Device == "" || truth.Process == "" {
				t.Errorf("truth %+v", truth)
			}
			s.Within.Duration = 90 * time.Second
			if rep := Play(t.Context(), s, set, t.TempDir()); rep.Err != nil {
				t.Errorf("%v\n%s", rep.Err, strings.Join(rep.Story, "\n"))
			}
		})
	}
}

// TestStoriesWithOneAgent plays those that are possible at a branch like the
// practice company's, whose only agent stands behind what fails: they open an
// incident of the true class, at the true device.
func TestStoriesWithOneAgent(t *testing.T) {
	b, err := os.ReadFile("testdata/one-agent.yaml")
	if err != nil {
		t.Fatal(err)
	}
	inv, err := inventory.Parse("one-agent.yaml", b)
	if err != nil {
		t.Fatal(err)
	}
	set, possible := shipped(t), []string{}
	for _, story := range shippedStories(t) {
		text, err := story.At(inv, "branch")
		var missing *MissingError
		if errors.As(err, &missing) {
			continue
		}
		possible = append(possible, story.ID)
		t.Run(story.ID, func(t *testing.T) {
			t.Parallel()
			s, err := ParseAt(story.ID, text, inv, "branch")
			if err != nil {
				t.Fatal(err)
			}
			s.Within.Duration = 90 * time.Second
			if rep := Play(t.Context(), s, set, t.TempDir()); rep.Err != nil {
				t.Errorf("%v\n%s", rep.Err, strings.Join(rep.Story, "\n"))
			}
		})
	}
	if want := "gateway-dead line-cut mains-fail port-shut room-hot"; strings.Join(possible, " ") != want {
		t.Errorf("possible: %v, want %s", possible, want)
	}
}

func TestStoryOfWhatASiteHasNot(t *testing.T) {
	inv := storyCompany(t)
	for _, s := range shippedStories(t) {
		_, err := s.At(inv, "hq")
		var missing *MissingError
		if s.ID != "database-blocked" {
			continue
		}
		if !errors.As(err, &missing) || !strings.Contains(missing.Text().In(lang.ZH), "数据库") || strings.Contains(err.Error(), "UPS") {
			t.Errorf("%s at head office: %v", s.ID, err)
		}
	}
	if _, err := readStory("x.yaml", []byte("drill: {title: {zh-CN: a, en: a}, brief: {zh-CN: b, en: b}}\ntitle: \"${nothing}\"\n")); err == nil || !strings.Contains(err.Error(), "${nothing}") {
		t.Errorf("a placeholder of nothing: %v", err)
	}
}

// live opens a story at the branch north.
func live(t *testing.T, id string, start time.Time) *Live {
	t.Helper()
	inv, set := storyCompany(t), shipped(t)
	for _, story := range shippedStories(t) {
		if story.ID != id {
			continue
		}
		text, err := story.At(inv, "north")
		if err != nil {
			t.Fatal(err)
		}
		s, err := ParseAt(id, text, inv, "north")
		if err != nil {
			t.Fatal(err)
		}
		l, err := OpenLive(LiveOptions{Scenario: s, Rules: set, Dir: t.TempDir(), ID: "d1", Start: start, Limit: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	t.Fatalf("no story %s", id)
	return nil
}

func advance(t *testing.T, l *Live, to time.Time) engine.DrillRound {
	t.Helper()
	r, err := l.Advance(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func prints(list []alert.Alert) (out []string) {
	for _, a := range list {
		out = append(out, a.Fingerprint+" "+a.ActiveAt.UTC().Format(time.RFC3339))
	}
	return out
}

func TestLiveLastsUntilItIsMended(t *testing.T) {
	start := time.Date(2026, 11, 22, 3, 0, 0, 500, time.UTC)
	l := live(t, "line-cut", start)
	r := advance(t, l, start.Add(5*time.Minute))
	if len(r.Firing) == 0 {
		t.Fatal("nothing fires although the line is cut")
	}
	for _, a := range r.Firing {
		if !strings.HasPrefix(a.Fingerprint, "drill/d1/") || a.Site() != "north" && a.Site() != "" {
			t.Errorf("alert %s %v", a.Fingerprint, a.Labels)
		}
	}
	if causes := r.Diagnose(r.Firing, r.Now).Causes; len(causes) != 1 || causes[0].Device != "telecom:north" || causes[0].Class != "carrier_line" {
		t.Fatalf("causes %+v", causes)
	}
	guard := r.Diagnose(r.Firing, r.Now).Causes[0].Recovery
	l.Mend(start.Add(5 * time.Minute))
	r = advance(t, l, start.Add(7*time.Minute))
	if len(r.Firing) != 0 {
		t.Errorf("fires two minutes after the repair: %v", prints(r.Firing))
	}
	found, err := l.Range(t.Context(), guard, start.Add(6*time.Minute), start.Add(7*time.Minute), time.Second, 20*time.Second)
	if err != nil || len(found) == 0 || found[0].Points[0].V == 0 {
		t.Errorf("the guard %s after the repair: %v, %v", guard, found, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Advance(t.Context(), start.Add(8*time.Minute)); !errors.Is(err, ErrClosed) {
		t.Errorf("advance after the end: %v", err)
	}
}

// TestLiveIsTheSameAgain is what a restart in the middle rests upon.
func TestLiveIsTheSameAgain(t *testing.T) {
	start := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	one, other := live(t, "gateway-dead", start), live(t, "gateway-dead", start)
	for at := time.Duration(0); at <= 3*time.Minute; at += time.Second {
		advance(t, one, start.Add(at))
	}
	a, b := advance(t, one, start.Add(3*time.Minute)), advance(t, other, start.Add(3*time.Minute))
	if x, y := strings.Join(prints(a.Firing), "\n"), strings.Join(prints(b.Firing), "\n"); len(b.Firing) == 0 || !sameSet(a.Firing, b.Firing) {
		t.Errorf("played on:\n%s\nopened again:\n%s", x, y)
	}
}

func sameSet(a, b []alert.Alert) bool {
	has := map[string]bool{}
	for _, x := range a {
		has[x.Fingerprint] = true
	}
	for _, x := range b {
		if !has[x.Fingerprint] {
			return false
		}
	}
	return len(a) == len(b)
}
