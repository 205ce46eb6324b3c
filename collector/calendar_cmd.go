package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/app"
	"github.com/faultline/faultline/collector/sla"
	"github.com/faultline/faultline/internal/lang"
)

type calendarCmd struct {
	Status calendarStatusCmd `cmd:"" help:"Say which years' holidays are entered; exit 1 when one that is needed now is missing."`
	Import calendarImportCmd `cmd:"" help:"Read a feed (JSON or iCalendar) and show it beside what is entered; --accept writes the year's file."`
}

// calendarStatusCmd says whether this and the next year are entered.
type calendarStatusCmd struct{ configFlag }

// Run prints a line for each country and year.
func (c *calendarStatusCmd) Run() error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	cals, err := app.Calendars(cfg)
	if err != nil {
		return err
	}
	fmt.Printf("version %s, calendars %s\n", cals.Version(), strings.Join(cals.IDs(), ", "))
	red := 0
	for _, s := range cals.Status(time.Now()) {
		fmt.Printf("%-6s  %s %d  %s  (%s)  %s\n", s.Level, s.Country, s.Year, s.Text.EN, strings.Join(s.Used, ", "), s.Text.ZH)
		if s.Level == sla.LevelRed {
			red++
		}
	}
	if red > 0 {
		return fmt.Errorf("calendar status: %d years are missing: import the notice's days with calendar import", red)
	}
	return nil
}

// calendarImportCmd proposes a year from a feed; a person accepts each day.
type calendarImportCmd struct {
	configFlag
	File     string   `arg:"" help:"Feed: JSON of chinese-days or a list of days, or iCalendar." type:"existingfile"`
	Country  string   `help:"Country of the days." default:"cn"`
	Accept   []string `help:"Days to accept: 2027-01-01,...; all takes every day that no doubt stands against."`
	By       string   `help:"Who accepts."`
	Document string   `help:"Title of the official notice the days were compared with."`
	Number   string   `help:"The notice's number, if it is known."`
	Issued   string   `help:"The notice's date."`
	Out      string   `help:"File to write: cn-2027.yaml in the operator's rules/calendars." type:"path"`
}

// Run prints the proposal and, when days are accepted, writes the file.
func (c *calendarImportCmd) Run() error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	cals, err := app.Calendars(cfg)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	propose := cals.ProposeJSON
	if ext := strings.ToLower(filepath.Ext(c.File)); ext == ".ics" || strings.HasPrefix(strings.TrimSpace(string(data)), "BEGIN:VCALENDAR") {
		propose = cals.ProposeICS
	}
	p, err := propose(c.Country, data)
	if err != nil {
		return err
	}
	accepted := c.show(p)
	if len(accepted) == 0 {
		fmt.Println("nothing is changed: accept days with --accept, --by, --document and --out")
		return nil
	}
	text, err := p.Accept(sla.Acceptance{By: c.By, At: time.Now(), Document: lang.Same(c.Document), Number: c.Number, Issued: c.Issued, Dates: accepted})
	if err != nil {
		return err
	}
	if c.Out == "" {
		_, err = os.Stdout.Write(text)
		return err
	}
	if err := os.WriteFile(c.Out, text, 0o644); err != nil {
		return err
	}
	fmt.Printf("%s is written; check the configuration and send the collector SIGHUP to put it in force\n", c.Out)
	return nil
}

// show prints the proposal and returns the days that are accepted.
func (c *calendarImportCmd) show(p sla.Proposal) []string {
	every := len(c.Accept) == 1 && c.Accept[0] == "all"
	accepted := c.Accept
	if every {
		accepted = nil
	}
	for _, d := range p.Days {
		works := "closed"
		if d.Works {
			works = "worked"
		}
		fmt.Printf("%s  %-6s  %-11s  %s  %s\n", d.Date, works, d.Stands, d.Name.In(lang.ZH), d.Doubt.In(lang.EN))
		if every && d.Doubt.IsZero() {
			accepted = append(accepted, d.Date)
		}
	}
	if p.Left > 0 {
		fmt.Printf("%d entries of the feed are no days\n", p.Left)
	}
	return accepted
}
