package mailin

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/faultline/faultline/collector/incident"
)

// How a mail was matched to its ticket, surest first.
const (
	ByToken   = "reply_address" // it came to the ticket's own address
	ByThread  = "message_id"    // it answers a mail of the ticket
	BySubject = "subject"       // its subject names the incident
	ByNobody  = ""              // people will see
)

// Incidents finds incidents; sqlstore.Store does.
type Incidents interface {
	Incident(ctx context.Context, id string) (incident.Incident, error)
	IncidentByNumber(ctx context.Context, number string) (incident.Incident, error)
	OpenIncidents(ctx context.Context) ([]incident.Incident, error)
}

// KV keeps small settings; sqlstore.Store does. KVInit writes unless there is
// something, at once, and returns what is there then.
type KV interface {
	KVGet(ctx context.Context, name string) (string, error)
	KVPut(ctx context.Context, name, value string) error
	KVInit(ctx context.Context, name, value string) (string, error)
}

// Ticket is the ticket a mail is about.
type Ticket struct {
	Incident string `json:"incident"`
	Number   string `json:"number"`
	Key      string `json:"key"`
	Vendor   string `json:"vendor"`
	Open     bool   `json:"open"` // the incident is not closed and the ticket not taken back
}

// Match is what was found out about where a mail belongs.
type Match struct {
	By         string   // one of By…
	Ticket     Ticket   // zero when By is ByNobody
	Trusted    bool     // the writer is surely who was written to: his word may move the ticket
	Candidates []Ticket // for people, when By is ByNobody
	Forged     bool     // it names a ticket by a reply address with a wrong code
}

// Matcher finds the ticket of a mail. Its methods may be called from several
// goroutines; its fields are not changed afterwards.
type Matcher struct {
	Incidents Incidents
	KV        KV
	NotFound  error                                 // what Incidents and KV return for what is not there
	Token     func(number, ticketKey string) string // mail.Mailer.ReplyToken
	ReplyTo   string                                // the address replies go to, without the token; "" uses none
	Senders   func(vendor string) []string          // the vendor's known addresses
}

// Match finds the ticket: by reply address, then by the messages it answers,
// then by its subject. It never opens anything.
func (m *Matcher) Match(ctx context.Context, x Mail) (Match, error) {
	var out Match
	for _, find := range []func(context.Context, Mail, *Match) (bool, error){m.byToken, m.byThread, m.bySubject} {
		ok, err := find(ctx, x, &out)
		if err != nil {
			return Match{}, fmt.Errorf("match mail %s: %w", x.Fingerprint, err)
		}
		if ok {
			out.Candidates = nil
			return out, nil
		}
	}
	if len(out.Candidates) == 0 {
		c, err := m.openOf(ctx, x.From.Address)
		if err != nil {
			return Match{}, fmt.Errorf("match mail %s: %w", x.Fingerprint, err)
		}
		out.Candidates = c
	}
	return out, nil
}

// byToken looks for an address of ours with a ticket's token in it.
func (m *Matcher) byToken(ctx context.Context, x Mail, out *Match) (bool, error) {
	user, domain, ok := strings.Cut(strings.ToLower(m.ReplyTo), "@")
	if !ok {
		return false, nil
	}
	for _, to := range x.Recipients {
		local, at, _ := strings.Cut(to, "@")
		token, ok := strings.CutPrefix(local, user+"+")
		if !ok || at != domain {
			continue
		}
		number, _, _ := strings.Cut(token, ".")
		i, found, err := m.number(ctx, number)
		if err != nil {
			return false, err
		}
		// All tickets are compared, and each in constant time: how long a wrong
		// code takes tells nothing.
		hit := -1
		for n, t := range i.Tickets {
			want := strings.ToLower(m.Token(i.Number, t.Key))
			if hmac.Equal([]byte(token), []byte(want)) && found {
				hit = n
			}
		}
		if hit >= 0 {
			*out = Match{By: ByToken, Ticket: ticketOf(i, i.Tickets[hit]), Trusted: true}
			return true, nil
		}
		out.Forged = true
	}
	return false, nil
}

// byThread looks at what the mail answers, the newest first: our own messages,
// and those of others that were filed under a ticket before.
func (m *Matcher) byThread(ctx context.Context, x Mail, out *Match) (bool, error) {
	refs := slices.Clone(x.References)
	slices.Reverse(refs)
	refs = append(slices.Clone(x.InReplyTo), refs...)
	if x.Bounce != nil && x.Bounce.Original != "" {
		refs = append([]string{x.Bounce.Original}, refs...)
	}
	for n, id := range refs[:min(len(refs), 40)] {
		if slices.Contains(refs[:n], id) {
			continue
		}
		i, t, own, err := m.message(ctx, id)
		if err != nil {
			return false, err
		}
		if t.Key == "" {
			continue
		}
		*out = Match{By: ByThread, Ticket: ticketOf(i, t), Forged: out.Forged, Trusted: own || m.knows(t.Vendor, x.From.Address)}
		return true, nil
	}
	return false, nil
}

// message finds the ticket that a Message-ID belongs to. own is true for ids we
// made: nobody can guess those.
func (m *Matcher) message(ctx context.Context, id string) (i incident.Incident, t incident.Ticket, own bool, err error) {
	if rest, ok := strings.CutPrefix(id, "<inc."); ok {
		name, _, _ := strings.Cut(rest, ".")
		i, err = m.Incidents.Incident(ctx, name)
		switch {
		case errors.Is(err, m.NotFound):
			return incident.Incident{}, t, false, nil
		case err != nil:
			return i, t, false, err
		}
		for _, t := range i.Tickets {
			if slices.ContainsFunc(t.Messages, func(x incident.TicketMessage) bool { return x.Ref != "" && strings.EqualFold(x.Ref, id) }) {
				return i, t, true, nil
			}
		}
		return i, incident.Ticket{}, false, nil
	}
	kept, err := m.KV.KVGet(ctx, idName(id))
	if errors.Is(err, m.NotFound) {
		return i, t, false, nil
	}
	var known Ticket
	if err != nil {
		return i, t, false, err
	}
	if json.Unmarshal([]byte(kept), &known) != nil {
		return i, t, false, nil
	}
	i, err = m.Incidents.Incident(ctx, known.Incident)
	if errors.Is(err, m.NotFound) {
		return i, t, false, nil
	}
	if at := slices.IndexFunc(i.Tickets, func(t incident.Ticket) bool { return t.Key == known.Key }); at >= 0 {
		t = i.Tickets[at]
	}
	return i, t, false, err
}

// remember files a Message-ID under a ticket, so that answers to it are found.
func (m *Matcher) remember(ctx context.Context, id string, t Ticket) error {
	if id == "" || t.Key == "" {
		return nil
	}
	b, err := json.Marshal(t)
	if err != nil {
		return err
	}
	_, err = m.KV.KVInit(ctx, idName(id), string(b)) // the first ticket keeps it
	return err
}

func idName(id string) string {
	h := sha256.Sum256([]byte(strings.ToLower(id)))
	return "mailin/id/" + hex.EncodeToString(h[:16])
}

// bySubject looks for the incident's number in the subject. With several
// tickets the writer decides which; if he is nobody's, people do.
func (m *Matcher) bySubject(ctx context.Context, x Mail, out *Match) (bool, error) {
	for _, number := range subjectNumbers(x.Subject) {
		i, found, err := m.number(ctx, number)
		if err != nil {
			return false, err
		}
		if !found {
			continue
		}
		tickets := slices.DeleteFunc(slices.Clone(i.Tickets), func(t incident.Ticket) bool { return t.Key == "" })
		known := slices.DeleteFunc(slices.Clone(tickets), func(t incident.Ticket) bool { return !m.knows(t.Vendor, x.From.Address) })
		switch {
		case len(known) == 1:
			*out = Match{By: BySubject, Ticket: ticketOf(i, known[0]), Trusted: !out.Forged, Forged: out.Forged}
			return true, nil
		case len(tickets) == 1:
			*out = Match{By: BySubject, Ticket: ticketOf(i, tickets[0]), Forged: out.Forged}
			return true, nil
		}
		for _, t := range tickets {
			out.Candidates = append(out.Candidates, ticketOf(i, t))
		}
	}
	return false, nil
}

// openOf lists the open tickets of the vendor an address belongs to.
func (m *Matcher) openOf(ctx context.Context, from string) ([]Ticket, error) {
	all, err := m.Incidents.OpenIncidents(ctx)
	if err != nil {
		return nil, err
	}
	var out []Ticket
	for _, i := range all {
		for _, t := range i.Tickets {
			if len(out) < 20 && m.knows(t.Vendor, from) {
				out = append(out, ticketOf(i, t))
			}
		}
	}
	return out, nil
}

func (m *Matcher) number(ctx context.Context, number string) (incident.Incident, bool, error) {
	if number == "" {
		return incident.Incident{}, false, nil
	}
	i, err := m.Incidents.IncidentByNumber(ctx, number)
	if errors.Is(err, m.NotFound) {
		return incident.Incident{}, false, nil
	}
	return i, err == nil, err
}

// public are mail providers whose domain says nothing about who somebody is.
var public = []string{"qq.com", "vip.qq.com", "foxmail.com", "163.com", "126.com", "yeah.net", "139.com", "189.cn", "wo.cn", "sina.com", "sina.cn", "sohu.com",
	"aliyun.com", "gmail.com", "outlook.com", "hotmail.com", "live.com", "yahoo.com", "icloud.com", "me.com", "21cn.com", "tom.com"}

// knows tells whether an address belongs to the vendor: one of his own, or one
// at a domain of his that is not a public provider's.
func (m *Matcher) knows(vendor, from string) bool {
	if m.Senders == nil || from == "" {
		return false
	}
	_, domain, _ := strings.Cut(strings.ToLower(from), "@")
	for _, a := range m.Senders(vendor) {
		if strings.EqualFold(a, from) {
			return true
		}
		if _, d, _ := strings.Cut(strings.ToLower(a), "@"); d == domain && d != "" && !slices.Contains(public, d) {
			return true
		}
	}
	return false
}

func ticketOf(i incident.Incident, t incident.Ticket) Ticket {
	return Ticket{Incident: i.ID, Number: i.Number, Key: t.Key, Vendor: t.Vendor, Open: i.Open() && t.State != "withdrawn"}
}
