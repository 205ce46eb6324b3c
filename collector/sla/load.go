package sla

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/internal/yamlfile"
)

// yearFile is the official notice of one country's year.
type yearFile struct {
	APIVersion string      `yaml:"apiVersion"`
	Kind       string      `yaml:"kind"`
	Country    string      `yaml:"country"`
	Year       int         `yaml:"year"`
	Source     source      `yaml:"source"`
	Closed     []closedRun `yaml:"closed"`
	Worked     []string    `yaml:"worked"` // weekend days worked in exchange
}

type source struct {
	Document lang.Text `yaml:"document"`
	Number   string    `yaml:"number"` // "" when it is not known; never guessed
	URL      string    `yaml:"url"`
	Issued   string    `yaml:"issued"`
	Checked  string    `yaml:"checked"` // how the dates were checked
}

type closedRun struct {
	Name lang.Text `yaml:"name"`
	From string    `yaml:"from"`
	To   string    `yaml:"to"`
}

// calendarFile is a company's or site's own hours on top of a country's years
// or of another calendar.
type calendarFile struct {
	APIVersion string              `yaml:"apiVersion"`
	Kind       string              `yaml:"kind"`
	ID         string              `yaml:"id"`
	Title      lang.Text           `yaml:"title"`
	Layer      string              `yaml:"layer"` // company, branch or site; a layer extends a wider one
	Always     bool                `yaml:"always"`
	Extends    string              `yaml:"extends"`
	Zone       string              `yaml:"zone"`
	Country    string              `yaml:"country"`
	Week       map[string][]string `yaml:"week"`     // monday: ["09:00-12:00", "13:00-17:00"]
	Exchange   []string            `yaml:"exchange"` // hours of days worked in exchange
	Days       []dayEntry          `yaml:"days"`
}

type dayEntry struct {
	Date  string    `yaml:"date"`
	Hours []string  `yaml:"hours"` // none: closed
	Name  lang.Text `yaml:"name"`
}

type loader struct {
	out    *Calendars
	files  map[string]*yamlfile.File // by calendar id
	specs  map[string]*calendarFile
	limit  *yamlfile.File // the limits, if a file has them
	faults []error
}

// Load reads every *.yaml file at the top of fsys: years of countries, and
// calendars over them. All faults are reported, with file and line.
func Load(fsys fs.FS) (*Calendars, error) {
	files, err := yamlfile.ParseAll(fsys)
	return load(files, err)
}

// Restore loads calendars from the texts that Files returned.
func Restore(texts map[string]string) (*Calendars, error) {
	var files []*yamlfile.File
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		f, err := yamlfile.Parse(name, []byte(texts[name]))
		if err != nil {
			faults = append(faults, err)
			continue
		}
		files = append(files, f)
	}
	return load(files, errors.Join(faults...))
}

func load(files []*yamlfile.File, err error) (*Calendars, error) {
	l := &loader{out: &Calendars{byID: map[string]*Calendar{}, years: map[string]map[int]*year{}, files: map[string]string{}},
		files: map[string]*yamlfile.File{}, specs: map[string]*calendarFile{}}
	l.add(err)
	for _, f := range files {
		l.out.files[f.Name] = string(f.Data)
		l.file(f)
	}
	for _, id := range slices.Sorted(maps.Keys(l.specs)) {
		l.calendar(id, nil)
	}
	l.out.version = versionOf(l.out.files)
	l.limits()
	if len(l.faults) > 0 {
		return nil, fmt.Errorf("load calendars: %w", errors.Join(l.faults...))
	}
	return l.out, nil
}

func (l *loader) add(err error) {
	if err != nil {
		l.faults = append(l.faults, err)
	}
}

func (l *loader) file(f *yamlfile.File) {
	if v := f.Text("apiVersion"); v != "faultline/v1" {
		l.add(f.Faultf("apiVersion", "%q: want faultline/v1", v))
		return
	}
	switch kind := f.Text("kind"); kind {
	case "CalendarYear":
		l.year(f)
	case "Calendar":
		var c calendarFile
		if err := f.Decode(&c); err != nil {
			l.add(err)
			return
		}
		if c.ID == "" || l.specs[c.ID] != nil {
			l.add(f.Faultf("id", "%q is empty or taken by another file", c.ID))
			return
		}
		l.specs[c.ID], l.files[c.ID] = &c, f
	case "Limits":
		if l.limit != nil {
			l.add(f.Faultf("kind", "limits are in %s already", l.limit.Name))
			return
		}
		l.limit = f
	default:
		l.add(f.Faultf("kind", "%q: want Calendar, CalendarYear or Limits", kind))
	}
}

func (l *loader) year(f *yamlfile.File) {
	var spec yearFile
	if err := f.Decode(&spec); err != nil {
		l.add(err)
		return
	}
	if spec.Country == "" || spec.Source.Document.IsZero() {
		l.add(f.Faultf("country", "country and source.document are required: name the notice the dates come from"))
	}
	if l.out.years[spec.Country] == nil {
		l.out.years[spec.Country] = map[int]*year{}
	}
	if l.out.years[spec.Country][spec.Year] != nil {
		l.add(f.Faultf("year", "%d of %s is in another file already", spec.Year, spec.Country))
	}
	y := &year{closed: map[date]lang.Text{}, worked: map[date]bool{}, source: spec.Source}
	for n, run := range spec.Closed {
		l.closed(f, &spec, y, n, run)
	}
	for n, s := range spec.Worked {
		path := "worked[" + strconv.Itoa(n) + "]"
		d, err := parseDate(s)
		_, holiday := y.closed[d]
		switch {
		case err != nil:
			l.add(f.Faultf(path, "%v", err))
		case d.year != spec.Year || holiday || y.worked[d]:
			l.add(f.Faultf(path, "%s is not in %d, a holiday, or listed twice", s, spec.Year))
		case d.weekday() != time.Saturday && d.weekday() != time.Sunday:
			l.add(f.Faultf(path, "%s is a %s: only weekend days are worked in exchange", s, d.weekday()))
		}
		y.worked[d] = true
	}
	l.out.years[spec.Country][spec.Year] = y
}

func (l *loader) closed(f *yamlfile.File, spec *yearFile, y *year, n int, run closedRun) {
	path := "closed[" + strconv.Itoa(n) + "]"
	from, err1 := parseDate(run.From)
	to, err2 := parseDate(run.To)
	if err := errors.Join(err1, err2); err != nil {
		l.add(f.Faultf(path, "%v", err))
		return
	}
	if from.year != spec.Year || to.year != spec.Year || to.before(from) {
		l.add(f.Faultf(path, "%s to %s is not a stretch of days in %d", run.From, run.To, spec.Year))
		return
	}
	for d := from; !to.before(d); d = d.next() {
		y.closed[d] = run.Name
	}
}

// calendar builds one calendar after the one it extends.
func (l *loader) calendar(id string, chain []string) *Calendar {
	spec, f := l.specs[id], l.files[id]
	if cal, done := l.out.byID[id]; done {
		return cal
	}
	cal := &Calendar{ID: id, Title: spec.Title, Always: spec.Always, Zone: time.UTC, days: map[date]special{}}
	if spec.Extends != "" {
		if l.specs[spec.Extends] == nil || slices.Contains(chain, spec.Extends) || spec.Extends == id {
			l.add(f.Faultf("extends", "no calendar %q to extend, or it extends itself", spec.Extends))
			return cal
		}
		base := *l.calendar(spec.Extends, append(chain, id))
		base.ID, base.Title, base.days = id, spec.Title, maps.Clone(base.days)
		base.layers = slices.Clone(base.layers)
		cal = &base
	}
	cal.layers = append(cal.layers, id)
	l.out.byID[id] = cal
	l.layer(f, spec)
	l.hours(f, spec, cal)
	l.days(f, spec, cal)
	if !cal.Always && cal.years == nil {
		l.add(f.Faultf("country", "a working calendar names the country whose years it follows"))
	}
	return cal
}

// layerOrder is from wide to narrow; below the company's is the nation, which
// is the country's years.
var layerOrder = []string{"company", "branch", "site"}

// layer checks that a narrower layer extends a wider one.
func (l *loader) layer(f *yamlfile.File, spec *calendarFile) {
	if spec.Layer == "" {
		return
	}
	own := slices.Index(layerOrder, spec.Layer)
	if own < 0 {
		l.add(f.Faultf("layer", "%q: want company, branch or site", spec.Layer))
		return
	}
	if base := l.specs[spec.Extends]; base != nil && base.Layer != "" && slices.Index(layerOrder, base.Layer) >= own {
		l.add(f.Faultf("layer", "a %s calendar cannot extend the %s calendar %s", spec.Layer, base.Layer, base.ID))
	}
}

func (l *loader) hours(f *yamlfile.File, spec *calendarFile, cal *Calendar) {
	if spec.Zone != "" {
		zone, err := time.LoadLocation(spec.Zone)
		if err != nil || spec.Zone == "Local" {
			l.add(f.Faultf("zone", "%q is no time zone", spec.Zone))
			zone = time.UTC
		}
		cal.Zone = zone
	}
	if spec.Country != "" {
		cal.country = spec.Country
		if cal.years = l.out.years[spec.Country]; len(cal.years) == 0 {
			l.add(f.Faultf("country", "no year of %q is loaded", spec.Country))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(spec.Week)) {
		at := slices.IndexFunc(weekdays[:], func(d string) bool { return d == name })
		if at < 0 {
			l.add(f.Faultf("week", "%q: want sunday, monday, ...", name))
			continue
		}
		cal.week[at] = l.spans(f, "week."+name, spec.Week[name])
	}
	if spec.Exchange != nil {
		cal.exchange = l.spans(f, "exchange", spec.Exchange)
	}
}

var weekdays = [7]string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

func (l *loader) days(f *yamlfile.File, spec *calendarFile, cal *Calendar) {
	for n, e := range spec.Days {
		path := "days[" + strconv.Itoa(n) + "]"
		d, err := parseDate(e.Date)
		if err != nil {
			l.add(f.Faultf(path+".date", "%v", err))
			continue
		}
		cal.days[d] = special{hours: l.spans(f, path+".hours", e.Hours), name: e.Name, layer: cal.ID}
	}
}

// spans reads "09:00-12:00" in order of the day.
func (l *loader) spans(f *yamlfile.File, path string, list []string) []hours {
	var out []hours
	for _, s := range list {
		from, to, ok := strings.Cut(s, "-")
		a, err1 := parseMinutes(from)
		b, err2 := parseMinutes(to)
		if !ok || err1 != nil || err2 != nil || a >= b {
			l.add(f.Faultf(path, "%q: want hours of one day like 09:00-12:00", s))
			continue
		}
		if n := len(out); n > 0 && a < out[n-1].to {
			l.add(f.Faultf(path, "%q begins before the hours written before it end", s))
			continue
		}
		out = append(out, hours{a, b})
	}
	return out
}

func parseMinutes(s string) (int, error) {
	if s == "24:00" {
		return 24 * 60, nil
	}
	t, err := time.Parse("15:04", s)
	if err != nil {
		return 0, err
	}
	return t.Hour()*60 + t.Minute(), nil
}

func parseDate(s string) (date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return date{}, fmt.Errorf("%q: want a date like 2026-10-01", s)
	}
	return dateOf(t), nil
}
