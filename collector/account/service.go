package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/internal/lang"
)

// ErrCredentials says name and password, or a token, do not open anything. It
// never says which half was wrong.
var ErrCredentials = errors.New("wrong name or password, or the account is disabled")

// Options are what a Service needs.
type Options struct {
	Store Store
	// AgentByTokenHash returns the agent whose inventory entry carries this
	// SHA-256; nil: only tokens of the store count.
	AgentByTokenHash func(hash string) (agentID, site string, ok bool)
	Params           Params           // zero: DefaultParams
	Now              func() time.Time // nil: time.Now
	Logger           *slog.Logger     // nil: slog.Default
}

// Service signs people in, tells whose token it is, and keeps accounts. Its
// methods may be called from several goroutines.
type Service struct {
	store   Store
	agents  func(hash string) (agentID, site string, ok bool)
	params  Params
	now     func() time.Time
	log     *slog.Logger
	limit   limiter
	hashing chan struct{} // bounds how many hashes use their memory at once
	decoy   string        // hash compared with when the name is unknown
}

// New returns a Service.
func New(o Options) (*Service, error) {
	if o.Store == nil {
		return nil, errors.New("account: no store given")
	}
	if o.Params == (Params{}) {
		o.Params = DefaultParams()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Service{
		store: o.Store, agents: o.AgentByTokenHash, params: o.Params, now: o.Now, log: o.Logger,
		hashing: make(chan struct{}, 2), decoy: o.Params.Hash(newSecret(16)),
	}, nil
}

// SignIn returns the user when name and password belong together. It fails
// with ErrCredentials or, after too many failures, a *WaitError; both are audited.
func (s *Service) SignIn(ctx context.Context, name, password, remote string) (User, error) {
	name = canonical(name)
	if d := s.limit.wait(name, remote, s.now()); d > 0 {
		return User{}, &WaitError{For: d}
	}
	u, err := s.store.UserByName(ctx, name)
	known := err == nil && !u.Disabled && u.PasswordHash != ""
	if err != nil && !errors.Is(err, engine.ErrNotFound) {
		return User{}, fmt.Errorf("sign in: %w", err)
	}
	hash := u.PasswordHash
	if !known {
		hash = s.decoy
	}
	ok, used, err := s.verify(ctx, hash, password)
	if err != nil {
		return User{}, fmt.Errorf("sign in %s: %w", name, err)
	}
	if !ok || !known {
		s.limit.failed(name, remote, s.now())
		return User{}, errors.Join(ErrCredentials, s.Record(ctx, AuditEntry{Actor: shorten(name), Action: "sign_in_refused", Remote: remote}))
	}
	s.limit.succeeded(name, remote)
	if used != s.params {
		if u.PasswordHash, err = s.hash(ctx, password); err == nil {
			err = s.store.PutUser(ctx, u)
		}
		if err != nil {
			s.log.Warn("renew password hash", "user", name, "err", err)
		}
	}
	return u, s.Record(ctx, AuditEntry{Actor: name, Action: "sign_in", Remote: remote})
}

// SetPassword replaces the user's own password after checking the old one. It
// fails with ErrCredentials, *WaitError or *WeakPasswordError.
func (s *Service) SetPassword(ctx context.Context, name, old, password, remote string) error {
	u, err := s.SignIn(ctx, name, old, remote)
	if err != nil {
		return err
	}
	if err := CheckPassword(name, password); err != nil {
		return err
	}
	if subtle.ConstantTimeCompare([]byte(old), []byte(password)) == 1 {
		return &WeakPasswordError{lang.Text{ZH: "新密码不能与旧密码相同", EN: "it must differ from the old one"}}
	}
	if u.PasswordHash, err = s.hash(ctx, password); err != nil {
		return err
	}
	u.MustChange = false
	if err := s.store.PutUser(ctx, u); err != nil {
		return fmt.Errorf("set password of %s: %w", u.Name, err)
	}
	return s.Record(ctx, AuditEntry{Actor: u.Name, Action: "password_set", Object: u.Name, Remote: remote})
}

// SetLanguage stores the language the user reads.
func (s *Service) SetLanguage(ctx context.Context, name, language string) error {
	if language != lang.ZH && language != lang.EN {
		return fmt.Errorf("language %q: want %s or %s", language, lang.ZH, lang.EN)
	}
	u, err := s.User(ctx, name)
	if err != nil || u.Language == language {
		return err
	}
	u.Language = language
	return s.store.PutUser(ctx, u)
}

// User returns the enabled user of that name, or ErrCredentials: somebody whose
// access was removed is gone at once, whatever session they still hold.
func (s *Service) User(ctx context.Context, name string) (User, error) {
	u, err := s.store.UserByName(ctx, canonical(name))
	switch {
	case errors.Is(err, engine.ErrNotFound), err == nil && u.Disabled:
		return User{}, ErrCredentials
	case err != nil:
		return User{}, fmt.Errorf("user %s: %w", name, err)
	}
	return u, nil
}

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._@-]{0,63}$`)

// CreateUser adds a user with a one-time password, which is returned and has to
// be changed at the first sign-in. The actor is who asked for it.
func (s *Service) CreateUser(ctx context.Context, actor string, u User) (string, error) {
	u.Name = canonical(u.Name)
	if !namePattern.MatchString(u.Name) {
		return "", fmt.Errorf("user name %q: want 1 to 64 letters, digits, . _ @ - (start with a letter or digit)", u.Name)
	}
	if err := checkRoles(u.Roles); err != nil {
		return "", fmt.Errorf("user %s: %w", u.Name, err)
	}
	_, err := s.store.UserByName(ctx, u.Name)
	if err == nil {
		return "", fmt.Errorf("user %s exists already", u.Name)
	}
	if !errors.Is(err, engine.ErrNotFound) {
		return "", fmt.Errorf("create user %s: %w", u.Name, err)
	}
	if u.ID == "" {
		u.ID = "u-" + strings.ToLower(rand.Text()[:12])
	}
	u.CreatedAt = s.now().UTC()
	return s.issuePassword(ctx, actor, "user_created", u)
}

// ResetPassword gives the user a new one-time password.
func (s *Service) ResetPassword(ctx context.Context, actor, name string) (string, error) {
	u, err := s.store.UserByName(ctx, canonical(name))
	if err != nil {
		return "", fmt.Errorf("reset password of %s: %w", name, err)
	}
	return s.issuePassword(ctx, actor, "password_reset", u)
}

func (s *Service) issuePassword(ctx context.Context, actor, action string, u User) (string, error) {
	password := newOneTimePassword()
	h, err := s.hash(ctx, password)
	if err != nil {
		return "", err
	}
	u.PasswordHash, u.MustChange = h, true
	if err := s.store.PutUser(ctx, u); err != nil {
		return "", fmt.Errorf("write user %s: %w", u.Name, err)
	}
	e := AuditEntry{Actor: actor, Action: action, Object: u.Name, Detail: "roles " + strings.Join(u.Roles, " ")}
	return password, s.Record(ctx, e)
}

// EnsureAdmin makes the first administrator, "admin", when there is no user
// yet, and returns its one-time password. As long as nobody has signed in and
// set a password of their own, each call issues a new one; after that it
// returns "".
func (s *Service) EnsureAdmin(ctx context.Context) (name, password string, err error) {
	const admin = "admin"
	users, err := s.store.Users(ctx)
	if err != nil {
		return admin, "", fmt.Errorf("list users: %w", err)
	}
	switch {
	case len(users) == 0:
		password, err = s.CreateUser(ctx, "system", User{Name: admin, Roles: []string{RoleAdmin}})
	case len(users) == 1 && users[0].Name == admin && users[0].MustChange && !users[0].Disabled:
		password, err = s.ResetPassword(ctx, "system", admin)
	}
	return admin, password, err
}

// Record appends to the audit trail; At is set to now.
func (s *Service) Record(ctx context.Context, e AuditEntry) error {
	e.At = s.now().UTC()
	if err := s.store.Audit(ctx, e); err != nil {
		return fmt.Errorf("audit %s: %w", e.Action, err)
	}
	return nil
}

// verify is Verify with a bound on how many run at once.
func (s *Service) verify(ctx context.Context, hash, password string) (bool, Params, error) {
	if len(password) > MaxPassword {
		return false, s.params, nil
	}
	select {
	case s.hashing <- struct{}{}:
		defer func() { <-s.hashing }()
		return Verify(hash, password)
	case <-ctx.Done():
		return false, s.params, ctx.Err()
	}
}

// hash is Params.Hash with the same bound.
func (s *Service) hash(ctx context.Context, password string) (string, error) {
	select {
	case s.hashing <- struct{}{}:
		defer func() { <-s.hashing }()
		return s.params.Hash(password), nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func checkRoles(roles []string) error {
	if len(roles) == 0 {
		return errors.New("no role given")
	}
	if i := slices.IndexFunc(roles, func(r string) bool { return !KnownRole(r) }); i >= 0 {
		return fmt.Errorf("unknown role %q", roles[i])
	}
	return nil
}

func canonical(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

// shorten keeps what a stranger typed as a name from filling the audit trail.
func shorten(s string) string {
	if len(s) > 64 {
		s = s[:64]
	}
	return strings.ToValidUTF8(s, "")
}

// hashToken returns the stored form of a bearer token.
func hashToken(token string) string {
	h := sha256.Sum256([]byte(token))
	return hex.EncodeToString(h[:])
}
