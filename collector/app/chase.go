package app

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/register"
	"github.com/faultline/faultline/collector/sla"
	"github.com/faultline/faultline/internal/lang"
)

// chase has vendors' next contacts told of tickets that nobody answered in the
// time agreed, and people see it in the timeline.
func (a *App) chase(ctx context.Context, now time.Time) error {
	open, err := a.engine.Incidents(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, i := range open {
		if t, ok := register.WaitingTicket(*i); ok && i.Drill == "" {
			errs = append(errs, a.chaseOne(ctx, *i, t, now))
		}
	}
	return errors.Join(errs...)
}

func (a *App) chaseOne(ctx context.Context, i incident.Incident, t incident.Ticket, now time.Time) error {
	v, known := a.graph().Vendor(t.Vendor)
	respond, calendar := a.graph().RespondFor(i.Diagnosis.Device, t.Vendor, now)
	if !known || respond == "" {
		return nil
	}
	duty := a.onDuty(i.Diagnosis.Site)
	c, due, err := register.NextContact(v, t, func(times int) (time.Time, error) {
		return a.answerDue(i.Diagnosis.Site, t.OpenedAt, respond, calendar, times)
	}, duty, now)
	if err != nil || !due {
		return err
	}
	e := incident.Event{IncidentID: i.ID, At: now.UTC(), Kind: incident.VendorEscalated, Actor: incident.System}
	if c.Nobody() {
		e.ID, e.Choice, e.Comment = fmt.Sprintf("vendor-away/%s/%d/%d", t.Key, t.OpenedAt.UnixMilli(), c.Rung), incident.NobodyOnDuty, away(c.Away, duty.Zone)
		return refusal(a.engine.Handle(ctx, e))
	}
	level := strconv.Itoa(c.To.Level)
	e.ID, e.Choice, e.Reason, e.Comment = fmt.Sprintf("vendor-late/%s/%d/%s", t.Key, t.OpenedAt.UnixMilli(), level), level, c.To.Name, chased(v, c, respond, duty.Zone)
	if e.Expected, err = a.answerDue(i.Diagnosis.Site, now.UTC(), respond, calendar, 1); err != nil {
		return err
	}
	return refusal(a.engine.Handle(ctx, e))
}

// contacts are a vendor's contacts by level, as they stand at the time.
func (a *App) contacts(vendor, site string, now time.Time) []register.Standing {
	v, _ := a.graph().Vendor(vendor)
	return a.onDuty(site).All(v, now)
}

// onDuty tells when people are reached, at a site.
func (a *App) onDuty(site string) register.Duty {
	return register.Duty{Calendar: a.workCalendar(site), Zone: a.graph().Location(site)}
}

// workCalendar is the site's working calendar; a site without one of its own has
// that of the processes. nil: none is loaded.
func (a *App) workCalendar(site string) *sla.Calendar {
	if c, err := a.calendar("work", site); err == nil {
		return c
	}
	c, _ := a.rules().calendars.Get("cn-workday")
	return c
}

// answerDue is when so many times the time for an answer are over.
func (a *App) answerDue(site string, from time.Time, respond, calendar string, times int) (time.Time, error) {
	span, err := sla.ParseSpan(respond)
	if err != nil {
		return time.Time{}, err
	}
	if calendar != "work" {
		return from.AddDate(0, 0, times*span.Days).Add(time.Duration(times) * span.Time), nil
	}
	c := a.workCalendar(site)
	if c == nil {
		return time.Time{}, fmt.Errorf("no working calendar for %s", site)
	}
	at := from
	for range times {
		if at, err = sla.Due(c, at, span); err != nil {
			return at, err
		}
	}
	return at, nil
}

// chased says who is called and why, and who was passed over, in the vendor's
// language.
func chased(v inventory.Vendor, c register.Call, respond string, zone *time.Location) string {
	who := contactWords(c.To.Contact)
	text := lang.Text{ZH: fmt.Sprintf("超过约定的响应时间（%s）仍无答复，转至%d级联系人：%s", respond, c.To.Level, who),
		EN: fmt.Sprintf("No answer within the time agreed (%s): this goes to the contact of level %d, %s", respond, c.To.Level, who)}
	if len(c.Away) > 0 {
		text.ZH += "；不在服务时间而跳过：" + away(c.Away, zone)
		text.EN += "; passed over, being off duty: " + away(c.Away, zone)
	}
	if c.To.Unsure != "" {
		text.ZH += "；服务时间“" + c.To.Hours + "”无法判断"
		text.EN += "; whether he is on duty cannot be told from " + strconv.Quote(c.To.Hours)
	}
	return text.In(v.Language)
}

func contactWords(c inventory.Contact) string {
	return strings.Join(strings.Fields(strings.Join([]string{c.Name, c.Title, c.Phone, c.Email}, " ")), " ")
}

// away lists who is not on duty and when they are, in no language.
func away(list []register.Standing, zone *time.Location) string {
	parts := make([]string, len(list))
	for n, s := range list {
		parts[n] = strings.Join(strings.Fields(s.Name+" "+s.Phone), " ")
		if !s.From.IsZero() {
			parts[n] += " → " + s.From.In(zone).Format("2006-01-02 15:04 -07:00")
		}
	}
	return strings.Join(parts, ", ")
}
