package app

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/config"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lab/desks"
)

const vendorsCompany = reportingCompany + `
lines:
  - {id: "carrier-a:sh-1", name: {zh-CN: 上海专线, en: Shanghai line}, site: sh, carrier: carrier-a, circuit: SH-0231, role: main}
vendors:
  - {id: carrier-a, name: {zh-CN: 甲运营商, en: Carrier A}, kind: carrier, emails: [noc@carrier.example], desk: carrier-desk}
`

// pluginCollector is a running collector whose carrier is told through a desk
// plugin, with the carrier's system behind it.
func pluginCollector(t *testing.T) (*App, string, *desks.Server) {
	t.Helper()
	srv := desks.Serve(desks.NewJira(time.Now, 2, 0))
	t.Cleanup(srv.Close)
	text := pinned(t, `
listen: 127.0.0.1:0
inventory: x
plugins: [{name: carrier-desk, contract: ticket, path: PROGRAM/faultline-desk-jira, sha256: SUM-jira, settings: {url: `+srv.URL+`, token: t, project: OPS}}]
`, deskPrograms(t))
	set, err := config.Parse("test", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	cfg := smallCompany(t)
	cfg.Plugins = set.Plugins
	if err := os.WriteFile(cfg.Inventory, []byte(vendorsCompany), 0o600); err != nil {
		t.Fatal(err)
	}
	a, _ := serveCollector(t, cfg)
	return a, cfg.ExternalURL, srv
}

// alarm has another system say that the line is dead.
func alarm(t *testing.T, a *App, base string) {
	t.Helper()
	token, err := a.accounts.IssueToken(t.Context(), "test", account.Token{Name: "sender", Roles: []string{account.RoleHQNetwork}})
	if err != nil {
		t.Fatal(err)
	}
	body, _ := json.Marshal([]any{map[string]any{"labels": map[string]string{"alertname": "LineDead", "site": "sh", "device": "carrier-a:sh-1", "circuit": "SH-0231", "severity": "critical"},
		"annotations": map[string]string{"faultline_element": "P", "faultline_symptom": "dead", "summary": "the line is dead"}}})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/alertmanager/api/v2/alerts", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	read(t, res, err, http.StatusOK)
}

// sent waits for the incident whose ticket was taken by the carrier's desk.
func sent(t *testing.T, a *App) (i incident.Incident) {
	t.Helper()
	until(t, "the carrier's desk has the ticket", func() bool {
		all, err := a.engine.Incidents(t.Context())
		if err != nil {
			return false
		}
		for _, x := range all {
			for _, k := range x.Tickets {
				if k.Ref != "" {
					i = *x
					return true
				}
			}
		}
		return false
	})
	return i
}

// TestAPluginInTheRunningCollector: an alarm from outside becomes a ticket at the
// carrier's desk, through a plugin, and an unmatched mail of the carrier's is
// filed with that ticket by a person, and taken back.
func TestAPluginInTheRunningCollector(t *testing.T) {
	a, base, srv := pluginCollector(t)
	alarm(t, a, base)
	i := sent(t, a)
	arrived := srv.Arrived()
	if len(arrived) == 0 || !strings.Contains(arrived[0].Subject, i.Number) || !strings.Contains(arrived[0].Body, "SH-0231") {
		t.Fatalf("the desk was told %+v", arrived)
	}
	if k := i.Tickets[0]; k.Desk != "carrier-desk" || !strings.HasPrefix(k.URL, srv.URL) {
		t.Errorf("the ticket is kept as %+v", k)
	}
	mailsOf(t, a, base, i)
}

// mailsOf goes through the page of vendors' mails as a person at head office.
func mailsOf(t *testing.T, a *App, base string, i incident.Incident) {
	t.Helper()
	raw := "From: =?utf-8?q?Zhang?= <zhang@elsewhere.example>\r\nTo: faultline@example.com\r\nSubject: about the line\r\nMessage-ID: <m1@elsewhere.example>\r\n" +
		"Date: " + time.Now().Format(time.RFC1123Z) + "\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n已派单，预计14:30\r\n"
	if err := a.takeMail(t.Context(), []byte(raw), time.Now()); err != nil {
		t.Fatal(err)
	}
	waiting, _, err := mailroom{a}.Mails(t.Context())
	if err != nil || len(waiting) != 1 {
		t.Fatalf("%d mails wait, %v", len(waiting), err)
	}
	path := "/mails/" + waiting[0].ID
	office, stranger := signedIn(t, a, base, "chen", account.RoleHQNetwork), signedIn(t, a, base, "wu", account.RoleViewer)
	stranger("GET", "/mails", nil, http.StatusNotFound)
	stranger("GET", path+"/raw", nil, http.StatusNotFound)
	stranger("POST", path, url.Values{"do": {"discard"}}, http.StatusNotFound)

	if page := office("GET", "/mails", nil, http.StatusOK); !strings.Contains(page, "about the line") || !strings.Contains(page, "zhang@elsewhere.example") {
		t.Errorf("the page does not show the mail")
	}
	if got := office("GET", path+"/raw", nil, http.StatusOK); got != raw {
		t.Errorf("raw mail %q", got)
	}
	if page := office("POST", path, url.Values{"do": {"file"}, "number": {"20200101-0001"}}, http.StatusUnprocessableEntity); !strings.Contains(page, "20200101-0001") {
		t.Errorf("a wrong number is not explained")
	}
	office("POST", path, url.Values{"do": {"explode"}}, http.StatusUnprocessableEntity)
	office("POST", path, url.Values{"do": {"discard"}}, http.StatusOK)
	office("POST", path, url.Values{"do": {"discard"}}, http.StatusUnprocessableEntity) // dealt with
	office("POST", path, url.Values{"do": {"back"}}, http.StatusOK)
	office("POST", path, url.Values{"do": {"file"}, "number": {i.Number}, "trusted": {"1"}}, http.StatusOK)
	now, err := a.store.Incident(t.Context(), i.ID)
	if err != nil || now.Tickets[0].Expected.IsZero() {
		t.Errorf("filed, the ticket is %+v, %v: the vendor's time is not there", now.Tickets[0], err)
	}
	if page := office("GET", "/mails", nil, http.StatusOK); !strings.Contains(page, i.Number) {
		t.Error("what was filed is not listed")
	}
	office("POST", path, url.Values{"do": {"back"}}, http.StatusOK)
	if waiting, _, err := (mailroom{a}).Mails(t.Context()); err != nil || len(waiting) != 1 {
		t.Errorf("taken back, %d mails wait, %v", len(waiting), err)
	}
	trail, err := a.store.AuditEntries(t.Context(), 50)
	if err != nil {
		t.Fatal(err)
	}
	acts := map[string]int{}
	for _, e := range trail {
		acts[e.Action]++
	}
	if acts["mail.file"] != 1 || acts["mail.discard"] != 1 || acts["mail.back"] != 2 {
		t.Errorf("the audit trail has %v", acts)
	}
}

// signedIn is a browser of a person with the role.
func signedIn(t *testing.T, a *App, base, name, role string) func(method, path string, form url.Values, status int) string {
	t.Helper()
	const password = "a long pass phrase, 2026"
	old, err := a.accounts.CreateUser(t.Context(), "test", account.User{Name: name, Roles: []string{role}})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.accounts.SetPassword(t.Context(), name, old, password, ""); err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	do := func(method, path string, form url.Values, status int) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		if form != nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		res, err := client.Do(req)
		return read(t, res, err, status)
	}
	do("POST", "/sign-in", url.Values{"name": {name}, "password": {password}}, http.StatusOK)
	return do
}
