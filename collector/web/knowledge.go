package web

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/knowledge"
	"github.com/faultline/faultline/internal/lang"
)

// knowledgePages are the pages of the knowledge base.
func (c *console) knowledgePages() map[string]handler {
	if c.Knowledge == nil {
		return nil
	}
	return map[string]handler{
		"GET /knowledge": c.knowledgeList, "GET /knowledge/{id}": c.entryPage, "GET /knowledge/{id}/edit": c.editPage, "POST /knowledge/{id}/edit": c.edit,
		"POST /knowledge/{id}/state": c.entryState, "POST /knowledge/{id}/undo": c.undo, "POST /incidents/{id}/knowledge": c.helped,
	}
}

// newEntry is the path's id of an entry that is not there yet.
const newEntry = "new"

type knowledgeData struct {
	Query, State string
	Found        []knowledge.Suggestion
	Entries      []knowledge.Entry
	Drafts, Due  int
	May          bool
	Next         string
}

// shownTo tells whether the person may read the entry: those of other sites and
// drafts are for those whose they are.
func shownTo(who account.Principal, e knowledge.Entry) bool {
	here := len(e.Sites) == 0 || who.SeesAll() || slices.ContainsFunc(e.Sites, who.Sees)
	return here && (e.State == knowledge.Published || who.MayAct())
}

// mayEdit tells whether the person may change the entry: its owner by name or
// role, head office, and whoever acts as long as it is a draft.
func mayEdit(who account.Principal, e knowledge.Entry) bool {
	if !who.MayAct() || !shownTo(who, e) {
		return false
	}
	return e.State == knowledge.Draft || e.Owner == "" || e.Owner == who.Name || who.Has(e.Owner) || who.SeesAll()
}

// searchQuery is what the person searches among.
func searchQuery(who account.Principal, text string) knowledge.Query {
	q := knowledge.Query{Text: text, AllSites: who.SeesAll(), Limit: 30}
	if len(who.Sites) > 0 {
		q.Site = who.Sites[0]
	}
	return q
}

func (c *console) knowledgeList(w http.ResponseWriter, r *http.Request, p *page) error {
	who, v := account.PrincipalOf(p.User), r.URL.Query()
	d := knowledgeData{Query: strings.TrimSpace(v.Get("q")), State: v.Get("state"), May: who.MayAct()}
	var err error
	if d.Query != "" {
		if d.Found, err = c.Knowledge.Suggest(r.Context(), searchQuery(who, d.Query)); err != nil {
			return err
		}
	} else {
		f := knowledge.Filter{State: d.State, After: v.Get("after"), Limit: 100}
		switch d.State {
		case "due":
			f.State, f.ReviewBy = "", c.Now()
		case "":
			f.State = knowledge.Published
		}
		if d.Entries, err = c.Knowledge.List(r.Context(), f); err != nil {
			return err
		}
		if len(d.Entries) == f.Limit {
			d.Next = d.Entries[len(d.Entries)-1].ID
		}
		d.Entries = slices.DeleteFunc(d.Entries, func(e knowledge.Entry) bool { return !shownTo(who, e) })
	}
	for _, n := range []struct {
		to *int
		f  knowledge.Filter
	}{{&d.Drafts, knowledge.Filter{State: knowledge.Draft, Limit: 500}}, {&d.Due, knowledge.Filter{ReviewBy: c.Now(), Limit: 500}}} {
		list, err := c.Knowledge.List(r.Context(), n.f)
		if err != nil {
			return err
		}
		*n.to = len(slices.DeleteFunc(list, func(e knowledge.Entry) bool { return !shownTo(who, e) }))
	}
	p.Title, p.D = p.T("knowledge.title"), d
	return c.render(w, r, http.StatusOK, "knowledge", p)
}

type entryData struct {
	knowledge.Entry
	History []knowledge.Entry
	May     bool
	IsDue   bool
}

// entryOf returns the entry of the path if the person may read it.
func (c *console) entryOf(r *http.Request, p *page) (knowledge.Entry, error) {
	e, err := c.Knowledge.Get(r.Context(), r.PathValue("id"))
	if errors.Is(err, knowledge.ErrNotFound) || err == nil && !shownTo(account.PrincipalOf(p.User), e) {
		return e, errLost
	}
	return e, err
}

func (c *console) entryPage(w http.ResponseWriter, r *http.Request, p *page) error {
	if r.PathValue("id") == newEntry {
		redirect(w, r, "/knowledge/new/edit")
		return nil
	}
	e, err := c.entryOf(r, p)
	if err != nil {
		return err
	}
	d := entryData{Entry: e, May: mayEdit(account.PrincipalOf(p.User), e), IsDue: e.Due(c.Now())}
	if d.History, err = c.Knowledge.History(r.Context(), e.ID); err != nil {
		return err
	}
	if done := r.URL.Query().Get("done"); done == "saved" || done == "helped" {
		p.Done = p.T("knowledge.done." + done)
	}
	p.Title, p.D = p.Text(e.Title), d
	return c.render(w, r, http.StatusOK, "entry", p)
}

type editData struct {
	knowledge.Entry
	IsNew                 bool
	Owners                []account.Role
	Classes               []string
	Models, Tags, AtSites string
	Review                string
	OwnerIsPerson         bool
}

func (c *console) editPage(w http.ResponseWriter, r *http.Request, p *page) error {
	e := knowledge.Entry{State: knowledge.Published, ReviewBy: c.Now().AddDate(1, 0, 0)}
	if r.PathValue("id") != newEntry {
		var err error
		if e, err = c.entryOf(r, p); err != nil {
			return err
		}
	}
	return c.showEdit(w, r, p, e, http.StatusOK)
}

func (c *console) showEdit(w http.ResponseWriter, r *http.Request, p *page, e knowledge.Entry, status int) error {
	if !mayEdit(account.PrincipalOf(p.User), e) {
		return notOurs()
	}
	d := editData{Entry: e, IsNew: e.Version == 0, Owners: account.Roles(), Classes: classes, Models: strings.Join(e.Models, ", "), Tags: strings.Join(e.Tags, ", "), AtSites: strings.Join(e.Sites, ", "),
		OwnerIsPerson: e.Owner != "" && !account.KnownRole(e.Owner)}
	if !e.ReviewBy.IsZero() {
		d.Review = e.ReviewBy.In(p.zone).Format(time.DateOnly)
	}
	p.Title, p.D = p.T("knowledge.edit"), d
	return c.render(w, r, status, "entry-edit", p)
}

// classes are the classes of faults an entry can be about.
var classes = []string{incident.ClassCarrierLine, incident.ClassDevice, incident.ClassPower, incident.ClassConfiguration, incident.ClassServer, incident.ClassDatabase, incident.ClassEnvironment, incident.ClassSecurity}

func notOurs() error {
	return &api.Refusal{Why: api.Forbidden, Text: lang.Text{ZH: "此条目由其负责人维护", EN: "this entry is kept by its owner"}}
}

// edit stores a changed or new entry.
func (c *console) edit(w http.ResponseWriter, r *http.Request, p *page) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	e := knowledge.Entry{ID: "kb-" + strings.ToLower(rand.Text()[:16]), State: knowledge.Published}
	if r.PathValue("id") != newEntry {
		var err error
		if e, err = c.entryOf(r, p); err != nil {
			return err
		}
		e.Version = atoi64(r.PostForm.Get("version"))
	}
	if !mayEdit(account.PrincipalOf(p.User), e) {
		return notOurs()
	}
	filled, err := c.filled(r, p, e)
	if err == nil {
		err = c.put(r, p, filled, "knowledge.write")
	}
	if status, ok := c.refusedEntry(p, err); ok {
		return c.showEdit(w, r, p, filled, status)
	}
	if err != nil {
		return err
	}
	redirect(w, r, "/knowledge/"+filled.ID+"?done=saved")
	return nil
}

// filled is the entry with what the form says.
func (c *console) filled(r *http.Request, p *page, e knowledge.Entry) (knowledge.Entry, error) {
	v := r.PostForm.Get
	text := func(name string) lang.Text {
		return lang.Text{ZH: strings.TrimSpace(v(name + ".zh-CN")), EN: strings.TrimSpace(v(name + ".en"))}
	}
	e.Title, e.Symptoms, e.Cause, e.Solution = text("title"), text("symptoms"), text("cause"), text("solution")
	e.Class, e.Vendor, e.DeviceKind, e.Models, e.Tags, e.Sites = v("class"), v("vendor"), v("device_kind"), commas(v("models")), commas(v("tags")), commas(v("sites"))
	e.Owner, e.Public, e.UpdatedBy = strings.TrimSpace(v("owner")), v("public") != "", p.User.Name
	for _, s := range e.Sites {
		if !slices.ContainsFunc(c.Inventory().Sites, func(x inventory.Site) bool { return x.ID == s }) {
			return e, &knowledge.Fault{Field: "sites", What: s + " is not in the inventory"}
		}
	}
	at, err := time.ParseInLocation(time.DateOnly, v("review_by"), p.zone)
	if err != nil {
		return e, &knowledge.Fault{Field: "review_by", What: "is no date"}
	}
	e.ReviewBy = at.UTC()
	return e, nil
}

// put stores the entry and audits it.
func (c *console) put(r *http.Request, p *page, e knowledge.Entry, action string) error {
	if err := e.Check(c.Now()); err != nil {
		return err
	}
	err := c.Accounts.Record(r.Context(), account.AuditEntry{Actor: p.User.Name, Action: action, Object: e.ID, Detail: e.State + " " + p.Text(e.Title), Remote: account.Remote(r)})
	if err != nil {
		return err
	}
	_, err = c.Knowledge.Put(r.Context(), e)
	return err
}

// refusedEntry shows what is wrong with an entry on its page.
func (c *console) refusedEntry(p *page, err error) (status int, ok bool) {
	var fault *knowledge.Fault
	switch {
	case errors.As(err, &fault):
		p.Error, p.Hint = p.T("knowledge.refused", p.W("knowledge.field", fault.Field)), p.W("knowledge.what", fault.What)
		return http.StatusUnprocessableEntity, true
	case errors.Is(err, knowledge.ErrConflict):
		p.Error, p.Hint = p.T("error.conflict"), p.T("error.conflict.hint")
		return http.StatusConflict, true
	}
	return 0, false
}

// entryState accepts or discards a draft, retires an entry, brings it back, or
// says that it was looked at again.
func (c *console) entryState(w http.ResponseWriter, r *http.Request, p *page) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	e, err := c.entryOf(r, p)
	if err != nil {
		return err
	}
	if !mayEdit(account.PrincipalOf(p.User), e) {
		return notOurs()
	}
	e.Version, e.UpdatedBy = atoi64(r.PostForm.Get("version")), p.User.Name
	action := r.PostForm.Get("do")
	switch action {
	case "accept", "restore":
		e.State = knowledge.Published
		if e.Owner == "" {
			e.Owner = p.User.Name
		}
	case "discard", "retire":
		e.State = knowledge.Retired
	case "reviewed":
		e.ReviewBy = c.Now().UTC().AddDate(1, 0, 0)
	default:
		return errLost
	}
	return c.saved(w, r, p, e, c.put(r, p, e, "knowledge."+action))
}

// undo brings an older version's words back.
func (c *console) undo(w http.ResponseWriter, r *http.Request, p *page) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	e, err := c.entryOf(r, p)
	if err != nil {
		return err
	}
	if !mayEdit(account.PrincipalOf(p.User), e) {
		return notOurs()
	}
	to := r.PostForm.Get("to")
	if err := c.Accounts.Record(r.Context(), account.AuditEntry{Actor: p.User.Name, Action: "knowledge.undo", Object: e.ID, Detail: "to version " + to, Remote: account.Remote(r)}); err != nil {
		return err
	}
	_, err = c.Knowledge.Undo(r.Context(), e.ID, atoi64(to), atoi64(r.PostForm.Get("version")), p.User.Name)
	return c.saved(w, r, p, e, err)
}

// saved shows the entry after a change, or again the form that was refused.
func (c *console) saved(w http.ResponseWriter, r *http.Request, p *page, e knowledge.Entry, err error) error {
	if status, ok := c.refusedEntry(p, err); ok {
		return c.showEdit(w, r, p, e, status)
	}
	if err != nil {
		return err
	}
	redirect(w, r, "/knowledge/"+e.ID+"?done=saved")
	return nil
}

// helped takes whether an entry helped in an incident.
func (c *console) helped(w http.ResponseWriter, r *http.Request, p *page) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	i, err := c.one(r, p)
	if err != nil {
		return err
	}
	if !account.PrincipalOf(p.User).MayAct() {
		return &api.Refusal{Why: api.Forbidden, Text: lang.Text{ZH: "只读账号不能进行操作", EN: "a viewer may not act"}}
	}
	if err := c.vote(r, p, r.PostForm.Get("entry"), i.Number, r.PostForm.Get("helped") == "1"); err != nil {
		return err
	}
	redirect(w, r, "/incidents/"+i.ID+"?done=vote")
	return nil
}

func (c *console) vote(r *http.Request, p *page, entry, where string, helped bool) error {
	action := map[bool]string{true: "knowledge.helped", false: "knowledge.did_not_help"}[helped]
	if err := c.Accounts.Record(r.Context(), account.AuditEntry{Actor: p.User.Name, Action: action, Object: entry, Detail: where, Remote: account.Remote(r)}); err != nil {
		return err
	}
	err := c.Knowledge.Voted(r.Context(), entry, where, helped)
	if errors.Is(err, knowledge.ErrNotFound) {
		return errLost
	}
	return err
}

// fitting are the entries that fit an incident: by class, device, symptoms.
func (c *console) fitting(ctx context.Context, i incident.Incident) ([]knowledge.Suggestion, error) {
	if c.Knowledge == nil {
		return nil, nil
	}
	d := i.Diagnosis
	q := knowledge.Query{Class: d.Class, Site: d.Site, Practice: i.Practice, Limit: 4}
	text := []string{d.Title.ZH, d.Title.EN, d.Component}
	for n, a := range i.Alerts {
		if n < 30 {
			text = append(text, a.Name, a.Summary.ZH, a.Summary.EN)
		}
	}
	q.Text = strings.Join(text, "\n")
	for _, x := range c.Inventory().Devices {
		if x.ID == d.Device {
			q.DeviceKind, q.Vendor, q.Model = x.Kind, x.Vendor, x.Model
		}
	}
	return c.Knowledge.Suggest(ctx, q)
}

// commas parts a list that people wrote.
func commas(s string) []string {
	var out []string
	for _, part := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(",，、;；\n", r) }) {
		if part = strings.TrimSpace(part); part != "" && !slices.Contains(out, part) {
			out = append(out, part)
		}
	}
	return out
}

// atoi64 reads a number from a form; 0 is none.
func atoi64(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
