package app

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/knowledge"
	"github.com/faultline/faultline/internal/lang"
)

// link is what a page names of our own: where it leads, what it shows, what it
// asks for again.
var link = regexp.MustCompile(`(?:href|src|hx-get)="(/[^"#]*)`)

// mostPages bounds a walk.
const mostPages = 400

// walker follows every link that a signed-in person is shown.
type walker struct {
	t      *testing.T
	client *http.Client
	base   string
	from   map[string]string // page by the one that first named it
	todo   []string
}

// walks signs somebody in who has that role and those sites.
func walks(t *testing.T, a *App, base, language string, u account.User) *walker {
	t.Helper()
	const password = "green hills far 9"
	first, err := a.accounts.CreateUser(t.Context(), "test", u)
	if err == nil {
		err = a.accounts.SetPassword(t.Context(), u.Name, first, password, "")
	}
	if err == nil {
		err = a.accounts.SetLanguage(t.Context(), u.Name, language)
	}
	jar, errJar := cookiejar.New(nil)
	if err != nil || errJar != nil {
		t.Fatal(err, errJar)
	}
	w := &walker{t: t, client: &http.Client{Jar: jar}, base: base, from: map[string]string{}}
	res, err := w.client.PostForm(base+"/sign-in", url.Values{"name": {u.Name}, "password": {password}})
	read(t, res, err, http.StatusOK)
	w.name("/", "")
	return w
}

// name takes in that a page names the path.
func (w *walker) name(path, by string) {
	if _, known := w.from[path]; !known {
		w.from[path], w.todo = by, append(w.todo, path)
	}
}

// walk fetches every page there is a way to.
func (w *walker) walk() {
	w.t.Helper()
	for len(w.todo) > 0 && len(w.from) < mostPages {
		path := w.todo[0]
		w.todo = w.todo[1:]
		res, err := w.client.Get(w.base + path)
		if err != nil {
			w.t.Fatal(err)
		}
		body, err := io.ReadAll(io.LimitReader(res.Body, 8<<20))
		_ = res.Body.Close()
		if err != nil {
			w.t.Fatal(err)
		}
		switch {
		case res.StatusCode >= http.StatusBadRequest:
			w.t.Errorf("%s, named by %s: %d", path, w.from[path], res.StatusCode)
		case res.Request.URL.Path == "/sign-in":
			w.t.Errorf("%s, named by %s, asks who it is", path, w.from[path])
		case strings.HasPrefix(res.Header.Get("Content-Type"), "text/html"):
			for _, m := range link.FindAllStringSubmatch(string(body), -1) {
				w.name(html.UnescapeString(m[1]), path)
			}
		}
	}
	if len(w.todo) > 0 {
		w.t.Errorf("more than %d pages", mostPages)
	}
}

// TestLinksLeadSomewhere walks a collector that runs, with a fault, a change, a
// request of an outsider and knowledge in it, as everybody who signs in: no link
// leads nowhere, to an error or to what the person may not see.
func TestLinksLeadSomewhere(t *testing.T) {
	a, base := runCollector(t)
	c := &changing{t: t, a: a, base: base}
	c.open("sh", "sh-sw-1", time.Now().Add(time.Hour), time.Now().Add(2*time.Hour))
	c.alert("hq-rtr-1")
	if err := a.reporter.NewSiteLink(t.Context(), "sh"); err != nil {
		t.Fatal(err)
	}
	for id, state := range map[string]string{"k1": knowledge.Published, "k2": knowledge.Draft} {
		if _, err := a.knowledge.Put(t.Context(), knowledge.Entry{ID: id, State: state, Title: lang.Text{ZH: "交换机灯不亮"}, Solution: lang.Text{ZH: "检查电源插头"}, Owner: "hq_network", UpdatedBy: "wang",
			ReviewBy: time.Now().AddDate(0, 6, 0)}); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the alert opens an incident", func() bool { _, ok := c.fault("hq-rtr-1"); return ok })
	for _, tt := range []struct {
		name, language string
		role           string
		sites          []string
		sees, not      string // paths
	}{
		{"root", lang.ZH, account.RoleAdmin, nil, "/users", "/nowhere"},
		{"wang", lang.EN, account.RoleHQNetwork, nil, "/agents", "/users"},
		{"zhou", lang.ZH, account.RoleBranchIT, []string{"sh"}, "/request", "/auditor"},
		{"look", lang.EN, account.RoleViewer, nil, "/incidents", "/request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := walks(t, a, base, tt.language, account.User{Name: tt.name, Roles: []string{tt.role}, Sites: tt.sites})
			w.walk()
			if _, ok := w.from[tt.sees]; !ok {
				t.Errorf("no way to %s among %d pages", tt.sees, len(w.from))
			}
			if by, ok := w.from[tt.not]; ok {
				t.Errorf("%s leads to %s", by, tt.not)
			}
		})
	}
}
