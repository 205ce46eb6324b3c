package account

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/faultline/faultline/collector/engine"
)

// tokenPrefix lets people and secret scanners see what a token is.
const tokenPrefix = "flt_"

// IssueToken makes a new bearer token of 32 random bytes with the name, roles,
// sites, agent and expiry of t, stores its hash and returns it: the only moment
// it can be read. The actor is who asked for it.
func (s *Service) IssueToken(ctx context.Context, actor string, t Token) (string, error) {
	if t.Name == "" {
		return "", errors.New("token: no name given")
	}
	if t.AgentID == "" {
		if err := checkRoles(t.Roles); err != nil {
			return "", fmt.Errorf("token %s: %w", t.Name, err)
		}
	} else if len(t.Roles) > 0 {
		return "", fmt.Errorf("token %s: an agent's token has no roles", t.Name)
	}
	token := tokenPrefix + newSecret(32)
	t.Hash = hashToken(token)
	if err := s.store.PutToken(ctx, t); err != nil {
		return "", fmt.Errorf("write token %s: %w", t.Name, err)
	}
	e := AuditEntry{Actor: actor, Action: "token_issued", Object: t.Name, Detail: "roles " + strings.Join(t.Roles, " ") + " agent " + t.AgentID}
	return token, s.Record(ctx, e)
}

// Authenticate returns whose bearer token it is, or ErrCredentials.
func (s *Service) Authenticate(ctx context.Context, token string) (Principal, error) {
	if token == "" || len(token) > 512 {
		return Principal{}, ErrCredentials
	}
	hash := hashToken(token)
	if s.agents != nil {
		if id, site, ok := s.agents(hash); ok {
			return Principal{Kind: KindAgent, ID: id, Name: id, AgentID: id, Sites: []string{site}}, nil
		}
	}
	t, err := s.store.TokenByHash(ctx, hash)
	switch {
	case errors.Is(err, engine.ErrNotFound):
		return Principal{}, ErrCredentials
	case err != nil:
		return Principal{}, fmt.Errorf("look up token: %w", err)
	case subtle.ConstantTimeCompare([]byte(t.Hash), []byte(hash)) != 1,
		!t.Expires.IsZero() && !s.now().Before(t.Expires):
		return Principal{}, ErrCredentials
	case t.AgentID != "":
		return Principal{Kind: KindAgent, ID: t.AgentID, Name: t.Name, AgentID: t.AgentID, Sites: t.Sites}, nil
	}
	return Principal{Kind: KindProgram, ID: t.Name, Name: t.Name, Roles: t.Roles, Sites: t.Sites}, nil
}

// EnsureTokenFile makes sure that path holds a token with full rights, readable
// by its owner alone: a token there that still opens the door is kept.
func (s *Service) EnsureTokenFile(ctx context.Context, path string) error {
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read token file: %w", err)
	}
	if p, err := s.Authenticate(ctx, strings.TrimSpace(string(b))); err == nil && p.Admin() {
		return os.Chmod(path, 0o600)
	} else if err != nil && !errors.Is(err, ErrCredentials) {
		return err
	}
	token, err := s.IssueToken(ctx, "system", Token{Name: "admin.token", Roles: []string{RoleAdmin}})
	if err != nil {
		return err
	}
	return writeOwnerOnly(path, token+"\n")
}

// writeOwnerOnly replaces the file at once, so that a reader never sees half of
// it and nobody else can open it in between.
func writeOwnerOnly(path, content string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".token-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write token file: %w", err)
	}
	defer os.Remove(f.Name()) // fails once it was renamed, as it should
	_, err = f.WriteString(content)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write token file: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write token file: %w", err)
	}
	return nil
}
