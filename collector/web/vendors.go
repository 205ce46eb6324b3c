package web

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"strings"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/mailin"
	mailshelf "github.com/faultline/faultline/collector/mailin/shelf"
	"github.com/faultline/faultline/collector/vendorpage"
	"github.com/faultline/faultline/internal/lang"
)

// Vendors is what people do about what vendors send: mails that fit no ticket,
// and the links of vendor pages. The error for a mail that is not there is
// fs.ErrNotExist. Every method that changes something is audited by its caller.
type Vendors interface {
	// Mails returns those that wait, oldest first, and those dealt with, newest first.
	Mails(ctx context.Context) ([]mailin.Event, []mailshelf.Handled, error)
	// Mail returns one that waits, as it came.
	Mail(ctx context.Context, id string) (mailin.Event, []byte, error)
	// FileMail files a mail with the ticket; trusted lets it move the ticket.
	FileMail(ctx context.Context, id string, t mailin.Ticket, by incident.Actor, trusted bool) error
	// DiscardMail takes a mail out of the queue.
	DiscardMail(ctx context.Context, id string, by incident.Actor) error
	// BackMail takes back what was done with a mail.
	BackMail(ctx context.Context, id string, by incident.Actor) error
	// Tickets returns the tickets of the incident with the number.
	Tickets(ctx context.Context, number string) ([]mailin.Ticket, error)
	// Links tells how the links of a ticket's page are; ok is false without pages.
	Links(ctx context.Context, ticketKey string) (s vendorpage.State, ok bool, err error)
	// Revoke ends all links of a ticket's page; renew lets later messages carry new ones.
	Revoke(ctx context.Context, ticketKey, by string, renew bool) error
}

// vendorName returns what a vendor is called in the person's language; name is
// what the incident's log has, in the vendor's own.
func (c *console) vendorName(p *page, id, name string) string {
	for _, v := range c.Inventory().Vendors {
		if v.ID == id && !v.Name.IsZero() {
			return p.Text(v.Name)
		}
	}
	return cmp.Or(name, id)
}

// vendorNumber is the number that the vendor gave a ticket; a mail's own id, of
// use to programs only, is none.
func vendorNumber(ref string) string {
	if strings.HasPrefix(ref, "<") {
		return ""
	}
	return ref
}

// vendorRoutes are the pages about vendors.
func (c *console) vendorRoutes() map[string]handler {
	return map[string]handler{"GET /mails": c.mails, "GET /mails/{mail}/raw": c.rawMail, "POST /mails/{mail}": c.settleMail, "POST /incidents/{id}/links": c.relink}
}

// maySortMail tells whether the person may look at mails of all sites and act.
func (c *console) maySortMail(p *page) bool {
	who := account.PrincipalOf(p.User)
	return c.Vendors != nil && p.User.Name != "" && who.MayAct() && who.SeesAll()
}

// HasMail tells whether the person is shown the vendors' mails.
func (p *page) HasMail() bool { return p.sortsMail }

// mailsData is the queue of mails.
type mailsData struct {
	Waiting []mailRow
	Handled []handledRow
	More    int // handled beyond those shown
}

type mailRow struct {
	mailin.Event
	Choices []mailin.Ticket
}

type handledRow struct{ mailshelf.Handled }

// shownHandled is how many mails dealt with a page shows.
const shownHandled = 30

func (c *console) mails(w http.ResponseWriter, r *http.Request, p *page) error {
	if done := r.URL.Query().Get("done"); done != "" {
		p.Done = p.T("mails.done", p.W("mail_done", done))
	}
	return c.showMails(w, r, p, http.StatusOK)
}

func (c *console) showMails(w http.ResponseWriter, r *http.Request, p *page, status int) error {
	if !c.maySortMail(p) {
		return errLost
	}
	waiting, handled, err := c.Vendors.Mails(r.Context())
	if err != nil {
		return err
	}
	d := mailsData{}
	for _, e := range waiting {
		d.Waiting = append(d.Waiting, mailRow{e, e.Match.Candidates})
	}
	if len(handled) > shownHandled {
		d.More, handled = len(handled)-shownHandled, handled[:shownHandled]
	}
	for _, h := range handled {
		d.Handled = append(d.Handled, handledRow{h})
	}
	p.Title, p.D = p.T("mails.title"), d
	return c.render(w, r, status, "mails", p)
}

// rawMail answers with a mail as it came, to be saved.
func (c *console) rawMail(w http.ResponseWriter, r *http.Request, p *page) error {
	if !c.maySortMail(p) {
		return errLost
	}
	e, raw, err := c.Vendors.Mail(r.Context(), r.PathValue("mail"))
	if errors.Is(err, fs.ErrNotExist) {
		return errLost
	}
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", `attachment; filename="`+e.ID+`.eml"`)
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	w.Write(raw) // the browser may be gone; there is nobody to tell
	return nil
}

// settleMail files, discards or brings back a mail.
func (c *console) settleMail(w http.ResponseWriter, r *http.Request, p *page) error {
	if !c.maySortMail(p) {
		return errLost
	}
	if err := r.ParseForm(); err != nil {
		return err
	}
	what := r.PostForm.Get("do")
	detail, err := c.doMail(r, p, what)
	if errors.Is(err, fs.ErrNotExist) {
		err = refuse("这封邮件已被他人处理", "somebody has dealt with this mail already")
	}
	var refusal *api.Refusal
	if errors.As(err, &refusal) {
		var status int
		status, p.Error, p.Hint = c.explain(p, err)
		p.Here = "/mails"
		return c.showMails(w, r, p, status)
	}
	if err != nil {
		return err
	}
	entry := account.AuditEntry{Actor: p.User.Name, Action: "mail." + what, Object: r.PathValue("mail"), Detail: detail, Remote: account.Remote(r)}
	if err := c.Accounts.Record(r.Context(), entry); err != nil {
		return err
	}
	redirect(w, r, "/mails?done="+what)
	return nil
}

// doMail does what the form asks for and returns what the audit trail says of it.
func (c *console) doMail(r *http.Request, p *page, what string) (detail string, err error) {
	id, by := r.PathValue("mail"), account.PrincipalOf(p.User).Actor("")
	switch what {
	case "discard":
		return "", c.Vendors.DiscardMail(r.Context(), id, by)
	case "back":
		return "", c.Vendors.BackMail(r.Context(), id, by)
	case "file":
		t, err := c.chosenTicket(r)
		if err != nil {
			return "", err
		}
		return t.Number + " " + t.Vendor, c.Vendors.FileMail(r.Context(), id, t, by, r.PostForm.Get("trusted") == "1")
	}
	return "", refuse("未知的操作", "this is not known here")
}

// chosenTicket is the ticket a person chose, or that of the incident whose number
// he wrote.
func (c *console) chosenTicket(r *http.Request) (mailin.Ticket, error) {
	number, vendor, _ := strings.Cut(r.PostForm.Get("ticket"), " ")
	if number == "" {
		number, vendor, _ = strings.Cut(strings.TrimSpace(r.PostForm.Get("number")), " ")
	}
	number = strings.Trim(strings.TrimPrefix(strings.TrimPrefix(number, "["), "FL#"), "[]# ")
	all, err := c.Vendors.Tickets(r.Context(), number)
	if err != nil {
		return mailin.Ticket{}, err
	}
	var hits []mailin.Ticket
	for _, t := range all {
		if vendor == "" || t.Vendor == vendor {
			hits = append(hits, t)
		}
	}
	switch len(hits) {
	case 1:
		return hits[0], nil
	case 0:
		return mailin.Ticket{}, refuse("没有这个故障单，或它没有发给厂商的工单："+number, "there is no such incident, or it has no ticket at a vendor: "+number)
	}
	var names []string
	for _, t := range hits {
		names = append(names, t.Number+" "+t.Vendor)
	}
	return mailin.Ticket{}, refuse("此故障单有多个厂商工单，请写明："+strings.Join(names, "、"), "this incident has several tickets, write one of: "+strings.Join(names, ", "))
}

func refuse(zh, en string) error {
	return &api.Refusal{Why: api.Invalid, Text: lang.Text{ZH: zh, EN: en}}
}

// pageLink is how the links of one ticket's page are.
type pageLink struct {
	vendorpage.State
	Key string
}

// linksOf tells how the links of the incident's tickets are, for those who may
// revoke them.
func (c *console) linksOf(r *http.Request, p *page, i incident.Incident) (map[string]*pageLink, error) {
	out := map[string]*pageLink{}
	if c.Vendors == nil || !account.PrincipalOf(p.User).MayAct() {
		return out, nil
	}
	for _, t := range i.Tickets {
		s, ok, err := c.Vendors.Links(r.Context(), t.Key)
		if err != nil {
			return nil, err
		}
		if ok {
			out[t.Key] = &pageLink{s, t.Key}
		}
	}
	return out, nil
}

// relink revokes the links of a ticket's page, or lets there be new ones.
func (c *console) relink(w http.ResponseWriter, r *http.Request, p *page) error {
	i, err := c.one(r, p)
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return err
	}
	key, what := r.PostForm.Get("ticket"), r.PostForm.Get("do")
	known := false
	for _, t := range i.Tickets {
		known = known || t.Key == key
	}
	if c.Vendors == nil || !account.PrincipalOf(p.User).MayAct() || !known || what != "revoke" && what != "renew" {
		return errLost
	}
	if err := c.Vendors.Revoke(r.Context(), key, p.User.Name, what == "renew"); err != nil {
		return err
	}
	entry := account.AuditEntry{Actor: p.User.Name, Action: "vendor_page." + what, Object: key, Detail: i.Number, Remote: account.Remote(r)}
	if err := c.Accounts.Record(r.Context(), entry); err != nil {
		return err
	}
	redirect(w, r, "/incidents/"+i.ID+"#h-tickets")
	return nil
}
