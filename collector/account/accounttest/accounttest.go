// Package accounttest helps tests that need accounts: a store in memory, cheap
// hashing, and the suite every account.Store passes. Nothing but tests uses it.
package accounttest

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/engine"
)

// Cheap are costs that let a test hash thousands of passwords.
func Cheap() account.Params { return account.Params{MemoryKiB: 8, Time: 1, Threads: 1} }

// Memory is an account.Store that forgets everything with the process. The
// zero value is ready.
type Memory struct {
	mu      sync.Mutex // guards the fields below
	users   map[string]account.User
	tokens  map[string]account.Token
	entries []account.AuditEntry
}

// UserByName returns the user of that name.
func (m *Memory) UserByName(_ context.Context, name string) (account.User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, u := range m.users {
		if u.Name == name {
			return u, nil
		}
	}
	return account.User{}, engine.ErrNotFound
}

// PutUser writes the user.
func (m *Memory) PutUser(_ context.Context, u account.User) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.users == nil {
		m.users = map[string]account.User{}
	}
	m.users[u.ID] = u
	return nil
}

// Users returns all users by name.
func (m *Memory) Users(context.Context) ([]account.User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	byName := func(a, b account.User) int { return cmp.Compare(a.Name, b.Name) }
	return slices.SortedFunc(maps.Values(m.users), byName), nil
}

// TokenByHash returns the token with that hash.
func (m *Memory) TokenByHash(_ context.Context, hash string) (account.Token, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.tokens[hash]
	if !ok {
		return t, engine.ErrNotFound
	}
	return t, nil
}

// PutToken writes the token.
func (m *Memory) PutToken(_ context.Context, t account.Token) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tokens == nil {
		m.tokens = map[string]account.Token{}
	}
	m.tokens[t.Hash] = t
	return nil
}

// Audit appends to the audit trail.
func (m *Memory) Audit(_ context.Context, e account.AuditEntry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries = append(m.entries, e)
	return nil
}

// AuditEntries returns the newest entries, newest first.
func (m *Memory) AuditEntries(_ context.Context, limit int) ([]account.AuditEntry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	es := slices.Clone(m.entries)
	slices.Reverse(es)
	return es[:min(limit, len(es))], nil
}

// TestStore runs the suite every account.Store passes; the store is empty.
func TestStore(t *testing.T, s account.Store) {
	ctx := t.Context()
	if _, err := s.UserByName(ctx, "nobody"); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("UserByName of nobody: %v, want ErrNotFound", err)
	}
	if _, err := s.TokenByHash(ctx, "00"); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("TokenByHash of nothing: %v, want ErrNotFound", err)
	}
	at := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	li := account.User{ID: "u-2", Name: "li", PasswordHash: "h", Roles: []string{"branch_it"}, Sites: []string{"sh", "bj"},
		Language: "zh-CN", MustChange: true, CreatedAt: at}
	an := account.User{ID: "u-1", Name: "an", Roles: []string{"admin"}, Disabled: true, CreatedAt: at}
	for _, u := range []account.User{li, an} {
		if err := s.PutUser(ctx, u); err != nil {
			t.Fatal(err)
		}
	}
	li.MustChange, li.Sites = false, []string{"sh"}
	if err := s.PutUser(ctx, li); err != nil {
		t.Fatal(err)
	}
	got, err := s.Users(ctx)
	if diff := gocmp.Diff([]account.User{an, li}, got, emptyIsNil); err != nil || diff != "" {
		t.Errorf("Users: %v (-want +got)\n%s", err, diff)
	}
	tok := account.Token{Hash: "ab", Name: "lab", Roles: []string{"admin"}, AgentID: "a1", Expires: at}
	if err := s.PutToken(ctx, tok); err != nil {
		t.Fatal(err)
	}
	gotTok, err := s.TokenByHash(ctx, "ab")
	if diff := gocmp.Diff(tok, gotTok, emptyIsNil); err != nil || diff != "" {
		t.Errorf("TokenByHash: %v (-want +got)\n%s", err, diff)
	}
	first := account.AuditEntry{At: at, Actor: "li", Action: "sign_in", Object: "o", Detail: "d", Remote: "192.0.2.1"}
	second := account.AuditEntry{At: at.Add(time.Second), Actor: "an", Action: "sign_in"}
	if err := errors.Join(s.Audit(ctx, first), s.Audit(ctx, second)); err != nil {
		t.Fatal(err)
	}
	es, err := s.AuditEntries(ctx, 10)
	if diff := gocmp.Diff([]account.AuditEntry{second, first}, es); err != nil || diff != "" {
		t.Errorf("AuditEntries: %v (-want +got)\n%s", err, diff)
	}
}

// emptyIsNil lets a store return an empty list where it was given none.
var emptyIsNil = gocmp.FilterValues(func(a, b []string) bool { return len(a) == 0 && len(b) == 0 }, gocmp.Ignore())

// NewSessionStore returns a store of sessions in memory.
func NewSessionStore() scs.CtxStore { return sessionStore{memstore.NewWithCleanupInterval(0)} }

// sessionStore gives the in-memory store the methods of a CtxStore.
type sessionStore struct{ *memstore.MemStore }

func (s sessionStore) DeleteCtx(_ context.Context, token string) error { return s.Delete(token) }

func (s sessionStore) FindCtx(_ context.Context, token string) ([]byte, bool, error) {
	return s.Find(token)
}

func (s sessionStore) CommitCtx(_ context.Context, token string, b []byte, expiry time.Time) error {
	return s.Commit(token, b, expiry)
}

// Tokens returns all tokens by name.
func (m *Memory) Tokens(context.Context) ([]account.Token, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.SortedFunc(maps.Values(m.tokens), func(a, b account.Token) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Hash, b.Hash)) }), nil
}
