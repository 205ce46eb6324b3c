package account

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
)

// sessionLife is how long a sign-in lasts, used or not. There is no idle limit:
// open consoles ask by themselves, and each extension would be a write.
const sessionLife = 12 * time.Hour

const sessionUser = "user"

// Sessions keeps people signed in, by a cookie that scripts cannot read and
// other sites cannot send. The store holds only hashes of the cookies' values.
type Sessions struct {
	scs      *scs.SessionManager
	accounts *Service
}

// NewSessions returns Sessions over the store. Secure cookies are sent over TLS
// alone; only a collector without TLS on the loopback address goes without.
func NewSessions(accounts *Service, store scs.CtxStore, secure bool, log *slog.Logger) *Sessions {
	m := scs.New()
	m.Store = store
	m.Lifetime = sessionLife
	m.HashTokenInStore = true
	m.Cookie.Name = "faultline_session"
	if secure {
		m.Cookie.Name = "__Host-faultline_session"
	}
	m.Cookie.HttpOnly, m.Cookie.Secure, m.Cookie.SameSite, m.Cookie.Path = true, secure, http.SameSiteLaxMode, "/"
	m.ErrorFunc = func(w http.ResponseWriter, r *http.Request, err error) {
		log.Error("session store", "path", r.URL.Path, "err", err)
		http.Error(w, "sessions cannot be read or written at the moment", http.StatusServiceUnavailable)
	}
	return &Sessions{scs: m, accounts: accounts}
}

// Middleware makes the other methods work below it.
func (s *Sessions) Middleware(next http.Handler) http.Handler { return s.scs.LoadAndSave(next) }

// Start begins the user's session under a new cookie, so that a value planted
// before the sign-in is worth nothing after it.
func (s *Sessions) Start(ctx context.Context, u User) error {
	if err := s.scs.RenewToken(ctx); err != nil {
		return fmt.Errorf("start session: %w", err)
	}
	s.scs.Put(ctx, sessionUser, u.Name)
	return nil
}

// End forgets the session.
func (s *Sessions) End(ctx context.Context) error { return s.scs.Destroy(ctx) }

// User returns who is signed in, freshly read, or ErrCredentials.
func (s *Sessions) User(ctx context.Context) (User, error) {
	name := s.scs.GetString(ctx, sessionUser)
	if name == "" {
		return User{}, ErrCredentials
	}
	return s.accounts.User(ctx, name)
}

// Identify returns the principal of a request: the agent's whose certificate was
// judged before, else its bearer token's, else its session's. A user who still has to set a password is nobody yet. Requests
// without Middleware above have no session.
func (s *Service) Identify(r *http.Request, sessions *Sessions) (Principal, error) {
	if p, ok := From(r.Context()); ok && p.Kind == KindAgent { // by its certificate
		return p, nil
	}
	if h := r.Header.Get("Authorization"); h != "" {
		scheme, token, _ := strings.Cut(h, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return Principal{}, ErrCredentials
		}
		return s.Authenticate(r.Context(), strings.TrimSpace(token))
	}
	if sessions == nil {
		return Principal{}, ErrCredentials
	}
	u, err := sessions.User(r.Context())
	if err != nil {
		return Principal{}, err
	}
	if u.MustChange {
		return Principal{}, ErrCredentials
	}
	return PrincipalOf(u), nil
}

// Require lets a request through to next only if its principal is allowed; the
// principal is in the request's context. It is for handlers of other packages
// (the Prometheus API, metrics) that do not know accounts.
func (s *Service) Require(sessions *Sessions, allow func(Principal) bool, next http.Handler) http.Handler {
	h := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := s.Identify(r, sessions)
		switch {
		case errors.Is(err, ErrCredentials):
			w.Header().Set("WWW-Authenticate", `Bearer realm="faultline"`)
			http.Error(w, "sign in, or send Authorization: Bearer TOKEN", http.StatusUnauthorized)
		case err != nil:
			s.log.Error("identify", "path", r.URL.Path, "err", err)
			http.Error(w, "accounts cannot be read at the moment", http.StatusServiceUnavailable)
		case !allow(p):
			http.Error(w, "this account may not do that", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r.WithContext(With(r.Context(), p)))
		}
	}))
	if sessions == nil {
		return h
	}
	return sessions.Middleware(h)
}

// PrincipalOf returns the user as a principal.
func PrincipalOf(u User) Principal {
	return Principal{Kind: KindPerson, ID: u.ID, Name: u.Name, Roles: u.Roles, Sites: u.Sites, Language: u.Language}
}

// Remote returns the client's address without its port.
func Remote(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
