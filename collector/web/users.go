package web

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/inventory"
)

// usersData is the page of users and tokens.
type usersData struct {
	Users  []account.User
	Tokens []tokenRow
	Roles  []string
	Sites  []option
	Secret string // shown this once: a one-time password or a token
	For    string // whose it is
	Kind   string // password or token
	Form   userForm
}

type tokenRow struct {
	account.Token
	Valid bool
}

// userForm is what was typed, for showing it again after a refusal.
type userForm struct {
	Name  string
	Roles []string
	Sites []string
}

// Has tells whether the list has the word, for boxes that are ticked.
func (usersData) Has(list []string, word string) bool { return slices.Contains(list, word) }

// errNotAdmin is answered to who opens an administrator's page without being one.
var errNotAdmin = &api.Refusal{Why: api.Forbidden, Text: account.AdminOnly}

// admin lets administrators through.
func (c *console) admin(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request, p *page) error {
		if !account.PrincipalOf(p.User).Admin() {
			return errNotAdmin
		}
		return h(w, r, p)
	}
}

func (c *console) usersPage(w http.ResponseWriter, r *http.Request, p *page) error {
	if k := r.URL.Query().Get("done"); slices.Contains([]string{"user_enabled", "user_disabled", "user_scope", "token_revoked"}, k) {
		p.Done = p.T("users.done." + k)
	}
	return c.showUsers(w, r, p, http.StatusOK, usersData{})
}

func (c *console) showUsers(w http.ResponseWriter, r *http.Request, p *page, status int, d usersData) error {
	var err error
	if d.Users, err = c.Accounts.Users(r.Context()); err != nil {
		return err
	}
	tokens, err := c.Accounts.Tokens(r.Context())
	if err != nil {
		return err
	}
	for _, t := range tokens {
		d.Tokens = append(d.Tokens, tokenRow{t, t.Valid(p.now)})
	}
	for _, role := range account.Roles() {
		d.Roles = append(d.Roles, role.ID)
	}
	for _, s := range c.Inventory().Sites {
		d.Sites = append(d.Sites, option{s.ID, c.siteName(p, s.ID)})
	}
	p.Title, p.D = p.T("users.title"), d
	return c.render(w, r, status, "users", p)
}

// changeUsers answers all forms of the page: "do" says which.
func (c *console) changeUsers(w http.ResponseWriter, r *http.Request, p *page) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	f, by := r.PostForm, account.By{Name: p.User.Name, Remote: account.Remote(r)}
	d := usersData{Form: userForm{Name: strings.TrimSpace(f.Get("name")), Roles: f["role"], Sites: f["site"]}}
	done, err := "", error(nil)
	switch f.Get("do") {
	case "add":
		d.For, d.Kind = d.Form.Name, "password"
		d.Secret, err = c.addUser(r, by, d.Form)
	case "reset":
		d.For, d.Kind = f.Get("user"), "password"
		d.Secret, err = c.Accounts.ResetPassword(r.Context(), by.Name, f.Get("user"))
	case "token":
		d.For, d.Kind = d.Form.Name, "token"
		d.Secret, err = c.addToken(r, by, d.Form, f.Get("days"))
	case "disable", "enable":
		done = map[string]string{"disable": "user_disabled", "enable": "user_enabled"}[f.Get("do")]
		err = c.Accounts.SetAccess(r.Context(), by, f.Get("user"), f.Get("do") == "enable")
	case "scope":
		done = "user_scope"
		if err = account.CheckScope(d.Form.Roles, d.Form.Sites, c.knownSite); err == nil {
			err = c.Accounts.SetScope(r.Context(), by, f.Get("user"), d.Form.Roles, d.Form.Sites)
		}
	case "revoke":
		done = "token_revoked"
		err = c.Accounts.RevokeToken(r.Context(), by, f.Get("token"))
	default:
		return errLost
	}
	if err == nil {
		err = c.accessChanged(r)
	}
	var refused *account.Refused
	switch {
	case errors.As(err, &refused):
		p.Error, d.Secret = p.Text(refused.Text), ""
		return c.showUsers(w, r, p, http.StatusUnprocessableEntity, d)
	case err != nil:
		return err
	case d.Secret != "":
		d.Form = userForm{}
		return c.showUsers(w, r, p, http.StatusOK, d)
	}
	redirect(w, r, "/users?done="+done)
	return nil
}

// accessChanged makes changed access count for who is on call and for pages that
// are open.
func (c *console) accessChanged(r *http.Request) error {
	c.Hub.Publish(Change{})
	if c.Duty == nil {
		return nil
	}
	return c.Duty.Refresh(r.Context())
}

func (c *console) knownSite(id string) bool {
	return slices.ContainsFunc(c.Inventory().Sites, func(s inventory.Site) bool { return s.ID == id })
}

func (c *console) addUser(r *http.Request, by account.By, f userForm) (string, error) {
	if err := account.CheckScope(f.Roles, f.Sites, c.knownSite); err != nil {
		return "", err
	}
	exists, err := c.Accounts.Exists(r.Context(), f.Name)
	if err != nil {
		return "", err
	}
	if exists || !account.GoodName(f.Name) {
		return "", account.NameTaken(f.Name)
	}
	return c.Accounts.CreateUser(r.Context(), by.Name, account.User{Name: f.Name, Roles: f.Roles, Sites: f.Sites})
}

func (c *console) addToken(r *http.Request, by account.By, f userForm, days string) (string, error) {
	if err := account.CheckScope(f.Roles, f.Sites, c.knownSite); err != nil {
		return "", err
	}
	n, err := strconv.Atoi(days)
	if err != nil || n < 1 || n > 3650 || f.Name == "" || len(f.Name) > 64 {
		return "", account.BadToken
	}
	return c.Accounts.IssueToken(r.Context(), by.Name, account.Token{Name: f.Name, Roles: f.Roles, Sites: f.Sites, Expires: c.Now().Add(time.Duration(n) * 24 * time.Hour).UTC()})
}
