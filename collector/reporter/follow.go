package reporter

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/plugins/notify"
)

// States a reporter is told, in order.
const (
	toldReceived = "received"
	toldTaken    = "taken"
	toldVerified = "verified"
	toldClosed   = "closed"
)

var stages = []string{toldReceived, toldTaken, toldVerified, toldClosed}

// Stages are all stages in order.
func Stages() []string { return slices.Clone(stages) }

// Stage is how far the incident has come for its reporter: received, taken,
// verified or closed.
func Stage(i incident.Incident) string {
	switch {
	case i.State == incident.StateClosed:
		return toldClosed
	case i.State == incident.StateVerified:
		return toldVerified
	case i.Acked:
		return toldTaken
	}
	return toldReceived
}

// Asked tells whether the reporter's confirmation is wanted now.
func Asked(r Report, i incident.Incident) bool {
	return r.Answer == "" && !i.VerifiedAt.IsZero() && (i.State == incident.StateVerified || i.State == incident.StateClosed)
}

// Confirm takes the reporter's answer whether it works again. Where the process
// waits for a confirmation, the answer decides the step; the answer of somebody
// who joined an incident that others opened is put on record, but "it does not
// work" counts whoever says it. After the end "it does not work" opens the
// incident again as long as the process allows it.
func (s *Service) Confirm(ctx context.Context, secret, answer, comment string) error {
	r, i, err := s.Follow(ctx, secret)
	if err != nil {
		return err
	}
	if answer != AnswerOK && answer != AnswerBad {
		return fault("answer", "请选择是否恢复", "say whether it works again")
	}
	if !Asked(r, i) {
		return fault("answer", "现在不需要确认", "nothing is to be confirmed now")
	}
	comment = comment[:min(len(comment), 4*maxSymptoms)]
	note := map[string]string{AnswerOK: "上报人确认恢复 / confirmed by the reporter", AnswerBad: "上报人反映未恢复 / the reporter says that it is not back"}[answer]
	if comment != "" {
		note += ": " + comment
	}
	at := s.o.Now().UTC()
	fact := incident.Event{ID: "rep-answer-" + r.ID, IncidentID: i.ID, At: at, Kind: incident.Commented, Actor: r.By, Comment: note}
	if err := s.o.Handle(ctx, s.deciding(fact, r, i, answer)); err != nil {
		var refused *process.Refusal
		if !errors.As(err, &refused) {
			return err
		}
		if err := s.o.Handle(ctx, fact); err != nil { // papers are missing, or it is too late: on record all the same
			return err
		}
	}
	r.Answer, r.AnsweredAt = answer, at
	return s.o.Store.UpdateReport(ctx, r)
}

// deciding makes the fact the decision that it is, where it is one.
func (s *Service) deciding(fact incident.Event, r Report, i incident.Incident, answer string) incident.Event {
	if i.State == incident.StateClosed {
		if answer == AnswerBad {
			fact.Kind, fact.Reason = incident.Reopened, fact.Comment
		}
		return fact
	}
	if s.o.Confirm == nil {
		return fact
	}
	yes, no, ok := s.o.Confirm(i)
	switch {
	case !ok:
	case answer == AnswerBad && no != "":
		fact.Kind, fact.Choice = incident.Decided, no
	case answer == AnswerOK && yes != "" && !r.Joined:
		fact.Kind, fact.Choice = incident.Decided, yes
	}
	return fact
}

// Run tells reporters by mail what has changed for them until ctx ends. It runs
// on the lease holder.
func (s *Service) Run(ctx context.Context, every time.Duration) error {
	if s.o.Mail == nil || s.o.Link == nil {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		if err := s.TellAll(ctx); err != nil && ctx.Err() == nil {
			s.o.Logger.Warn("tell reporters", "err", err)
		}
	}
}

// atOnce bounds the reports looked at in one pass.
const atOnce = 500

// TellAll tells every reporter with a mail address what has changed since they
// were last told.
func (s *Service) TellAll(ctx context.Context) error {
	list, err := s.o.Store.ReportsToTell(ctx, atOnce)
	if err != nil {
		return err
	}
	var errs []error
	for _, r := range list {
		i, err := s.o.Incident(ctx, r.IncidentID)
		if err == nil {
			err = s.tell(ctx, r, i)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("report %s: %w", r.ID, err))
		}
	}
	return errors.Join(errs...)
}

func (s *Service) tell(ctx context.Context, r Report, i incident.Incident) error {
	now := Stage(i)
	over := i.State == incident.StateClosed
	if now == r.Told && over == r.Over || later(r.Told, now) && !over {
		return nil
	}
	if a, err := mail.ParseAddress(r.Contact); err == nil && now != r.Told {
		n := notify.Notice{Key: "report/" + r.ID + "/" + now + fmt.Sprint(i.Reopened), To: a.Address, Subject: s.subject(r, i, now), Body: s.body(r, i, now), URL: s.o.Link(s.secret(r.ID)), Severity: i.Severity}
		if err := s.o.Mail.Deliver(ctx, n); err != nil {
			return err
		}
	}
	r.Told, r.Over = now, over
	return s.o.Store.UpdateReport(ctx, r)
}

// later tells whether stage a comes after b.
func later(a, b string) bool {
	return slices.Index(stages, a) > slices.Index(stages, b)
}

var mailWords = map[string]lang.Text{
	toldReceived: {ZH: "您的故障上报已收到", EN: "Your report was received"},
	toldTaken:    {ZH: "您上报的故障已有人处理", EN: "Somebody takes care of what you reported"},
	toldVerified: {ZH: "您上报的故障已测得恢复，请确认", EN: "What you reported is measured to be back: please confirm"},
	toldClosed:   {ZH: "您上报的故障已处理完毕，请确认", EN: "What you reported is closed: please confirm"},
}

func (s *Service) subject(r Report, i incident.Incident, stage string) string {
	words := mailWords[stage].In(r.Language) + " " + i.Number
	if i.Practice {
		words = "【演练】" + words
	}
	return words
}

func (s *Service) body(r Report, i incident.Incident, stage string) string {
	t := lang.Text{ZH: "%s：\n\n%s。\n故障单：%s\n您的说明：%s\n\n进展与确认（无需登录，请勿转发）：\n%s\n", EN: "%s,\n\n%s.\nIncident: %s\nYou wrote: %s\n\nHow it goes, and your confirmation (no sign-in; do not pass it on):\n%s\n"}
	name := r.Name
	if name == "" {
		name = lang.Text{ZH: "您好", EN: "Hello"}.In(r.Language)
	}
	return fmt.Sprintf(t.In(r.Language), name, mailWords[stage].In(r.Language), i.Number, r.Symptoms, s.o.Link(s.secret(r.ID)))
}
