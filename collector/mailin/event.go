package mailin

import (
	"fmt"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/incident"
)

// Event is what a mail comes to: one value, whatever the mail held.
type Event struct {
	ID        string    `json:"id"` // idempotence key: the same mail gives the same
	At        time.Time `json:"at"` // when the mailbox had it
	Match     Match     `json:"match"`
	Auto      Auto      `json:"auto,omitempty"`
	Bounce    *Bounce   `json:"bounce,omitempty"`
	From      string    `json:"from"` // address
	FromName  string    `json:"from_name,omitempty"`
	Subject   string    `json:"subject"`
	MessageID string    `json:"message_id,omitempty"`
	Text      string    `json:"text"` // the writer's own words, bounded
	Meaning   Meaning   `json:"meaning"`
	Files     []File    `json:"files,omitempty"` // Data is dropped once it is stored
	Hashes    []string  `json:"hashes,omitempty"`
	Problems  []string  `json:"problems,omitempty"`
	Muted     bool      `json:"muted,omitempty"` // too many of its kind within the hour: kept, moves nothing
	Filed     int       `json:"filed,omitempty"` // how often people filed it and took it back
	FiledBy   string    `json:"filed_by,omitempty"`
}

// Moves tells whether the mail may move the ticket: a person's, surely the
// vendor's, and of a ticket that is open.
func (e Event) Moves() bool {
	return e.Auto == "" && e.Match.Trusted && e.Match.Ticket.Open && e.Meaning.Says != SaysComment && !e.Muted
}

// Facts are the entries of the incident's log that the mail makes: what the
// vendor reports or a comment, and each file taken. None for a mail that fits
// no ticket. Their ids are the mail's, so that handling them again changes
// nothing. zone is where the reader is. It is pure.
func Facts(e Event, zone *time.Location) []incident.Event {
	if e.Match.By == ByNobody {
		return nil
	}
	actor := e.actor()
	first := incident.Event{IncidentID: e.Match.Ticket.Incident, ID: "mail/" + e.name(), At: e.At, Kind: incident.Commented, Actor: actor, Comment: e.comment(zone)}
	if e.Moves() {
		first.Kind, first.Choice, first.Expected = incident.VendorReported, e.Meaning.Says, e.Meaning.ETA
	} else if e.Auto == "" && e.Match.Trusted && e.Match.Ticket.Open && !e.Muted {
		first.Reason = saysAsks // people read it
	}
	out := []incident.Event{first}
	for n, f := range e.Files {
		if f.Refused != "" || n >= len(e.Hashes) || e.Hashes[n] == "" {
			continue
		}
		at := e.attachment(n)
		out = append(out, incident.Event{IncidentID: e.Match.Ticket.Incident, ID: fmt.Sprintf("mail/%s/file/%d", e.name(), n), At: e.At, Kind: incident.Attached, Actor: actor, Attachment: &at})
	}
	return out
}

func (e Event) actor() incident.Actor {
	return incident.Actor{Kind: "vendor", ID: e.Match.Ticket.Vendor, Name: e.who()}
}

// attachment is a file as the incident's log names it. A stranger's report is no
// report.
func (e Event) attachment(n int) incident.Attachment {
	f := e.Files[n]
	kind := f.Kind
	if !e.Match.Trusted || e.Auto != "" {
		kind = "other"
	}
	return incident.Attachment{Kind: kind, Name: f.Name, Size: f.Size, Hash: e.Hashes[n], At: e.At, By: e.actor()}
}

// name tells the mail's facts from those of an earlier filing that was taken back.
func (e Event) name() string {
	if e.Filed == 0 {
		return e.ID
	}
	return fmt.Sprintf("%s-%d", e.ID, e.Filed)
}

func (e Event) who() string {
	if e.FromName != "" {
		return e.FromName + " <" + e.From + ">"
	}
	return e.From
}

// comment is the mail as the timeline shows it: the writer's words, then what
// the reader has to know about them, in both languages.
func (e Event) comment(zone *time.Location) string {
	var b strings.Builder
	switch {
	case e.Bounce != nil:
		word := "邮件延迟 mail delayed"
		if e.Bounce.Failed {
			word = "邮件退回 mail not delivered"
		}
		fmt.Fprintf(&b, "[%s] %s %s %s\n", word, strings.Join(e.Bounce.Recipients, ", "), e.Bounce.Status, e.Bounce.Diagnosis)
	case e.Auto != "":
		fmt.Fprintf(&b, "[%s] %s\n", autoWords[e.Auto], e.Subject)
	}
	text := e.Text
	if text == "" && e.Bounce == nil {
		text = "（无正文 no text）" + e.Subject
	}
	if e.Bounce == nil {
		b.WriteString(shorten(text, 4000) + "\n")
	}
	if !e.Meaning.ETA.IsZero() && e.Auto == "" {
		if zone == nil {
			zone = time.UTC
		}
		fmt.Fprintf(&b, "[预计时间 expected] %s\n", e.Meaning.ETA.In(zone).Format("2006-01-02 15:04 -07:00"))
	}
	if e.Meaning.Reference != "" && e.Auto == "" {
		fmt.Fprintf(&b, "[对方单号 reference] %s\n", e.Meaning.Reference)
	}
	e.warn(&b)
	return strings.TrimSpace(b.String())
}

// warn adds what was not taken, and why.
func (e Event) warn(b *strings.Builder) {
	for _, f := range e.Files {
		if f.Refused != "" {
			t := f.Refused.Text()
			fmt.Fprintf(b, "[附件未接收 attachment refused] %s: %s / %s\n", f.Name, t.ZH, t.EN)
		}
	}
	if e.FiledBy != "" {
		fmt.Fprintf(b, "[%s 归入 filed by %s]\n", e.FiledBy, e.FiledBy)
	}
	switch {
	case e.Match.Forged:
		b.WriteString("[回复地址校验码错误 the reply address carries a wrong code]\n")
	case !e.Match.Trusted:
		b.WriteString("[发件人不在厂商登记地址中，仅作记录 sender unknown: kept as a comment]\n")
	}
	if e.Muted {
		b.WriteString("[一小时内来信过多，仅作记录 too many mails within the hour: kept as a comment]\n")
	}
}

var autoWords = map[Auto]string{AutoReply: "自动回复 automatic reply", AutoAbsence: "不在办公室 out of office", AutoBounce: "系统退信 delivery report",
	AutoReceipt: "阅读回执 receipt", AutoBulk: "群发邮件 bulk mail", AutoOwn: "本系统邮件 our own mail came back"}
