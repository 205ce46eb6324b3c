// Package reporter takes faults that people tell of (上报): it bounds and checks
// what they send, joins a report to the incident that is open for the same cause
// or has one opened, and tells the reporter how it goes until they confirm that
// it is over. The engine writes incidents and a Store keeps reports; pages are
// package web's.
package reporter

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/document"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/plugins/notify"
)

// Report is one person's report. Times are in UTC.
type Report struct {
	ID         string         `json:"id"`
	IncidentID string         `json:"incident_id"`
	Site       string         `json:"site"`
	Device     string         `json:"device,omitempty"` // inventory name of a device or line; "" not known
	Category   string         `json:"category"`
	Symptoms   string         `json:"symptoms"`
	Name       string         `json:"name"`
	Contact    string         `json:"contact,omitempty"` // mail address or telephone
	Language   string         `json:"language"`
	By         incident.Actor `json:"by"`
	At         time.Time      `json:"at"`
	Joined     bool           `json:"joined,omitempty"`
	Why        lang.Text      `json:"why,omitzero"` // why it joined
	Photos     int            `json:"photos,omitempty"`
	Answer     string         `json:"answer,omitempty"` // ok or bad: the reporter's confirmation
	AnsweredAt time.Time      `json:"answered_at,omitzero"`
	Told       string         `json:"told,omitempty"` // the last state the reporter was told by mail
	Over       bool           `json:"over,omitempty"` // nothing more is told
}

// Answers of a reporter.
const (
	AnswerOK  = "ok"
	AnswerBad = "bad"
)

// Store keeps reports. Its methods may be called from several goroutines.
type Store interface {
	// PutReport writes the report, replacing the one with its ID. hash is the
	// SHA-256 of its private link's secret, in hex.
	PutReport(ctx context.Context, r Report, hash string) error
	// ReportByLink returns the report of a private link, or engine.ErrNotFound.
	ReportByLink(ctx context.Context, hash string) (Report, error)
	// UpdateReport writes what changed; the link stays.
	UpdateReport(ctx context.Context, r Report) error
	// ReportsOf returns an incident's reports, oldest first.
	ReportsOf(ctx context.Context, incidentID string) ([]Report, error)
	// ReportsToTell returns reports that are not over, oldest first, at most limit.
	ReportsToTell(ctx context.Context, limit int) ([]Report, error)
}

// Draft is what somebody sends in.
type Draft struct {
	FactID   string // idempotence key; "" makes one
	Site     string
	Device   string
	Category string // one of Categories; "" is other
	Symptoms string
	Name     string
	Contact  string
	Language string
	Photos   [][]byte
	Join     string // an incident of the site that the person recognised; "new": none of those shown
	By       incident.Actor
	Remote   string // address, for the limits
	Known    bool   // signed in: only the limit over all counts
}

// Receipt is what became of a draft.
type Receipt struct {
	Report Report
	Secret string // of the private link
}

// Options are what a Service needs. Who may report is the caller's to check.
type Options struct {
	Store     Store
	Documents document.Store
	Settings  Settings // keeps the sites' links
	Graph     func() *inventory.Graph
	Open      func(ctx context.Context) []incident.Incident // not closed
	Incident  func(ctx context.Context, id string) (incident.Incident, error)
	// Start opens an incident; Handle takes a fact about one.
	Start  func(ctx context.Context, o engine.Opening) (string, error)
	Handle func(ctx context.Context, e incident.Event) error
	// Confirm returns the choices by which the present step is confirmed or
	// refused; ok is false where nothing is to be confirmed.
	Confirm func(i incident.Incident) (yes, no string, ok bool)
	// Mail tells reporters by mail; nil: they have their page only. Link is the
	// address of a private page.
	Mail   notify.Channel
	Link   func(secret string) string
	Key    []byte // of the secrets in mails: makes a link of the report's ID
	Now    func() time.Time
	Limits Limits
	Logger *slog.Logger
}

// Service takes reports. Its methods may be called from several goroutines.
type Service struct {
	o      Options
	limit  *limiter
	photos chan struct{} // bounds how many pictures are decoded at once
}

// New returns a Service.
func New(o Options) (*Service, error) {
	if o.Store == nil || o.Documents == nil || o.Settings == nil || o.Graph == nil || o.Open == nil || o.Incident == nil || o.Start == nil || o.Handle == nil || o.Now == nil || len(o.Key) < 16 {
		return nil, errors.New("reporter options: Store, Documents, Settings, Graph, Open, Incident, Start, Handle, Now and a Key are required")
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Service{o: o, limit: newLimiter(o.Limits), photos: make(chan struct{}, 2)}, nil
}

// Submit takes a report: it joins an incident that is open for the same cause, or
// has one opened. A *Fault says what is wrong with it, a *BusyError that too much
// came at once. The same FactID sent again gives the same report.
func (s *Service) Submit(ctx context.Context, d Draft) (Receipt, error) {
	now := s.o.Now().UTC()
	if err := d.check(s.o.Graph()); err != nil {
		return Receipt{}, err
	}
	if err := s.limit.take(d.Site, d.Remote, d.Known, now); err != nil {
		return Receipt{}, err
	}
	pictures, err := s.pictures(ctx, d.Photos)
	if err != nil {
		return Receipt{}, err
	}
	if d.FactID == "" {
		d.FactID = "rep-" + strings.ToLower(rand.Text())
	}
	r := Report{ID: idOf(d.FactID), Site: d.Site, Device: d.Device, Category: d.Category, Symptoms: strings.TrimSpace(d.Symptoms), Name: strings.TrimSpace(d.Name),
		Contact: strings.TrimSpace(d.Contact), Language: d.Language, By: d.By, At: now}
	secret := s.secret(r.ID)
	if had, err := s.o.Store.ReportByLink(ctx, hash(secret)); err == nil {
		return Receipt{had, secret}, nil
	}
	if err := s.place(ctx, d, &r); err != nil {
		return Receipt{}, err
	}
	r.Photos = s.attach(ctx, r, pictures)
	if err := s.o.Store.PutReport(ctx, r, hash(secret)); err != nil {
		return Receipt{}, err
	}
	return Receipt{r, secret}, nil
}

// place finds or opens the report's incident.
func (s *Service) place(ctx context.Context, d Draft, r *Report) error {
	if i, why, ok := Match(d, s.o.Open(ctx), s.o.Graph()); ok {
		r.IncidentID, r.Joined, r.Why = i.ID, true, why
		return s.o.Handle(ctx, incident.Event{ID: d.FactID, IncidentID: i.ID, At: r.At, Kind: incident.Commented, Actor: r.By, Comment: said(*r)})
	}
	id, err := s.o.Start(ctx, engine.Opening{FactID: d.FactID, Diagnosis: Diagnosis(d, s.o.Graph()), Actor: r.By, Comment: said(*r), At: r.At})
	r.IncidentID = id
	return err
}

// said is the report as the incident's log has it.
func said(r Report) string {
	text := r.Symptoms
	if r.Name != "" && r.Name != r.By.Name {
		text += " — " + r.Name
	}
	if r.Contact != "" {
		text += " (" + r.Contact + ")"
	}
	return text
}

// attach keeps the pictures with the incident and returns how many. A picture
// that cannot be kept costs the picture, not the report.
func (s *Service) attach(ctx context.Context, r Report, pictures [][]byte) int {
	kept := 0
	for n, body := range pictures {
		d, err := document.Take(document.Upload{IncidentID: r.IncidentID, Kind: "photo", Name: fmt.Sprintf("report-%s-%d.jpg", r.ID[:8], n+1), Body: body, By: r.By, At: r.At})
		if err == nil {
			err = s.o.Documents.PutDocument(ctx, d)
		}
		if err == nil {
			a := d.Attachment()
			err = s.o.Handle(ctx, incident.Event{ID: fmt.Sprintf("rep-photo-%s-%d", r.ID, n), IncidentID: r.IncidentID, At: r.At, Kind: incident.Attached, Actor: r.By, Attachment: &a})
		}
		if err != nil {
			s.o.Logger.Warn("keep a reporter's picture", "report", r.ID, "err", err)
			continue
		}
		kept++
	}
	return kept
}

// Follow returns the report of a private link and its incident.
func (s *Service) Follow(ctx context.Context, secret string) (Report, incident.Incident, error) {
	if len(secret) > 100 {
		return Report{}, incident.Incident{}, engine.ErrNotFound
	}
	r, err := s.o.Store.ReportByLink(ctx, hash(secret))
	if err != nil {
		return r, incident.Incident{}, err
	}
	i, err := s.o.Incident(ctx, r.IncidentID)
	if err == nil && i.ParentID != "" { // what it was part of goes on
		if p, e := s.o.Incident(ctx, i.ParentID); e == nil {
			i = p
		}
	}
	return r, i, err
}

// Say adds what a reporter writes on their page to the incident.
func (s *Service) Say(ctx context.Context, secret, text, remote string) error {
	r, i, err := s.Follow(ctx, secret)
	if err != nil {
		return err
	}
	text = strings.TrimSpace(text)
	if text == "" || len([]rune(text)) > maxSymptoms {
		return &Fault{Field: "symptoms", Text: lang.Text{ZH: "请填写 1 至 2000 字", EN: "write 1 to 2000 characters"}}
	}
	if err := s.limit.take(r.Site, remote, false, s.o.Now()); err != nil {
		return err
	}
	return s.o.Handle(ctx, incident.Event{ID: "rep-say-" + strings.ToLower(rand.Text()), IncidentID: i.ID, At: s.o.Now().UTC(), Kind: incident.Commented, Actor: r.By, Comment: text})
}

// Secrets are made of the report's ID and a key, so that mails can name the link
// and the database holds only its hash.
func (s *Service) secret(id string) string { return id + "." + mac(s.o.Key, id) }

func hash(secret string) string {
	h := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(h[:])
}

func idOf(fact string) string { return hash("report\x00" + fact)[:32] }
