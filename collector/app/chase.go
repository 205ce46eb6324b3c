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
	c, due, err := register.NextContact(v, t, func(times int) (time.Time, error) { return a.answerDue(i, t, respond, calendar, times) }, now)
	if err != nil || !due {
		return err
	}
	level := strconv.Itoa(c.Level)
	e := incident.Event{ID: fmt.Sprintf("vendor-late/%s/%d/%s", t.Key, t.OpenedAt.UnixMilli(), level), IncidentID: i.ID, At: now.UTC(), Kind: incident.VendorEscalated, Actor: incident.System,
		Choice: level, Comment: chased(v, c, respond)}
	return refusal(a.engine.Handle(ctx, e))
}

// answerDue is when so many times the time for an answer are over.
func (a *App) answerDue(i incident.Incident, t incident.Ticket, respond, calendar string, times int) (time.Time, error) {
	span, err := sla.ParseSpan(respond)
	if err != nil {
		return time.Time{}, err
	}
	if calendar != "work" {
		return t.OpenedAt.AddDate(0, 0, times*span.Days).Add(time.Duration(times) * span.Time), nil
	}
	c, err := a.calendar("work", i.Diagnosis.Site)
	if err != nil { // a site without one of its own has that of the processes
		var ok bool
		if c, ok = a.rules().calendars.Get("cn-workday"); !ok {
			return time.Time{}, err
		}
	}
	at := t.OpenedAt
	for range times {
		if at, err = sla.Due(c, at, span); err != nil {
			return at, err
		}
	}
	return at, nil
}

// chased says who is called and why, in the vendor's language.
func chased(v inventory.Vendor, c inventory.Contact, respond string) string {
	who := strings.Join(strings.Fields(strings.Join([]string{c.Name, c.Title, c.Phone, c.Email}, " ")), " ")
	text := lang.Text{ZH: fmt.Sprintf("超过约定的响应时间（%s）仍无答复，转至%d级联系人：%s", respond, c.Level, who),
		EN: fmt.Sprintf("No answer within the time agreed (%s): this goes to the contact of level %d, %s", respond, c.Level, who)}
	return text.In(v.Language)
}
