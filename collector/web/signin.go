package web

import (
	"errors"
	"net/http"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/internal/lang"
)

// signInForm is what the sign-in page shows again after a failure.
type signInForm struct{ Name, Next string }

func (c *console) signInPage(w http.ResponseWriter, r *http.Request, p *page) error {
	if p.User.Name != "" {
		redirect(w, r, "/")
		return nil
	}
	p.Title, p.D = p.T("signin.title"), signInForm{Next: localPath(r.URL.Query().Get("next"))}
	return c.render(w, r, http.StatusOK, "signin", p)
}

func (c *console) signIn(w http.ResponseWriter, r *http.Request, p *page) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	next := localPath(r.PostForm.Get("next"))
	u, err := c.Accounts.SignIn(r.Context(), r.PostForm.Get("name"), r.PostForm.Get("password"), account.Remote(r))
	if err != nil {
		var status int
		if status, p.Error, p.Hint = c.explain(p, err); status >= 500 {
			return err
		}
		p.Title, p.D = p.T("signin.title"), signInForm{r.PostForm.Get("name"), next}
		return c.render(w, r, status, "signin", p)
	}
	if err := c.Sessions.Start(r.Context(), u); err != nil {
		return err
	}
	if u.MustChange {
		next = "/password"
	}
	redirect(w, r, next)
	return nil
}

func (c *console) signOut(w http.ResponseWriter, r *http.Request, p *page) error {
	if err := c.Accounts.Record(r.Context(), account.AuditEntry{Actor: p.User.Name, Action: "sign_out", Remote: account.Remote(r)}); err != nil {
		return err
	}
	if err := c.Sessions.End(r.Context()); err != nil {
		return err
	}
	redirect(w, r, "/sign-in")
	return nil
}

func (c *console) passwordPage(w http.ResponseWriter, r *http.Request, p *page) error {
	p.Title = p.T("password.title")
	return c.render(w, r, http.StatusOK, "password", p)
}

var errMismatch = &account.WeakPasswordError{Reason: lang.Text{ZH: "两次输入不一致", EN: "the two entries differ"}}

func (c *console) setPassword(w http.ResponseWriter, r *http.Request, p *page) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	f := r.PostForm
	var err error = errMismatch
	if f.Get("new") == f.Get("again") {
		err = c.Accounts.SetPassword(r.Context(), p.User.Name, f.Get("old"), f.Get("new"), account.Remote(r))
	}
	if err != nil {
		var status int
		if status, p.Error, p.Hint = c.explain(p, err); status >= 500 {
			return err
		}
		if errors.Is(err, account.ErrCredentials) {
			p.Error, status = p.T("password.old_wrong"), http.StatusUnprocessableEntity
		}
		p.Title = p.T("password.title")
		return c.render(w, r, status, "password", p)
	}
	if err := c.Sessions.Start(r.Context(), p.User); err != nil {
		return err
	}
	if p.User.MustChange {
		redirect(w, r, "/")
	} else {
		redirect(w, r, "/account?done=password")
	}
	return nil
}

// preferences remembers language, theme and time zone.
func (c *console) preferences(w http.ResponseWriter, r *http.Request, p *page) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	if l := r.PostForm.Get("lang"); l == lang.ZH || l == lang.EN {
		c.remember(w, cookieLang, l)
		if p.User.Name != "" {
			if err := c.Accounts.SetLanguage(r.Context(), p.User.Name, l); err != nil {
				return err
			}
		}
	}
	if t := r.PostForm.Get("theme"); t == "auto" || t == "light" || t == "dark" {
		c.remember(w, cookieTheme, t)
	}
	if z := r.PostForm.Get("zone"); z != "" {
		if _, err := time.LoadLocation(z); err == nil && z != "Local" && len(z) < 64 {
			c.remember(w, cookieZone, z)
		}
	}
	redirect(w, r, localPath(r.PostForm.Get("next")))
	return nil
}

func (c *console) remember(w http.ResponseWriter, name, value string) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: 400 * 24 * 3600, HttpOnly: true, Secure: c.Secure, SameSite: http.SameSiteLaxMode})
}

// accountData is the account page.
type accountData struct {
	Zones []string
	Sites []string
}

func (c *console) accountPage(w http.ResponseWriter, r *http.Request, p *page) error {
	p.Title = p.T("account.title")
	if r.URL.Query().Get("done") == "password" {
		p.Done = p.T("password.done")
	}
	d := accountData{Zones: []string{defaultZone, "Asia/Urumqi", "Asia/Hong_Kong", "Asia/Singapore", "Asia/Tokyo", "Europe/Berlin", "Europe/London", "America/New_York", "America/Los_Angeles", "UTC"}}
	for _, s := range p.User.Sites {
		d.Sites = append(d.Sites, c.siteName(p, s))
	}
	p.D = d
	return c.render(w, r, http.StatusOK, "account", p)
}
