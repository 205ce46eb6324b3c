package api_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/incident"
)

func TestOverrulingsByRule(t *testing.T) {
	f := newFixture(t)
	var since time.Time
	var err error
	f.h, err = api.Handler(api.Options{Accounts: f.accounts, Incidents: f, Engine: f, Work: f, Offers: offers, Now: func() time.Time { return at }, Logger: slog.New(slog.DiscardHandler),
		JudgedBy: func(_ context.Context, from time.Time) ([]incident.Judgement, error) {
			since = from
			return []incident.Judgement{{IncidentID: "i-sh", Site: "sh", Rule: "line-dead", Suggested: "circuit", Choice: "device", Comment: "the light is on", By: incident.Actor{Name: "li"}, At: at},
				{IncidentID: "i-bj", Site: "bj", Rule: "line-dead", Suggested: "circuit", Choice: "circuit", At: at}}, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	for who, want := range map[string]string{"admin": `"judged":2,"overruled":1`, "sh": `"judged":1,"overruled":1`, "bj": `"judged":1,"overruled":0`} {
		w := f.do(who, "GET", "/api/v1/diagnosis/rules", "")
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) || strings.Contains(w.Body.String(), "the light is on") != (who != "bj") {
			t.Errorf("%s: %d %s", who, w.Code, w.Body)
		}
	}
	if !since.Equal(at.Add(-90 * 24 * time.Hour)) {
		t.Errorf("since %s", since)
	}
	if w := f.do("admin", "GET", "/api/v1/diagnosis/rules?since=yesterday", ""); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("since yesterday: %d", w.Code)
	}
}
