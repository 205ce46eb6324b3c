package app

import (
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/document"
	drafting "github.com/faultline/faultline/collector/effect/document"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/outbox"
	"github.com/faultline/faultline/collector/writeup"
	"github.com/faultline/faultline/internal/lang"
)

// papers are who writes which kind of document; kinds that are not here are
// written plainly from the incident's log.
func (a *App) papers() document.Registry {
	return document.Registry{writeup.IncidentReport: a.written(writeup.IncidentReport), writeup.ConfigRecord: a.written(writeup.ConfigRecord)}
}

// drafting carries out the effects that ask for documents.
func (a *App) drafting() (outbox.Executor, error) {
	x, err := drafting.New(drafting.Options{Store: a.store, Events: a.store.Events, Source: a.wordsOf, Now: time.Now, Writers: a.papers()})
	if err != nil {
		return nil, err
	}
	return a.learning(x), nil
}

// wordsOf are the words of an incident's process, and its site's zone.
func (a *App) wordsOf(i incident.Incident) document.Source {
	s := document.Source{Zone: a.graph().Location(i.Diagnosis.Site), ProcessTitle: lang.Same(i.Process),
		StepTitle:   func(step string) lang.Text { return a.stepTitle(i, step) },
		ChoiceTitle: func(choice string) lang.Text { return a.choiceTitle(i, choice) },
		RoleTitle:   func(role string) lang.Text { return a.roleTitle(i, role) }}
	if def, ok := a.rules().processes.Version(i.ProcessVersion); ok {
		s.ProcessTitle = def.Title
	}
	return s
}

// roleTitle is what a role is called: by the process, else by the accounts.
func (a *App) roleTitle(i incident.Incident, role string) lang.Text {
	if def, ok := a.rules().processes.Version(i.ProcessVersion); ok {
		if r, ok := def.Role(role); ok {
			return r.Title
		}
	}
	for _, r := range account.Roles() {
		if r.ID == role {
			return r.Title
		}
	}
	return lang.Same(role)
}
