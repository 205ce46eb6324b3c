package web

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/progress"
	"github.com/faultline/faultline/collector/writeup"
)

// upward keeps what the page sets, and editions that nobody wrote.
type upward struct{ set map[string]progress.Wanted }

func (u *upward) Of(_ context.Context, id string) (progress.Wanted, progress.Told, error) {
	return u.set[id], progress.Told{Number: 3, At: testNow}, nil
}

func (u *upward) Set(_ context.Context, id string, w progress.Wanted) error {
	u.set[id] = w
	return nil
}

func (u *upward) Readers(incident.Incident) []string { return []string{"<b>主管</b>"} }

func (u *upward) PutEdition(context.Context, writeup.Edition) error { return nil }
func (u *upward) Editions(context.Context, string, string) ([]writeup.Edition, error) {
	return nil, nil
}

// TestProgressOnTheEmergencyReport: who acts sets how often those above are told,
// who only looks sees it, and what makes no sense is refused.
func TestProgressOnTheEmergencyReport(t *testing.T) {
	u := &upward{set: map[string]progress.Wanted{}}
	f := newFixture(t, func(o *Options) {
		o.Writeups = &Writeups{Store: u, Progress: u, View: func(_ context.Context, i incident.Incident) (writeup.View, error) {
			return writeup.View{Incident: i}, nil
		}}
	})
	id := ""
	for _, i := range f.incidents {
		if i.Open() && i.Diagnosis.Site == "shanghai" {
			id = i.ID
		}
	}
	page := "/incidents/" + id + "/reports/" + writeup.Emergency
	reader := f.as("li")
	reader.header.Set("Accept-Language", "zh-CN")
	status, _, body := reader.get(page)
	for _, want := range []string{"进展上报", "&lt;b&gt;主管&lt;/b&gt;", "已发送 3 期", `value="1h0m0s"`} {
		if status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("the page (%d) lacks %q", status, want)
		}
	}
	if code, _, _ := f.as("li").post(page+"/progress", "every", "1h0m0s"); code >= 400 {
		t.Errorf("set: %d", code)
	}
	if w := u.set[id]; w.Every != time.Hour || w.By != "li" || !f.audited("progress.set") {
		t.Errorf("kept %+v, or nobody wrote down who set it", w)
	}
	if _, _, body := f.as("chen").get(page); !strings.Contains(body, `value="1h0m0s" selected`) {
		t.Error("the page does not show what is set")
	}
	for every, want := range map[string]int{"1m": http.StatusUnprocessableEntity, "often": http.StatusUnprocessableEntity, "-1h": http.StatusUnprocessableEntity} {
		if code, _, _ := f.as("li").post(page+"/progress", "every", every); code != want {
			t.Errorf("every %q: %d, want %d", every, code, want)
		}
	}
	if code, _, _ := f.as("guest").post(page+"/progress", "every", "0s"); code != http.StatusForbidden || u.set[id].Every != time.Hour {
		t.Errorf("a viewer stops it: %d", code)
	}
	if status, _, body := reader.get("/incidents/" + id + "/reports/" + writeup.IncidentReport); status != http.StatusOK || strings.Contains(body, "进展上报") {
		t.Errorf("the report after the end (%d) offers it too", status)
	}
}
