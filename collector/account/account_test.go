package account_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/account/accounttest"
	"github.com/faultline/faultline/collector/incident"
)

type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func newService(t *testing.T) (*account.Service, *accounttest.Memory, *clock) {
	t.Helper()
	c := &clock{time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)}
	m := &accounttest.Memory{}
	s, err := account.New(account.Options{Store: m, Params: accounttest.Cheap(), Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	return s, m, c
}

func TestMemoryStore(t *testing.T) { accounttest.TestStore(t, &accounttest.Memory{}) }

func TestFirstAdminSetsAPassword(t *testing.T) {
	s, m, _ := newService(t)
	ctx := t.Context()
	name, first, err := s.EnsureAdmin(ctx)
	if err != nil || first == "" {
		t.Fatalf("EnsureAdmin: %q, %v", first, err)
	}
	_, second, err := s.EnsureAdmin(ctx)
	if err != nil || second == "" || second == first {
		t.Fatalf("a password nobody used is issued anew: %q, %v", second, err)
	}
	if _, err := s.SignIn(ctx, name, first, "192.0.2.1"); !errors.Is(err, account.ErrCredentials) {
		t.Fatalf("the replaced password opens: %v", err)
	}
	u, err := s.SignIn(ctx, " Admin", second, "192.0.2.1")
	if err != nil || !u.MustChange {
		t.Fatalf("sign in: %+v, %v", u, err)
	}
	if err := s.SetPassword(ctx, name, second, second, ""); !isWeak(err) {
		t.Fatalf("the one-time password was kept: %v", err)
	}
	if err := s.SetPassword(ctx, name, second, "winter morning 7", ""); err != nil {
		t.Fatal(err)
	}
	if u, err := s.SignIn(ctx, name, "winter morning 7", ""); err != nil || u.MustChange {
		t.Fatalf("sign in after the change: %+v, %v", u, err)
	}
	if _, third, err := s.EnsureAdmin(ctx); err != nil || third != "" {
		t.Fatalf("EnsureAdmin replaced a person's password: %q, %v", third, err)
	}
	es, _ := m.AuditEntries(ctx, 10)
	var actions []string
	for _, e := range es {
		actions = append(actions, e.Action)
	}
	want := "sign_in password_set sign_in sign_in sign_in sign_in_refused password_reset user_created"
	if got := strings.Join(actions, " "); got != want {
		t.Errorf("audit trail, newest first:\n got %s\nwant %s", got, want)
	}
}

func isWeak(err error) bool {
	var w *account.WeakPasswordError
	return errors.As(err, &w)
}

func TestSignInLimit(t *testing.T) {
	s, _, c := newService(t)
	ctx := t.Context()
	pw, err := s.CreateUser(ctx, "test", account.User{Name: "li", Roles: []string{account.RoleBranchIT}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if _, err := s.SignIn(ctx, "li", "guess", "192.0.2.1"); !errors.Is(err, account.ErrCredentials) {
			t.Fatalf("guess %d: %v", i, err)
		}
	}
	var wait *account.WaitError
	if _, err := s.SignIn(ctx, "li", pw, "192.0.2.1"); !errors.As(err, &wait) {
		t.Fatalf("sixth attempt: %v, want WaitError", err)
	}
	if _, err := s.SignIn(ctx, "li", pw, "192.0.2.2"); err != nil {
		t.Fatalf("guesses from one address locked the person out at another: %v", err)
	}
	c.now = c.now.Add(wait.For)
	if _, err := s.SignIn(ctx, "li", pw, "192.0.2.1"); err != nil {
		t.Fatalf("after the wait: %v", err)
	}
	for i := range 200 {
		if _, err := s.SignIn(ctx, "stranger"+string(rune('a'+i%26)), "guess", "192.0.2.9"); errors.As(err, &wait) {
			return
		}
	}
	t.Error("one address may guess names without end")
}

func TestDisabledUserIsGoneAtOnce(t *testing.T) {
	s, m, _ := newService(t)
	ctx := t.Context()
	pw, _ := s.CreateUser(ctx, "test", account.User{Name: "li", Roles: []string{account.RoleBranchIT}})
	u, _ := m.UserByName(ctx, "li")
	u.Disabled = true
	m.PutUser(ctx, u)
	if _, err := s.SignIn(ctx, "li", pw, ""); !errors.Is(err, account.ErrCredentials) {
		t.Errorf("sign in: %v", err)
	}
	if _, err := s.User(ctx, "li"); !errors.Is(err, account.ErrCredentials) {
		t.Errorf("user of a session: %v", err)
	}
}

func TestCreateUserRefuses(t *testing.T) {
	s, _, _ := newService(t)
	for name, u := range map[string]account.User{
		"bad name":     {Name: "<script>", Roles: []string{account.RoleViewer}},
		"no role":      {Name: "li"},
		"unknown role": {Name: "li", Roles: []string{"root"}},
	} {
		if _, err := s.CreateUser(t.Context(), "test", u); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestCheckPassword(t *testing.T) {
	for _, c := range []struct {
		password string
		ok       bool
	}{
		{"winter morning 7", true}, {"机房里有三台交换机坏了", true}, {"short1!", false}, {"aaaaaaaaaaaaaaaa", false},
		{"password123!", false}, {"Admin@123456", false}, {"li.wei-2026-x", false}, {strings.Repeat("abcdefg", 60), false},
	} {
		if err := account.CheckPassword("li.wei", c.password); (err == nil) != c.ok {
			t.Errorf("%q: %v", c.password, err)
		}
	}
}

func TestHash(t *testing.T) {
	h := accounttest.Cheap().Hash("secret")
	if h == accounttest.Cheap().Hash("secret") {
		t.Error("two hashes of a password are alike: no salt")
	}
	for pw, want := range map[string]bool{"secret": true, "Secret": false, "": false} {
		if ok, p, err := account.Verify(h, pw); ok != want || err != nil || p != accounttest.Cheap() {
			t.Errorf("Verify(%q): %v %v %v", pw, ok, p, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(accounttest.Cheap().Hash("x"))
	f.Add("$argon2id$v=19$m=4294967295,t=1,p=1$AAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=8,t=1,p=0$AAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, hash string) {
		if strings.Contains(hash, "m=8,") {
			account.Verify(hash, "x") // must not panic
		}
	})
}

func TestTokens(t *testing.T) {
	s, _, c := newService(t)
	ctx := t.Context()
	full, err := s.IssueToken(ctx, "test", account.Token{Name: "lab", Roles: []string{account.RoleAdmin}, Expires: c.now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	agent, err := s.IssueToken(ctx, "test", account.Token{Name: "agent sh", AgentID: "agent-sh", Sites: []string{"sh"}})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := s.Authenticate(ctx, full); err != nil || !p.Admin() || p.Kind != account.KindProgram {
		t.Errorf("full token: %+v, %v", p, err)
	}
	if p, err := s.Authenticate(ctx, agent); err != nil || p.AgentID != "agent-sh" || p.MayRead() || p.MayAct() {
		t.Errorf("agent token: %+v, %v", p, err)
	}
	for _, bad := range []string{"", "x", full + "x", strings.Repeat("x", 600)} {
		if _, err := s.Authenticate(ctx, bad); !errors.Is(err, account.ErrCredentials) {
			t.Errorf("token %.10q: %v", bad, err)
		}
	}
	c.now = c.now.Add(time.Hour)
	if _, err := s.Authenticate(ctx, full); !errors.Is(err, account.ErrCredentials) {
		t.Errorf("expired token: %v", err)
	}
	if _, err := s.IssueToken(ctx, "test", account.Token{Name: "both", AgentID: "a", Roles: []string{account.RoleAdmin}}); err == nil {
		t.Error("an agent's token got a role")
	}
}

func TestEnsureTokenFile(t *testing.T) {
	s, _, _ := newService(t)
	path := filepath.Join(t.TempDir(), "admin.token")
	read := func() string {
		t.Helper()
		if err := s.EnsureTokenFile(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		fi, err2 := os.Stat(path)
		if err != nil || err2 != nil || fi.Mode().Perm() != 0o600 {
			t.Fatalf("token file: %v %v %v", fi.Mode(), err, err2)
		}
		return strings.TrimSpace(string(b))
	}
	first := read()
	if p, err := s.Authenticate(t.Context(), first); err != nil || !p.Admin() {
		t.Fatalf("token of the file: %+v, %v", p, err)
	}
	if read() != first {
		t.Error("a good token was replaced")
	}
	os.WriteFile(path, []byte("stale\n"), 0o600)
	if again := read(); again == first || again == "stale" {
		t.Error("a stale token was kept")
	}
}

func TestSessions(t *testing.T) {
	s, m, _ := newService(t)
	ctx := t.Context()
	pw, _ := s.CreateUser(ctx, "test", account.User{Name: "li", Roles: []string{account.RoleBranchIT}, Sites: []string{"sh"}})
	sessions := account.NewSessions(s, accounttest.NewSessionStore(), false, slog.New(slog.DiscardHandler))
	mux := http.NewServeMux()
	mux.HandleFunc("POST /in", func(w http.ResponseWriter, r *http.Request) {
		u, err := s.SignIn(r.Context(), "li", pw, account.Remote(r))
		if err == nil {
			err = sessions.Start(r.Context(), u)
		}
		if err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("POST /out", func(_ http.ResponseWriter, r *http.Request) { sessions.End(r.Context()) })
	ok := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := account.From(r.Context())
		w.Write([]byte(p.Name))
	})
	mux.Handle("/own", s.Require(nil, account.Principal.MayRead, ok))
	mux.Handle("/", s.Require(sessions, account.Principal.MayAct, ok))
	srv := httptest.NewServer(sessions.Middleware(mux))
	defer srv.Close()
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar}
	status := func(method, path string) int {
		t.Helper()
		req, _ := http.NewRequest(method, srv.URL+path, nil)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		for _, c := range resp.Cookies() {
			if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode {
				t.Errorf("cookie %+v", c)
			}
		}
		return resp.StatusCode
	}
	if got := status("GET", "/"); got != 401 {
		t.Errorf("before: %d", got)
	}
	status("POST", "/in")
	if got := status("GET", "/"); got != 401 {
		t.Errorf("with a password still to be set: %d", got)
	}
	u, _ := m.UserByName(ctx, "li")
	u.MustChange = false
	m.PutUser(ctx, u)
	if got := status("GET", "/"); got != 200 {
		t.Errorf("signed in: %d", got)
	}
	if got := status("GET", "/own"); got != 401 {
		t.Errorf("a session opens a path for programs only: %d", got)
	}
	u.Roles = []string{account.RoleViewer}
	m.PutUser(ctx, u)
	if got := status("GET", "/"); got != 403 {
		t.Errorf("role taken away: %d", got)
	}
	status("POST", "/out")
	if got := status("GET", "/"); got != 401 {
		t.Errorf("signed out: %d", got)
	}
}

func TestActorNamesTheRoleAskedFor(t *testing.T) {
	p := account.Principal{Kind: account.KindPerson, ID: "u-1", Name: "li", Roles: []string{account.RoleBranchIT, account.RoleHQNetwork}}
	want := incident.Actor{Kind: "person", ID: "u-1", Name: "li", Role: account.RoleHQNetwork}
	if got := p.Actor(account.RoleHQNetwork); got != want {
		t.Errorf("got %+v", got)
	}
	if got := p.Actor(account.RoleHQDBA); got.Role != account.RoleBranchIT {
		t.Errorf("a role the person does not have: %+v", got)
	}
}
