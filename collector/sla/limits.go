package sla

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/internal/yamlfile"
)

// Limits are the documents' limits and the reasons a clock may wait for: data
// that a company changes in its own file.
type Limits struct {
	Reasons []Reason
	Limits  []Limit
}

// Reason is something outside the handler's hands that a clock may wait for.
type Reason struct {
	ID    string    `yaml:"id"`
	Title lang.Text `yaml:"title"`
	Owner string    `yaml:"owner"` // role that is waited for when nobody else is named
	Limit string    `yaml:"limit"` // longest wait before somebody is asked, in elapsed time; "" no limit

	longest Span
}

// Longest returns how long one wait may last before somebody is asked; 0 for ever.
func (r Reason) Longest() time.Duration { return r.longest.Time }

// Limit is one clock's limit.
type Limit struct {
	ID         string    `yaml:"id"`
	Title      lang.Text `yaml:"title"`
	Target     string    `yaml:"target"`   // 10m, 4h, 1d; "contract" is the vendor's own, given at the start
	Calendar   string    `yaml:"calendar"` // work, always or a calendar's id
	Role       string    `yaml:"role"`     // whose limit it is
	PausedBy   []string  `yaml:"paused_by"`
	Warn       []string  `yaml:"warn"` // shares of the target: 50%
	Late       string    `yaml:"late"` // time after the breach, on the same calendar, until it is told further up
	ReportOnly bool      `yaml:"report_only"`

	target, late Span
	warn         []float64
}

// Contract is the target word for a limit that the vendor's contract sets.
const Contract = "contract"

// Of returns the limit with the id.
func (l Limits) Of(id string) (Limit, bool) {
	n := slices.IndexFunc(l.Limits, func(x Limit) bool { return x.ID == id })
	if n < 0 {
		return Limit{}, false
	}
	return l.Limits[n], true
}

// Reason returns the reason with the id.
func (l Limits) Reason(id string) (Reason, bool) {
	n := slices.IndexFunc(l.Reasons, func(x Reason) bool { return x.ID == id })
	if n < 0 {
		return Reason{}, false
	}
	return l.Reasons[n], true
}

// Limits returns the limits that were loaded with the calendars.
func (c *Calendars) Limits() Limits { return c.limits }

// NewLimit makes a limit outside a file: a process's own clock.
func NewLimit(l Limit) (Limit, error) {
	err := l.parse()
	return l, err
}

func (l *Limit) parse() (err error) {
	if l.Target != Contract {
		if l.target, err = ParseSpan(l.Target); err != nil {
			return err
		}
	}
	if l.Late != "" {
		if l.late, err = ParseSpan(l.Late); err != nil {
			return err
		}
	}
	l.warn = nil
	for _, s := range l.Warn {
		share, err := ParseShare(s)
		if err != nil {
			return err
		}
		l.warn = append(l.warn, share)
	}
	return nil
}

// ParseShare reads "80%" as 0.8; shares are from 1% to 99%.
func ParseShare(s string) (float64, error) {
	n, err := strconv.Atoi(strings.TrimSuffix(s, "%"))
	if err != nil || !strings.HasSuffix(s, "%") || n < 1 || n > 99 {
		return 0, &badShare{s}
	}
	return float64(n) / 100, nil
}

type badShare struct{ text string }

func (e *badShare) Error() string { return "share " + strconv.Quote(e.text) + ": want 1% to 99%" }

// limitsFile is a file of kind Limits.
type limitsFile struct {
	APIVersion string   `yaml:"apiVersion"`
	Kind       string   `yaml:"kind"`
	Reasons    []Reason `yaml:"reasons"`
	Limits     []Limit  `yaml:"limits"`
}

// limits reads the limits once all calendars are known.
func (l *loader) limits() {
	if l.limit == nil {
		return
	}
	var spec limitsFile
	f := l.limit
	if err := f.Decode(&spec); err != nil {
		l.add(err)
		return
	}
	l.out.limits = Limits{Reasons: spec.Reasons, Limits: spec.Limits}
	for n := range spec.Reasons {
		r, path := &spec.Reasons[n], "reasons["+strconv.Itoa(n)+"]"
		if first, _ := l.out.limits.Reason(r.ID); r.ID == "" || r.Title.ZH == "" || r.Title.EN == "" || r.Owner == "" || first.Title != r.Title {
			l.add(f.Faultf(path, "%q needs an id of its own, a title in both languages and an owner", r.ID))
		}
		if r.Limit != "" {
			var err error
			if r.longest, err = ParseSpan(r.Limit); err != nil || r.longest.Days > 0 {
				l.add(f.Faultf(path+".limit", "%q: want hours like 24h", r.Limit))
			}
		}
	}
	for n := range spec.Limits {
		l.oneLimit(f, &spec, n)
	}
}

func (l *loader) oneLimit(f *yamlfile.File, spec *limitsFile, n int) {
	lim, path := &spec.Limits[n], "limits["+strconv.Itoa(n)+"]"
	if slices.IndexFunc(spec.Limits, func(x Limit) bool { return x.ID == lim.ID }) != n || lim.ID == "" || lim.Title.ZH == "" || lim.Title.EN == "" {
		l.add(f.Faultf(path+".id", "%q is empty, taken, or has no title in both languages", lim.ID))
	}
	if err := lim.parse(); err != nil {
		l.add(f.Faultf(path, "%v", err))
	}
	for _, id := range lim.PausedBy {
		if _, ok := l.out.limits.Reason(id); !ok {
			l.add(f.Faultf(path+".paused_by", "no reason %q", id))
		}
	}
	word := lim.Calendar
	if word == "always" || word == "work" {
		word = map[string]string{"always": "24x7", "work": "cn-workday"}[word]
	}
	cal, ok := l.out.byID[word]
	if !ok {
		if word != "24x7" && word != "cn-workday" {
			l.add(f.Faultf(path+".calendar", "no calendar %q", lim.Calendar))
		}
		return
	}
	for _, s := range []Span{lim.target, lim.late} {
		if s != (Span{}) {
			if err := s.Check(cal); err != nil {
				l.add(f.Faultf(path+".target", "%v", err))
			}
		}
	}
}
