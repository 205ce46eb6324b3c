package inspection

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/internal/lang"
)

// Errors a caller branches on.
var (
	// ErrSigned says that the day's sheet of the site is signed already.
	ErrSigned = errors.New("this sheet is signed already")
	// ErrNone says that there is no such list, site, day or signed sheet.
	ErrNone = errors.New("no such inspection")
)

// Store keeps signed sheets and spot checks.
type Store interface {
	// Sign keeps a record, or returns ErrSigned when that day has one.
	Sign(ctx context.Context, r Record) error
	// Signed returns the records of days in [from, to], oldest first; site "" is all.
	Signed(ctx context.Context, site, from, to string) ([]Record, error)
	// PutCheck keeps a spot check.
	PutCheck(ctx context.Context, c Check) error
	// Checks returns the spot checks of days in [from, to], oldest first; site "" is all.
	Checks(ctx context.Context, site, from, to string) ([]Check, error)
}

// Site is where inspections are made.
type Site struct {
	ID       string
	Name     lang.Text
	Zone     *time.Location
	Practice bool
}

// Value is one result of a query.
type Value struct {
	Subject string
	V       float64
	At      time.Time
}

// Options are what a Desk needs; all are required but Now.
type Options struct {
	Store Store
	List  func() (List, bool)             // the list in force; false: none
	Sites func() []Site                   // that are inspected
	Works func(site string, l List) Works // the site's working days
	Query func(ctx context.Context, expr string, at time.Time) ([]Value, error)
	Salt  string // of the choice of spot checks
	// Since is when inspections began here: a sheet that was due before is not
	// missed by anybody. Zero: always.
	Since time.Time
	Now   func() time.Time
}

// Desk makes, signs and checks inspections. Its methods may be called from
// several goroutines.
type Desk struct{ o Options }

// New returns a Desk.
func New(o Options) (*Desk, error) {
	if o.Store == nil || o.List == nil || o.Sites == nil || o.Works == nil || o.Query == nil {
		return nil, errors.New("inspection: Store, List, Sites, Works and Query are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Desk{o}, nil
}

// Sites returns the sites that are inspected.
func (d *Desk) Sites() []Site { return d.o.Sites() }

// works are a site's working days since inspections began.
func (d *Desk) works(site string, l List) Works {
	works := d.o.Works(site, l)
	return func(at time.Time) (bool, error) {
		if at.Before(d.o.Since) {
			return false, errBefore
		}
		return works(at)
	}
}

// List returns the list in force.
func (d *Desk) List() (List, bool) { return d.o.List() }

func (d *Desk) site(id string) (Site, bool) {
	all := d.o.Sites()
	i := slices.IndexFunc(all, func(s Site) bool { return s.ID == id })
	if i < 0 {
		return Site{}, false
	}
	return all[i], true
}

// Line is one item of a sheet that is being filled in.
type Line struct {
	Item
	Measured  []Reading `json:"measured,omitempty"`
	Suggested string    `json:"suggested,omitempty"`
	Problem   string    `json:"problem,omitempty"` // why nothing could be measured
}

// Sheet is a site's sheet of one day, with what was measured.
type Sheet struct {
	Day
	Title lang.Text `json:"title"`
	Due   time.Time `json:"due"`
	Lines []Line    `json:"lines,omitempty"` // of a sheet that is not signed
}

// Sheet returns the sheet of a day; of a day that is not signed, with the
// measurements of now.
func (d *Desk) Sheet(ctx context.Context, siteID, day string) (Sheet, error) {
	l, ok := d.o.List()
	site, known := d.site(siteID)
	if !ok || !known {
		return Sheet{}, ErrNone
	}
	at, err := time.ParseInLocation(time.DateOnly, day, site.Zone)
	if err != nil {
		return Sheet{}, ErrNone
	}
	days, err := d.days(ctx, l, site, at, at)
	if err != nil {
		return Sheet{}, err
	}
	out := Sheet{Day: days[0], Title: l.Title}
	out.Due, _ = l.DueAt(at, site.Zone)
	if out.Record == nil {
		out.Lines = d.measure(ctx, l, siteID)
	}
	return out, nil
}

func (d *Desk) measure(ctx context.Context, l List, site string) []Line {
	now := d.o.Now()
	out := make([]Line, len(l.Items))
	for i, x := range l.Items {
		out[i] = Line{Item: x}
		q := x.Query(site)
		if q == "" {
			continue
		}
		vs, err := d.o.Query(ctx, q, now)
		if err != nil {
			out[i].Problem = err.Error()
			continue
		}
		for _, v := range vs {
			out[i].Measured = append(out[i].Measured, Reading{Subject: v.Subject, Value: v.V, Good: x.Judge(v.V), At: v.At})
		}
		slices.SortFunc(out[i].Measured, func(a, b Reading) int { return strings.Compare(a.Subject, b.Subject) })
		out[i].Suggested = Suggest(out[i].Measured)
	}
	return out
}

// Signature is what a person hands in.
type Signature struct {
	Site, Day  string
	Said, Note map[string]string // by item
	Remark     string
	By, Remote string
}

// Sign keeps a person's answers with the measurements of now. Only today's sheet
// and the one before can be signed: nobody remembers a room of last week.
func (d *Desk) Sign(ctx context.Context, s Signature) (Record, error) {
	sheet, err := d.Sheet(ctx, s.Site, s.Day)
	if err != nil {
		return Record{}, err
	}
	site, _ := d.site(s.Site)
	l, _ := d.o.List()
	now := d.o.Now()
	today := now.In(site.Zone)
	switch {
	case sheet.Record != nil:
		return *sheet.Record, ErrSigned
	case s.Day != today.Format(time.DateOnly) && s.Day != today.AddDate(0, 0, -1).Format(time.DateOnly):
		return Record{}, &Incomplete{Text: lang.Text{ZH: "只能签署当天或前一天的例检", EN: "only today's sheet and yesterday's can be signed"}}
	case len([]rune(s.Remark)) > maxNote:
		return Record{}, &Incomplete{Text: lang.Text{ZH: "备注太长", EN: "the remark is too long"}}
	}
	given := map[string]Answer{}
	for _, x := range sheet.Lines {
		if said, ok := s.Said[x.ID]; ok {
			given[x.ID] = Answer{Said: said, Note: s.Note[x.ID], Measured: x.Measured}
		}
	}
	r, err := l.Sign(Record{Site: s.Site, Day: s.Day, Remark: strings.TrimSpace(s.Remark), SignedBy: s.By, SignedAt: now.UTC().Truncate(time.Microsecond), Remote: s.Remote, Practice: site.Practice}, given, sheet.Due)
	if err != nil {
		return Record{}, err
	}
	return r, d.o.Store.Sign(ctx, r)
}

// SpotCheck keeps what head office found when it checked a signed sheet.
func (d *Desk) SpotCheck(ctx context.Context, c Check) (Check, error) {
	signed, err := d.o.Store.Signed(ctx, c.Site, c.Day, c.Day)
	if err != nil {
		return c, err
	}
	c.Note = strings.TrimSpace(c.Note)
	switch {
	case len(signed) == 0:
		return c, ErrNone
	case signed[0].SignedBy == c.By:
		return c, &Incomplete{Text: lang.Text{ZH: "不能抽查自己签署的例检", EN: "nobody checks a sheet of their own"}}
	case !c.Agrees && c.Note == "":
		return c, &Incomplete{Text: lang.Text{ZH: "请说明不符之处", EN: "say what was found otherwise"}}
	case len([]rune(c.Note)) > maxNote:
		return c, &Incomplete{Text: lang.Text{ZH: "说明太长", EN: "the note is too long"}}
	}
	c.Items = slices.DeleteFunc(slices.Clone(c.Items), func(id string) bool {
		return !slices.ContainsFunc(signed[0].Answers, func(a Answer) bool { return a.Item == id })
	})
	c.ID, c.At = strings.ToLower(rand.Text()), d.o.Now().UTC().Truncate(time.Microsecond)
	return c, d.o.Store.PutCheck(ctx, c)
}

// maxDays bounds how many days are asked for at once.
const maxDays = 400

// Days returns a site's days from one to another, both counted, newest first;
// none after today.
func (d *Desk) Days(ctx context.Context, siteID, from, to string) ([]Day, error) {
	l, ok := d.o.List()
	site, known := d.site(siteID)
	if !ok || !known {
		return nil, ErrNone
	}
	a, errA := time.ParseInLocation(time.DateOnly, from, site.Zone)
	b, errB := time.ParseInLocation(time.DateOnly, to, site.Zone)
	if errA != nil || errB != nil || b.Sub(a) > maxDays*24*time.Hour {
		return nil, fmt.Errorf("%w: from %q to %q", ErrNone, from, to)
	}
	if now := d.o.Now().In(site.Zone); b.After(now) {
		b = now
	}
	days, err := d.days(ctx, l, site, a, b)
	slices.Reverse(days)
	return days, err
}

func (d *Desk) days(ctx context.Context, l List, site Site, from, to time.Time) ([]Day, error) {
	a, b := from.Format(time.DateOnly), to.Format(time.DateOnly)
	signed, err := d.o.Store.Signed(ctx, site.ID, a, b)
	if err != nil {
		return nil, err
	}
	checks, err := d.o.Store.Checks(ctx, site.ID, a, b)
	if err != nil {
		return nil, err
	}
	works, now := d.works(site.ID, l), d.o.Now()
	var out []Day
	for at := from; at.Format(time.DateOnly) <= b; at = at.AddDate(0, 0, 1) {
		x := Day{Site: site.ID, Day: at.Format(time.DateOnly)}
		for i := range signed {
			if signed[i].Day == x.Day {
				x.Record = &signed[i]
			}
		}
		for _, c := range checks {
			if c.Day == x.Day {
				x.Checks = append(x.Checks, c)
			}
		}
		x.State = l.StateOf(at, x.Record, works, site.Zone, now)
		out = append(out, x)
	}
	return out, nil
}

// ToCheck returns the signed sheets of the last seven days that head office is
// asked to check and has not.
func (d *Desk) ToCheck(ctx context.Context) ([]Record, error) {
	now := d.o.Now()
	from, to := now.AddDate(0, 0, -7).Format(time.DateOnly), now.AddDate(0, 0, 1).Format(time.DateOnly)
	week, err := d.o.Store.Signed(ctx, "", from, to)
	if err != nil {
		return nil, err
	}
	checks, err := d.o.Store.Checks(ctx, "", from, to)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(Choose(week, d.o.Salt), func(r Record) bool {
		return slices.ContainsFunc(checks, func(c Check) bool { return c.Site == r.Site && c.Day == r.Day })
	}), nil
}

// Reminder is a telling about one site's sheet.
type Reminder struct {
	Telling
	Site Site
	Day  string
}

// Key names the reminder: what was told is not told again.
func (r Reminder) Key() string { return "inspection/" + r.Site.ID + "/" + r.Day + "/" + r.Stage }

// Reminders returns what is to be told now of today's sheets and of
// yesterday's, for sites that are no practice.
func (d *Desk) Reminders(ctx context.Context) ([]Reminder, error) {
	l, ok := d.o.List()
	if !ok {
		return nil, nil
	}
	var out []Reminder
	now := d.o.Now()
	for _, site := range d.o.Sites() {
		if site.Practice {
			continue
		}
		today := now.In(site.Zone)
		days, err := d.days(ctx, l, site, today.AddDate(0, 0, -1), today)
		if err != nil {
			return nil, err
		}
		for _, x := range days {
			at, err := time.ParseInLocation(time.DateOnly, x.Day, site.Zone)
			if err != nil {
				return nil, fmt.Errorf("inspection day %q: %w", x.Day, err)
			}
			for _, t := range l.Tellings(at, x.Record, d.works(site.ID, l), site.Zone, now) {
				out = append(out, Reminder{t, site, x.Day})
			}
		}
	}
	return out, nil
}
