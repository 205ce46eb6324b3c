package web

import (
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/register"
	"github.com/faultline/faultline/internal/lang"
)

// Register is what the pages of the register need; a nil *Register leaves them out.
type Register struct {
	Book     *register.Book
	Imports  register.Store
	Graph    func() *inventory.Graph
	Expiries func() []register.Expiry
}

const previewPath = "/register/preview"

// registerRoutes are the pages of vendors, contracts and circuits.
func (c *console) registerRoutes() map[string]handler {
	if c.Register == nil {
		return nil
	}
	return map[string]handler{
		"GET /register": c.registerPage, "GET /register/export/{file}": c.registerExport, "POST " + previewPath: c.registerPreview,
		"GET /register/imports/{id}": c.importPage, "POST /register/imports/{id}/apply": c.importTurn, "POST /register/imports/{id}/undo": c.importTurn,
		"GET /register/imports/{id}/{file}": c.importFile,
	}
}

// keepsRegister tells whether the principal may change the register: it decides
// what is measured and whom tickets go to, for every site.
func keepsRegister(p account.Principal) bool {
	return p.SeesAll() && (p.Has(account.RoleHQNetwork) || p.Has(account.RoleHQFacility) || p.Has(account.RoleHQITManager))
}

// RegisterRow tells whether a row belongs to what the principal sees: its own
// sites, and what belongs to no site.
func RegisterRow(g *inventory.Graph, p account.Principal) func(register.Row) bool {
	return func(r register.Row) bool {
		site := r.Cells["site"]
		if sites := r.Cells["sites"]; r.Sheet == "contracts" && sites != "" {
			return slices.ContainsFunc(strings.Split(sites, "\n"), p.Sees)
		}
		if ds := r.Cells["devices"]; r.Sheet == "contracts" && ds != "" {
			return slices.ContainsFunc(strings.Split(ds, "\n"), func(d string) bool { return p.Sees(g.SiteOf(d)) })
		}
		return site == "" || p.Sees(site)
	}
}

type registerData struct {
	Sheets   []register.Sheet
	Sheet    register.Sheet
	Rows     []register.Row
	Counts   map[string]int
	Expiries []register.Expiry
	Imports  []register.Import
	MayKeep  bool
}

func (c *console) registerPage(w http.ResponseWriter, r *http.Request, p *page) error {
	who := account.PrincipalOf(p.User)
	d := registerData{Sheets: register.Sheets(), Counts: map[string]int{}, MayKeep: keepsRegister(who)}
	name := r.URL.Query().Get("sheet")
	if name == "" {
		name = d.Sheets[0].Name
	}
	var ok bool
	if d.Sheet, ok = register.SheetNamed(name); !ok {
		return errLost
	}
	g := c.Register.Graph()
	keep := RegisterRow(g, who)
	for _, s := range d.Sheets {
		rows := slices.DeleteFunc(register.Rows(g.Inventory(), s), func(x register.Row) bool { return !keep(x) })
		d.Counts[s.Name] = len(rows)
		if s.Name == d.Sheet.Name {
			d.Rows = rows
		}
	}
	for _, e := range c.Register.Expiries() {
		if e.Stage != -1 && (e.Site == "" || who.Sees(e.Site)) {
			d.Expiries = append(d.Expiries, e)
		}
	}
	if d.MayKeep {
		var err error
		if d.Imports, err = c.Register.Imports.Imports(r.Context(), 10); err != nil {
			return err
		}
	}
	p.Title, p.D = p.T("register.title"), d
	return c.render(w, r, http.StatusOK, "register", p)
}

// Cell shows a canonical value of a sheet's column.
func (p *page) Cell(s register.Sheet, path, value string) string {
	for _, col := range s.Columns {
		if col.Path == path {
			return col.Show(value, p.Lang)
		}
	}
	return value
}

// ColumnTitle is what a column of a sheet is called.
func (p *page) ColumnTitle(sheet, path string) string {
	s, _ := register.SheetNamed(sheet)
	for _, col := range s.Columns {
		if col.Path == path {
			return col.Title.In(p.Lang)
		}
	}
	return path
}

// SheetTitle is what a sheet is called; a name that is none of ours stays.
func (p *page) SheetTitle(name string) string {
	if s, ok := register.SheetNamed(name); ok {
		return s.Title.In(p.Lang)
	}
	return name
}

// SheetOf returns the sheet of the name.
func (p *page) SheetOf(name string) register.Sheet {
	s, _ := register.SheetNamed(name)
	return s
}

func (c *console) registerExport(w http.ResponseWriter, r *http.Request, p *page) error {
	g := c.Register.Graph()
	keep := RegisterRow(g, account.PrincipalOf(p.User))
	name := r.PathValue("file")
	switch name {
	case "register.xlsx":
		b, err := register.Excel(g.Inventory(), p.Lang, keep)
		if err != nil {
			return err
		}
		return sendFile(w, name, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", b)
	case "register.yaml":
		return sendFile(w, name, "application/yaml; charset=utf-8", register.YAML(g.Inventory(), keep))
	}
	return errLost
}

// sendFile hands a file to the browser, to be saved.
func sendFile(w http.ResponseWriter, name, kind string, b []byte) error {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	w.Write(b) // the browser may be gone; there is nobody to tell
	return nil
}

var errNotKeeper = &api.Refusal{Why: api.Forbidden, Text: lang.Text{ZH: "只有总公司管理员可以修改登记", EN: "only head office's administrators change the register"}}

func (c *console) registerPreview(w http.ResponseWriter, r *http.Request, p *page) error {
	if !keepsRegister(account.PrincipalOf(p.User)) {
		return errNotKeeper
	}
	f, head, err := r.FormFile("file")
	if err != nil {
		return fileMissing(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, register.MaxFile+1))
	if err != nil {
		return err
	}
	i, err := c.Register.Book.Preview(r.Context(), p.User.Name, head.Filename, data)
	if err != nil {
		return refusedImport(err)
	}
	redirect(w, r, "/register/imports/"+i.ID)
	return nil
}

// fileMissing tells a form without a file from one that is too large.
func fileMissing(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	return &api.Refusal{Why: api.Invalid, Text: lang.Text{ZH: "请选择文件", EN: "choose a file"}}
}

func refusedImport(err error) error {
	var refused *register.Refused
	if errors.As(err, &refused) {
		return &api.Refusal{Why: api.Invalid, Text: refused.Text, Hint: refused.Hint}
	}
	return err
}

func (c *console) importPage(w http.ResponseWriter, r *http.Request, p *page) error {
	if !keepsRegister(account.PrincipalOf(p.User)) {
		return errNotKeeper
	}
	i, err := c.Register.Imports.Import(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	if done := r.URL.Query().Get("done"); done == register.Applied || done == register.Undone {
		p.Done = p.T("register.done." + done)
	}
	p.Title, p.D = p.T("register.import"), i
	return c.render(w, r, http.StatusOK, "import", p)
}

// importTurn applies or undoes an import.
func (c *console) importTurn(w http.ResponseWriter, r *http.Request, p *page) error {
	if !keepsRegister(account.PrincipalOf(p.User)) {
		return errNotKeeper
	}
	id, do, what := r.PathValue("id"), c.Register.Book.Apply, "apply"
	if strings.HasSuffix(r.URL.Path, "/undo") {
		do, what = c.Register.Book.Undo, "undo"
	}
	entry := account.AuditEntry{Actor: p.User.Name, Action: "register." + what, Object: id, Remote: account.Remote(r)}
	if err := c.Accounts.Record(r.Context(), entry); err != nil {
		return err
	}
	i, err := do(r.Context(), p.User.Name, id)
	if err != nil {
		entry.Action, entry.Detail = entry.Action+".refused", err.Error()
		return errors.Join(refusedImport(err), c.Accounts.Record(r.Context(), entry))
	}
	redirect(w, r, "/register/imports/"+id+"?done="+i.State)
	return nil
}

// importFile hands out a changed file of an import, for an administrator to put
// in place where the collector may not write.
func (c *console) importFile(w http.ResponseWriter, r *http.Request, p *page) error {
	if !keepsRegister(account.PrincipalOf(p.User)) {
		return errNotKeeper
	}
	i, err := c.Register.Imports.Import(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	for _, f := range i.Plan.Files {
		if filepath.Base(f.Name) == r.PathValue("file") {
			return sendFile(w, strings.Map(safeName, filepath.Base(f.Name)), "application/yaml; charset=utf-8", []byte(f.After))
		}
	}
	return errLost
}

// safeName keeps what may stand in a header.
func safeName(r rune) rune {
	if r < ' ' || r == '"' || r == '\\' || r > '~' {
		return '_'
	}
	return r
}

// FileName is the last part of a path.
func (p *page) FileName(path string) string { return filepath.Base(path) }

// Today is the date in the person's zone.
func (p *page) Today() string { return p.now.In(p.zone).Format(time.DateOnly) }
