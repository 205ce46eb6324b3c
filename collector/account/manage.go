package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/people"
	"github.com/faultline/faultline/internal/lang"
)

// Manager is what an administrator's pages need besides Store.
type Manager interface {
	// Tokens returns all tokens by name, without their secrets.
	Tokens(ctx context.Context) ([]Token, error)
}

// Refused says why an account was not changed, to the person who asked for it.
type Refused struct{ Text lang.Text }

// Error returns the text in English.
func (r *Refused) Error() string { return r.Text.EN }

func refuse(zh, en string) error { return &Refused{lang.Text{ZH: zh, EN: en}} }

// By is who changes accounts, and from where.
type By struct{ Name, Remote string }

// Users returns all users by name.
func (s *Service) Users(ctx context.Context) ([]User, error) { return s.store.Users(ctx) }

// Tokens returns all tokens that people and programs have, by name.
func (s *Service) Tokens(ctx context.Context) ([]Token, error) {
	m, ok := s.store.(Manager)
	if !ok {
		return nil, errors.New("list tokens: this store cannot")
	}
	return m.Tokens(ctx)
}

// CheckScope refuses roles and sites that would see nothing or do not exist.
// known tells whether a site exists; nil takes any.
func CheckScope(roles, sites []string, known func(site string) bool) error {
	if err := checkRoles(roles); err != nil {
		return refuse("请至少选择一个有效角色", err.Error())
	}
	for _, site := range sites {
		if known != nil && !known(site) {
			return refuse("没有站点 "+site, "no site "+site)
		}
	}
	if len(sites) == 0 && !people.SeesAllSites(roles) {
		return refuse("分公司角色必须指定站点，否则什么也看不到", "a branch role needs its sites: without them it sees nothing")
	}
	return nil
}

// SetAccess takes a person's access away, at once, or gives it back. Nobody
// shuts out themselves or the last administrator.
func (s *Service) SetAccess(ctx context.Context, by By, name string, allowed bool) error {
	return s.changeUser(ctx, by, name, map[bool]string{true: "user_enabled", false: "user_disabled"}[allowed], func(u *User) error {
		if !allowed && u.Name == by.Name {
			return refuse("不能停用自己的账号", "nobody takes away their own access")
		}
		u.Disabled = !allowed
		return nil
	})
}

// SetScope changes a person's roles and sites, at once.
func (s *Service) SetScope(ctx context.Context, by By, name string, roles, sites []string) error {
	if err := checkRoles(roles); err != nil {
		return refuse("请至少选择一个有效角色", err.Error())
	}
	return s.changeUser(ctx, by, name, "user_scope", func(u *User) error {
		u.Roles, u.Sites = roles, sites
		return nil
	})
}

// changeUser writes the changed user after the audit entry.
func (s *Service) changeUser(ctx context.Context, by By, name, action string, change func(*User) error) error {
	u, err := s.store.UserByName(ctx, canonical(name))
	if err != nil {
		return fmt.Errorf("%s %s: %w", action, name, err)
	}
	if err := change(&u); err != nil {
		return err
	}
	if err := s.keepsAdmin(ctx, u); err != nil {
		return err
	}
	detail := "roles " + strings.Join(u.Roles, " ") + " sites " + strings.Join(u.Sites, " ")
	if err := s.Record(ctx, AuditEntry{Actor: by.Name, Action: action, Object: u.Name, Detail: detail, Remote: by.Remote}); err != nil {
		return err
	}
	if err := s.store.PutUser(ctx, u); err != nil {
		return fmt.Errorf("%s %s: %w", action, u.Name, err)
	}
	return nil
}

// keepsAdmin refuses a change after which nobody could administer.
func (s *Service) keepsAdmin(ctx context.Context, changed User) error {
	all, err := s.store.Users(ctx)
	if err != nil {
		return err
	}
	admin := func(u User) bool { return !u.Disabled && slices.Contains(u.Roles, RoleAdmin) }
	if admin(changed) || !slices.ContainsFunc(all, func(u User) bool { return u.ID == changed.ID && admin(u) }) {
		return nil
	}
	if slices.ContainsFunc(all, func(u User) bool { return u.ID != changed.ID && admin(u) }) {
		return nil
	}
	return refuse("至少要保留一名系统管理员", "one administrator has to remain")
}

// RevokeToken ends the token with the hash, at once.
func (s *Service) RevokeToken(ctx context.Context, by By, hash string) error {
	t, err := s.store.TokenByHash(ctx, hash)
	if err != nil {
		return fmt.Errorf("revoke token: %w", err)
	}
	now := s.now().UTC()
	if !t.Expires.IsZero() && !now.Before(t.Expires) {
		return refuse("令牌已失效", "the token is not valid any more")
	}
	t.Expires = now
	if err := s.Record(ctx, AuditEntry{Actor: by.Name, Action: "token_revoked", Object: t.Name, Remote: by.Remote}); err != nil {
		return err
	}
	return s.store.PutToken(ctx, t)
}

// Valid tells whether the token still opens anything at the time.
func (t Token) Valid(now time.Time) bool { return t.Expires.IsZero() || now.Before(t.Expires) }

// Exists tells whether there is a user of that name, disabled or not.
func (s *Service) Exists(ctx context.Context, name string) (bool, error) {
	_, err := s.store.UserByName(ctx, canonical(name))
	if errors.Is(err, engine.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// AdminOnly says who may change accounts.
var AdminOnly = lang.Text{ZH: "只有系统管理员可以打开此页", EN: "this page is for administrators"}

// BadToken says what a new token needs.
var BadToken = refuse("令牌需要名称（不超过 64 字符）和 1 到 3650 天的有效期", "a token needs a name of at most 64 characters and 1 to 3650 days to live")

// GoodName tells whether a user may be called that.
func GoodName(name string) bool { return namePattern.MatchString(canonical(name)) }

// NameTaken says why a user cannot be added under the name.
func NameTaken(name string) error {
	return refuse("用户名 "+name+" 已存在或不可用：1 到 64 个小写字母、数字或 . _ @ -，以字母或数字开头",
		"the user name "+name+" exists already or cannot be used: 1 to 64 small letters, digits, . _ @ -, a letter or digit first")
}
