// Package inspection is the daily check list (例检) of a site: which items there
// are, what the measurements say of each, what a person signed, which days were
// missed, and what head office found when it checked (抽查). It is pure but for
// reading rules; stores, queries and notices are handed in by others.
package inspection

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/internal/yamlfile"
)

// List is one check list.
type List struct {
	APIVersion string    `yaml:"apiVersion" json:"-"`
	Kind       string    `yaml:"kind" json:"-"`
	ID         string    `yaml:"id" json:"id"`
	Version    int       `yaml:"version" json:"version"`
	Title      lang.Text `yaml:"title" json:"title"`
	Calendar   string    `yaml:"calendar" json:"calendar"` // days on which it is due
	Due        string    `yaml:"due" json:"due"`           // wall time of the site: 11:00
	Escalate   string    `yaml:"escalate" json:"escalate"` // Go duration after Due
	Role       string    `yaml:"role" json:"role"`         // who signs, and is reminded
	EscalateTo []string  `yaml:"escalate_to" json:"escalate_to"`
	Items      []Item    `yaml:"items" json:"items"`

	due      time.Duration // after midnight
	escalate time.Duration
}

// Item is one thing to look at.
type Item struct {
	ID      string    `yaml:"id" json:"id"`
	Area    string    `yaml:"area" json:"area"` // room, power, network, server
	Title   lang.Text `yaml:"title" json:"title"`
	Hint    lang.Text `yaml:"hint" json:"hint,omitzero"`
	Unit    string    `yaml:"unit" json:"unit,omitempty"`
	Measure string    `yaml:"measure" json:"measure,omitempty"` // PromQL; $site is the site's id. "": judged by a person
	Min     *float64  `yaml:"min" json:"min,omitempty"`
	Max     *float64  `yaml:"max" json:"max,omitempty"`
}

// Areas are the parts of a list in the order they are shown.
func Areas() []string { return []string{"room", "power", "network", "server"} }

// Load reads the check lists at the top of fsys. The error names every fault of
// every file.
func Load(fsys fs.FS) ([]List, error) {
	files, err := yamlfile.ParseAll(fsys)
	errs := []error{err}
	var out []List
	for _, f := range files {
		var l List
		if err := f.Decode(&l); err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, l.check(f)...)
		if slices.ContainsFunc(out, func(x List) bool { return x.ID == l.ID }) {
			errs = append(errs, f.Faultf("id", "another file has the list %q", l.ID))
		}
		out = append(out, l)
	}
	return out, errors.Join(errs...)
}

func (l *List) check(f *yamlfile.File) (errs []error) {
	bad := func(path, format string, args ...any) { errs = append(errs, f.Faultf(path, format, args...)) }
	if l.Kind != "Inspection" || l.ID == "" || l.Title.IsZero() || l.Role == "" || len(l.Items) == 0 {
		bad("", "a list needs kind: Inspection, id, title, role and items")
	}
	at, err := time.Parse("15:04", l.Due)
	if err != nil {
		bad("due", "due %q is no time of day such as 11:00", l.Due)
	}
	l.due = time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute
	if l.escalate, err = time.ParseDuration(l.Escalate); err != nil || l.escalate <= 0 {
		bad("escalate", "escalate %q is no duration such as 2h", l.Escalate)
	}
	seen := map[string]bool{}
	for i, x := range l.Items {
		p := fmt.Sprintf("items[%d]", i)
		switch {
		case x.ID == "" || x.Title.IsZero():
			bad(p, "an item needs id and title")
		case seen[x.ID]:
			bad(p+".id", "item %q is listed twice", x.ID)
		case !slices.Contains(Areas(), x.Area):
			bad(p+".area", "area %q is not one of %s", x.Area, strings.Join(Areas(), ", "))
		case x.Measure != "" && !strings.Contains(x.Measure, "$site"):
			bad(p+".measure", "the query does not name $site: it would mix all sites")
		case x.Measure != "" && x.Min == nil && x.Max == nil:
			bad(p, "a measured item needs min or max")
		case x.Min != nil && x.Max != nil && *x.Max < *x.Min:
			bad(p+".max", "max %v is below min %v", *x.Max, *x.Min)
		}
		seen[x.ID] = true
	}
	return errs
}

// Query returns the item's query for a site; "" when the site's name cannot
// stand in one.
func (x Item) Query(site string) string {
	if strings.ContainsAny(site, "\"\\\n`") {
		return ""
	}
	return strings.ReplaceAll(x.Measure, "$site", site)
}

// What an answer says.
const (
	OK       = "ok"
	Abnormal = "abnormal"
	NotHere  = "na" // the site has no such thing
)

// Reading is one measured value.
type Reading struct {
	Subject string    `json:"subject"` // device or agent
	Value   float64   `json:"value"`
	Good    bool      `json:"good"`
	At      time.Time `json:"at"`
}

// Judge tells whether a value is good.
func (x Item) Judge(v float64) bool {
	return v == v && (x.Min == nil || v >= *x.Min) && (x.Max == nil || v <= *x.Max)
}

// Suggest is what the readings say: abnormal when any is bad, ok when there are
// some and all are good, "" when nothing was measured.
func Suggest(rs []Reading) string {
	switch {
	case len(rs) == 0:
		return ""
	case slices.ContainsFunc(rs, func(r Reading) bool { return !r.Good }):
		return Abnormal
	}
	return OK
}

// Answer is one item of a signed sheet.
type Answer struct {
	Item      string    `json:"item"`
	Title     lang.Text `json:"title"`
	Measured  []Reading `json:"measured,omitempty"`
	Suggested string    `json:"suggested,omitempty"` // by the readings
	Said      string    `json:"said"`                // by the person: ok, abnormal, na
	Note      string    `json:"note,omitempty"`
}

// Overruled tells whether the person said otherwise than the measurements.
func (a Answer) Overruled() bool { return a.Suggested != "" && a.Said != a.Suggested }

// Record is a signed sheet. Its content never changes afterwards.
type Record struct {
	Site     string    `json:"site"`
	Day      string    `json:"day"`  // 2026-11-20, in the site's zone
	List     string    `json:"list"` // id@version
	Answers  []Answer  `json:"answers"`
	Remark   string    `json:"remark,omitempty"`
	SignedBy string    `json:"signed_by"` // account
	SignedAt time.Time `json:"signed_at"`
	Remote   string    `json:"remote,omitempty"`
	Late     bool      `json:"late,omitempty"`
	Practice bool      `json:"practice,omitempty"`
	Hash     string    `json:"hash"` // SHA-256 of everything above
}

// Abnormal counts what was found not to be in order.
func (r Record) Abnormal() int {
	n := 0
	for _, a := range r.Answers {
		if a.Said == Abnormal {
			n++
		}
	}
	return n
}

// seal sets the hash.
func (r Record) seal() (Record, error) {
	r.Hash = ""
	b, err := json.Marshal(r)
	if err != nil {
		return r, fmt.Errorf("seal inspection %s of %s: %w", r.Day, r.Site, err)
	}
	sum := sha256.Sum256(b)
	r.Hash = hex.EncodeToString(sum[:])
	return r, nil
}

// Whole tells whether the record still is what was signed.
func (r Record) Whole() bool {
	again, err := r.seal()
	return err == nil && again.Hash == r.Hash
}

// Check is a spot check (抽查) by head office of a signed sheet.
type Check struct {
	ID     string    `json:"id"`
	Site   string    `json:"site"`
	Day    string    `json:"day"`
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Agrees bool      `json:"agrees"`
	Items  []string  `json:"items,omitempty"` // those found to be otherwise
	Note   string    `json:"note,omitempty"`
}

// Incomplete says what is missing from a sheet before it can be signed.
type Incomplete struct {
	Item string
	Text lang.Text
}

// Error returns the text in English.
func (e *Incomplete) Error() string { return e.Text.EN }

// Sign makes the record of answered items. Every item must be answered, what is
// abnormal or overrules a measurement needs a note.
func (l List) Sign(r Record, given map[string]Answer, due time.Time) (Record, error) {
	r.List = fmt.Sprintf("%s@%d", l.ID, l.Version)
	r.Late = r.SignedAt.After(due)
	r.Answers = nil
	for _, x := range l.Items {
		a, ok := given[x.ID]
		a.Item, a.Title, a.Note = x.ID, x.Title, strings.TrimSpace(a.Note)
		a.Suggested = Suggest(a.Measured)
		switch {
		case !ok || !slices.Contains([]string{OK, Abnormal, NotHere}, a.Said):
			return r, &Incomplete{x.ID, lang.Text{ZH: "“" + x.Title.ZH + "”尚未填写", EN: "not answered: " + x.Title.EN}}
		case a.Said == Abnormal && a.Note == "":
			return r, &Incomplete{x.ID, lang.Text{ZH: "“" + x.Title.ZH + "”异常，请说明情况", EN: "abnormal, say what is wrong: " + x.Title.EN}}
		case a.Overruled() && a.Note == "":
			return r, &Incomplete{x.ID, lang.Text{ZH: "“" + x.Title.ZH + "”与监测结果不一致，请说明原因", EN: "says otherwise than the measurement, say why: " + x.Title.EN}}
		case len([]rune(a.Note)) > maxNote:
			return r, &Incomplete{x.ID, lang.Text{ZH: "“" + x.Title.ZH + "”的说明太长", EN: "the note is too long: " + x.Title.EN}}
		}
		r.Answers = append(r.Answers, a)
	}
	return r.seal()
}

// maxNote bounds what is written about one item, in characters.
const maxNote = 500
