// Package account knows who may sign in and what they may see and do: local
// users with argon2id passwords, bearer tokens of programs and agents, browser
// sessions, site scopes and the audit trail. It keeps nothing itself (a Store
// does) and draws no page; packages api and web ask it who is asking.
package account

import (
	"context"
	"slices"
	"time"

	"github.com/faultline/faultline/internal/lang"
)

// Role ids. Those before Admin are the company's roles of the documented processes;
// Admin may do everything, Viewer may look and nothing else.
const (
	RoleBranchIT    = "branch_it"
	RoleHQNetwork   = "hq_network"
	RoleHQFacility  = "hq_facility"
	RoleHQDBA       = "hq_dba"
	RoleHQDev       = "hq_dev"
	RoleHQITManager = "hq_it_manager"
	RoleUser        = "user"           // who uses what the department runs: reports, asks, confirms
	RoleBusiness    = "business_owner" // approves what touches the business
	RoleHQSecurity  = "hq_security"
	RoleCommittee   = "it_committee"
	RoleAdmin       = "admin"
	RoleViewer      = "viewer"
)

// Role is a role and what people call it.
type Role struct {
	ID    string
	Title lang.Text
}

// Roles returns all roles a user or token can have, in the order they are shown.
func Roles() []Role {
	return []Role{
		{RoleBranchIT, lang.Text{ZH: "分公司IT", EN: "branch IT"}},
		{RoleHQNetwork, lang.Text{ZH: "总公司网络管理员", EN: "HQ network team"}},
		{RoleHQFacility, lang.Text{ZH: "总公司机房管理人员", EN: "HQ machine-room manager"}},
		{RoleHQDBA, lang.Text{ZH: "总公司数据库管理", EN: "HQ database team"}},
		{RoleHQDev, lang.Text{ZH: "开发、运营", EN: "HQ development / operations"}},
		{RoleHQITManager, lang.Text{ZH: "信息技术部领导", EN: "HQ IT department manager"}},
		{RoleUser, lang.Text{ZH: "业务用户", EN: "business user"}},
		{RoleBusiness, lang.Text{ZH: "业务部门负责人", EN: "business owner"}},
		{RoleHQSecurity, lang.Text{ZH: "信息安全负责人", EN: "security officer"}},
		{RoleCommittee, lang.Text{ZH: "信息化委员会", EN: "IT committee"}},
		{RoleAdmin, lang.Text{ZH: "系统管理员", EN: "administrator"}},
		{RoleViewer, lang.Text{ZH: "只读用户", EN: "viewer"}},
	}
}

// KnownRole tells whether id is one of Roles.
func KnownRole(id string) bool {
	return slices.ContainsFunc(Roles(), func(r Role) bool { return r.ID == id })
}

// User is a person who can sign in.
type User struct {
	ID           string // stable; the actor of the person's actions
	Name         string // what is typed at sign-in, unique, lower case
	PasswordHash string // argon2id in PHC form; "" cannot sign in
	Roles        []string
	Sites        []string // empty: all
	Language     string   // zh-CN or en; "" is the browser's
	MustChange   bool     // a new password has to be set before anything else
	Disabled     bool
	CreatedAt    time.Time
}

// Token is the stored half of a bearer token: its hash, never the token.
type Token struct {
	Hash    string // SHA-256 of the token, hex
	Name    string // what it is for; the actor of the program's actions
	Roles   []string
	Sites   []string  // empty: all
	AgentID string    // set on agents' tokens, which open nothing but the agent's own paths
	Expires time.Time // zero: never
}

// AuditEntry says that somebody did, or tried, something.
type AuditEntry struct {
	At     time.Time
	Actor  string // user or token name
	Action string // sign_in, sign_in_refused, password_set, incident.ack, ...
	Object string // what it was done to
	Detail string
	Remote string // address of the client
}

// Store keeps users, tokens and the audit trail. UserByName and TokenByHash
// return engine.ErrNotFound when there is none. All methods may be called from
// several goroutines.
type Store interface {
	// UserByName returns the user of that name.
	UserByName(ctx context.Context, name string) (User, error)
	// PutUser writes the user, replacing the one with the same ID.
	PutUser(ctx context.Context, u User) error
	// Users returns all users by name.
	Users(ctx context.Context) ([]User, error)
	// TokenByHash returns the token with that hash.
	TokenByHash(ctx context.Context, hash string) (Token, error)
	// PutToken writes the token, replacing the one with the same hash.
	PutToken(ctx context.Context, t Token) error
	// Audit appends to the audit trail.
	Audit(ctx context.Context, e AuditEntry) error
	// AuditEntries returns the newest entries, newest first.
	AuditEntries(ctx context.Context, limit int) ([]AuditEntry, error)
}
