// Package gateway reaches single people by telephone: through a company's own
// gateway for SMS, voice or anything else behind the signed webhook of package
// robot. When and whom is decided elsewhere (people.Desk, package post).
package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/faultline/faultline/collector/effect/notify/robot"
	"github.com/faultline/faultline/collector/people"
	"github.com/faultline/faultline/internal/outgoing"
	"github.com/faultline/faultline/plugins/notify"
	"github.com/faultline/faultline/plugins/ticket"
)

// Timeout bounds one message.
const Timeout = 10 * time.Second

// Gateway is one way to people. Its methods may be called from several
// goroutines.
type Gateway struct {
	set    robot.Settings
	client *http.Client
	now    func() time.Time
}

// Validate returns what is wrong with the settings of a gateway.
func Validate(s robot.Settings) error {
	err := s.Validate()
	switch {
	case s.Kind != robot.SMS && s.Kind != robot.Voice && s.Kind != robot.Hook:
		err = errors.Join(err, fmt.Errorf("gateway %s: kind %q is not sms, voice or webhook", s.Name, s.Kind))
	case len(s.Roles)+len(s.To) > 0:
		err = errors.Join(err, fmt.Errorf("gateway %s: roles and to belong to robots; a gateway goes to whom it is named by", s.Name))
	}
	return err
}

// New returns a Gateway of valid settings.
func New(s robot.Settings, now func() time.Time) *Gateway {
	return &Gateway{s, outgoing.Client(), now}
}

// Name is what people's channels call it.
func (g *Gateway) Name() string { return g.set.Name }

// Reach hands the notice over; nil means the gateway has taken it. Another error
// than a *ticket.Error may pass by itself.
func (g *Gateway) Reach(ctx context.Context, p *people.Person, n notify.Notice, language string) error {
	if p.Phone == "" {
		return &ticket.Error{Op: "notify by " + g.set.Name, Err: errors.New("the person has no telephone number"), Hint: "add phone to the people file"}
	}
	set := g.set
	set.To = []string{p.Phone}
	now := g.now()
	req, err := robot.Build(set, robot.Message{Key: n.Key, Title: n.Subject, Text: n.Body, URL: n.URL, Level: n.Severity, Language: language, Repeat: n.Repeat, At: now}, now)
	if err != nil {
		return &ticket.Error{Op: "notify by " + g.set.Name, Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	answer, err := robot.Post(ctx, g.client, req)
	if err != nil {
		return err
	}
	err = robot.Judge(set.Kind, answer)
	var refused *robot.Refused
	if errors.As(err, &refused) {
		return busy{refused}
	}
	return err
}

// busy is a gateway that takes nothing for a while.
type busy struct{ *robot.Refused }

// RetryAfter is how long; 0 is not said.
func (b busy) RetryAfter() time.Duration { return b.For }
