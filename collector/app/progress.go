package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/effect"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/people"
	"github.com/faultline/faultline/collector/progress"
	"github.com/faultline/faultline/collector/writeup"
	"github.com/faultline/faultline/internal/lang"
)

// Where it is kept, by incident, what a person wants told upward and what was told
// last. The first is written at any collector, the second by the holder of the lease.
const (
	progressWanted = "progress/wanted/"
	progressTold   = "progress/told/"
)

// eventProgress is what the notices' policy knows these notices by.
const eventProgress = "progress"

// progressLines is how much of the log one notice repeats at most.
const progressLines = 12

// progressDesk is what the emergency report's page does with progress notices.
type progressDesk struct{ a *App }

// Of returns what is wanted for the incident and what was told last.
func (d progressDesk) Of(ctx context.Context, id string) (w progress.Wanted, last progress.Told, err error) {
	return w, last, errors.Join(d.a.readKept(ctx, progressWanted+id, &w), d.a.readKept(ctx, progressTold+id, &last))
}

// Set keeps what a person wants.
func (d progressDesk) Set(ctx context.Context, id string, w progress.Wanted) error {
	return d.a.keep(ctx, progressWanted+id, w)
}

// Readers are the names of those who would be told now.
func (d progressDesk) Readers(i incident.Incident) []string {
	dir := d.a.directory()
	var names []string
	for _, t := range d.a.above(dir, i, time.Now()) {
		names = append(names, dir.Name(t.Person))
	}
	return names
}

func (a *App) readKept(ctx context.Context, name string, v any) error {
	text, err := a.store.KVGet(ctx, name)
	if errors.Is(err, engine.ErrNotFound) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), v)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (a *App) keep(ctx context.Context, name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return a.store.KVPut(ctx, name, string(b))
}

// above are the people whom progress is told to: those of the event "progress" of
// the company's policy, else the IT manager at head office.
func (a *App) above(dir *people.Directory, i incident.Incident, now time.Time) []people.Told {
	accountable, _ := a.stepRoles(i, i.Step) // for policies that name them
	list, _ := dir.Audience(people.Occasion{Event: eventProgress, Priority: a.priority(i), Site: i.Diagnosis.Site, Accountable: accountable}, now)
	if len(list) == 0 {
		list = dir.Who("hq_it_manager", "", now)
	}
	return list
}

// tellProgress tells those above how emergencies go on. It runs on the holder of
// the lease; a notice has its number for a key, so that none is sent twice
// whatever restarts.
func (a *App) tellProgress(ctx context.Context, now time.Time) error {
	wanted, err := a.store.KVList(ctx, progressWanted)
	if err != nil {
		return err
	}
	var errs []error
	for name := range wanted {
		id := strings.TrimPrefix(name, progressWanted)
		if i, open := a.engine.Incident(id); open {
			errs = append(errs, a.tellProgressOf(ctx, i, now))
		} else {
			errs = append(errs, a.forgetProgress(ctx, id))
		}
	}
	return errors.Join(errs...)
}

func (a *App) tellProgressOf(ctx context.Context, i incident.Incident, now time.Time) error {
	w, last, err := progressDesk{a}.Of(ctx, i.ID)
	if err != nil {
		return err
	}
	next, due := progress.Next(i, w, last, now)
	if !due {
		return nil
	}
	events, err := a.store.Events(ctx, i.ID)
	if err != nil {
		return err
	}
	h := people.Happening{ID: fmt.Sprintf("progress/%d", next.Number), Event: eventProgress, Priority: a.priority(i), At: now.UTC()}
	h.Title, h.Text = a.told.Say(i, effect.ReasonProgress, map[string]string{effect.Problem: fmt.Sprint(next.Number)})
	v, err := a.writeupView(ctx, i)
	if err != nil {
		return err
	}
	h.Text = lang.Text{ZH: h.Text.ZH + since(v, events, last.At, lang.ZH), EN: h.Text.EN + since(v, events, last.At, lang.EN)}
	if err := a.post.Take(ctx, i, h, a.above(a.directory(), i, now)); err != nil {
		return err
	}
	return a.keep(ctx, progressTold+i.ID, next)
}

// since is what happened after the last notice.
func since(v writeup.View, events []incident.Event, last time.Time, language string) string {
	lines := writeup.Since(v, events, last, progressLines, language)
	if len(lines) == 0 {
		return "\n" + lang.Text{ZH: "上次通报以来没有新的进展。", EN: "Nothing new since the last notice."}.In(language) + "\n"
	}
	head := lang.Text{ZH: "到目前为止：", EN: "So far:"}
	if !last.IsZero() {
		head = lang.Text{ZH: "上次通报以来：", EN: "Since the last notice:"}
	}
	return "\n" + head.In(language) + "\n- " + strings.Join(lines, "\n- ") + "\n"
}

// forgetProgress drops what is kept of an incident that is closed. It may be
// reopened: then somebody says anew whether it is an emergency.
func (a *App) forgetProgress(ctx context.Context, id string) error {
	i, err := a.store.Incident(ctx, id)
	if err == nil && i.State != incident.StateClosed { // not in the engine yet
		return nil
	}
	if err != nil && !errors.Is(err, engine.ErrNotFound) {
		return err
	}
	return a.store.KVDelete(ctx, progressWanted+id, progressTold+id)
}
