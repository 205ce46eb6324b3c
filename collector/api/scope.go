package api

import (
	"context"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/people"
)

// Noticed returns the incidents of other sites that affect the principal's and
// that are not over, newest first.
type Noticed func(ctx context.Context, p account.Principal) []incident.Incident

// SubjectOf is the incident as people.See judges it. siteOf names the site of an
// inventory name; nil leaves out what other sites are affected.
func SubjectOf(i incident.Incident, siteOf func(thing string) string) people.Subject {
	s := people.Subject{Site: i.Diagnosis.Site}
	if siteOf != nil {
		for _, thing := range i.Diagnosis.Affected {
			if site := siteOf(thing); site != "" && site != s.Site && !slices.Contains(s.Affected, site) {
				s.Affected = append(s.Affected, site)
			}
		}
	}
	for _, t := range i.Tickets {
		s.Tickets = append(s.Tickets, people.TicketRef{Key: t.Key, Vendor: t.Vendor})
	}
	return s
}

// Notice is what a site is told of another's incident that affects it: that
// there is one, its state and its times, nothing else of the other site's.
type Notice struct {
	View       string     `json:"view"` // notice
	ID         string     `json:"id"`
	Number     string     `json:"number"`
	Title      string     `json:"title"`
	Site       string     `json:"site"`
	State      string     `json:"state"`
	Severity   string     `json:"severity"`
	OpenedAt   time.Time  `json:"opened_at"`
	VerifiedAt *time.Time `json:"verified_at"`
	ClosedAt   *time.Time `json:"closed_at"`
	Practice   bool       `json:"practice"`
}

// NoticeOf returns what affected sites are told, in the language.
func NoticeOf(i incident.Incident, language string) Notice {
	return Notice{View: people.Notice.String(), ID: i.ID, Number: i.Number, Title: i.Diagnosis.Title.In(language), Site: i.Diagnosis.Site, State: i.State,
		Severity: i.Severity, OpenedAt: i.OpenedAt.UTC(), VerifiedAt: moment(i.VerifiedAt), ClosedAt: moment(i.ClosedAt), Practice: i.Practice}
}
