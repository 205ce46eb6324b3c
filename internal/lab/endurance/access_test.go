package endurance

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/account"
)

// person is somebody with a browser, signed in at both collectors: cookies know no
// ports.
type person struct {
	name     string
	password string
	client   http.Client
}

// newPerson makes an account with a password of its own and signs in at the node.
func (c *cluster) newPerson(t *testing.T, accounts *account.Service, at *node, name string, roles ...string) *person {
	t.Helper()
	first, err := accounts.CreateUser(t.Context(), "test", account.User{Name: name, Roles: roles})
	must(t, err)
	p := &person{name: name, password: "a quiet evening at sea 7"}
	must(t, accounts.SetPassword(t.Context(), name, first, p.password, "::1"))
	jar, err := cookiejar.New(nil)
	must(t, err)
	p.client = http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	status, to := p.post(t, at, "/sign-in", "name", name, "password", p.password)
	if status != http.StatusSeeOther || to != "/" {
		t.Fatalf("%s signs in: %d, sent to %q", name, status, to)
	}
	return p
}

// post sends a form and returns where it leads.
func (p *person) post(t *testing.T, at *node, path string, fields ...string) (status int, to string) {
	t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	res, err := p.client.PostForm(at.url+path, form)
	must(t, err)
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode, res.Header.Get("Location")
}

// get returns the status and where it leads.
func (p *person) get(t *testing.T, at *node, path string) (status int, to string) {
	t.Helper()
	res, err := p.client.Get(at.url + path)
	must(t, err)
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode, res.Header.Get("Location")
}

// listen opens a page's live connection; ended is closed when the collector ends it.
func (p *person) listen(t *testing.T, at *node) (ended <-chan struct{}) {
	t.Helper()
	res, err := p.client.Get(at.url + "/events")
	must(t, err)
	t.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		t.Fatalf("%s listens: %d %s", p.name, res.StatusCode, res.Header.Get("Content-Type"))
	}
	lines, done := bufio.NewReader(res.Body), make(chan struct{})
	if first, err := lines.ReadString('\n'); err != nil || !strings.HasPrefix(first, "retry:") {
		t.Fatalf("%s hears %q, %v", p.name, first, err)
	}
	go func() {
		defer close(done)
		_, _ = io.Copy(io.Discard, lines)
	}()
	return done
}

// TestAccessIsRemovedAtBothCollectors: whose access is taken away at one collector is
// out at both, also with a page open at the other; others stay.
func TestAccessIsRemovedAtBothCollectors(t *testing.T) {
	c := newCluster(t)
	accounts, err := account.New(account.Options{Store: c.store})
	must(t, err)
	here, there := c.nodes[0], c.nodes[1]
	boss := c.newPerson(t, accounts, here, "boss", account.RoleAdmin)
	li, wang := c.newPerson(t, accounts, here, "li", account.RoleHQNetwork), c.newPerson(t, accounts, there, "wang", account.RoleHQNetwork)
	streams := map[string]<-chan struct{}{"here": li.listen(t, here), "there": li.listen(t, there)}
	others := []<-chan struct{}{wang.listen(t, here), wang.listen(t, there)}
	if status, to := boss.post(t, here, "/users", "do", "disable", "user", "li"); status != http.StatusSeeOther || !strings.HasPrefix(to, "/users?done=") {
		t.Fatalf("take the access away: %d, sent to %q", status, to)
	}
	since := time.Now()
	for _, n := range c.nodes {
		if status, to := li.get(t, n, "/incidents"); status != http.StatusSeeOther || !strings.HasPrefix(to, "/sign-in") {
			t.Errorf("the next request at %s: %d, sent to %q", n.letter, status, to)
		}
		if status, _ := li.post(t, n, "/sign-in", "name", "li", "password", li.password); status != http.StatusUnauthorized {
			t.Errorf("signing in again at %s: %d", n.letter, status)
		}
	}
	said := ""
	for where, ended := range streams {
		select {
		case <-ended:
			said += fmt.Sprintf(" %s %.1f s", where, time.Since(since).Seconds())
		case <-time.After(wait):
			t.Errorf("the live connection %s goes on", where)
		}
	}
	t.Logf("live connections ended after:%s", said)
	for n, ended := range others {
		select {
		case <-ended:
			t.Errorf("somebody else's live connection %d ended as well", n)
		default:
		}
		if status, _ := wang.get(t, c.nodes[n], "/incidents"); status != http.StatusOK {
			t.Errorf("somebody else's request at %s: %d", c.nodes[n].letter, status)
		}
	}
}
