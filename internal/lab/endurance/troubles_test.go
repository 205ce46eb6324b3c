package endurance

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/internal/lab/mailbox"
)

// incidentJSON is what the API tells of an incident.
type incidentJSON struct {
	ID         string    `json:"id"`
	Number     string    `json:"number"`
	OpenedAt   time.Time `json:"opened_at"`
	State      string    `json:"state"`
	Class      string    `json:"class"`
	Process    string    `json:"process"`
	Step       string    `json:"step"`
	Title      string    `json:"title"`
	ParentID   string    `json:"parent_id"`
	VendorKind string    `json:"vendor_kind"`
}

func (c *company) incidents() ([]incidentJSON, error) {
	b, err := c.call(http.MethodGet, "/api/v1/incidents?limit=500", nil)
	if err != nil {
		return nil, err
	}
	var res struct{ Incidents []incidentJSON }
	return res.Incidents, json.Unmarshal(b, &res)
}

// trouble is one break of the line, from the break to the closed incident.
type trouble struct {
	broken time.Time
	opened time.Duration // from the break to the incident
	ticket time.Duration // from the break to the carrier's mail
	number string
}

// breakLine cuts the line, waits for its incident and ticket, mends it after the
// pause, and takes the incident through to its end. The collector may be away at
// any moment of this.
func (c *company) breakLine(t *testing.T, known map[string]bool, pause time.Duration) trouble {
	t.Helper()
	tr := trouble{broken: time.Now()}
	if err := c.branch.Break("line"); err != nil {
		t.Fatal(err)
	}
	opened := c.awaitIncident(t, known, 90*time.Second, "an incident of the line", func(i incidentJSON) bool { return i.Class == "carrier_line" })
	tr.number, tr.opened = opened.Number, opened.OpenedAt.Sub(tr.broken)
	waitUntil(t, 90*time.Second, "the carrier's ticket", func() bool { return c.tickets(tr.number) > 0 })
	tr.ticket = time.Since(tr.broken)
	<-time.After(pause)
	if err := c.branch.Mend(); err != nil {
		t.Fatal(err)
	}
	c.awaitIncident(t, known, 180*time.Second, "verification", func(i incidentJSON) bool { return i.ID == opened.ID && i.State == "verified" })
	waitUntil(t, 60*time.Second, "the confirmation to be taken", func() bool {
		_, err := c.call(http.MethodPost, "/api/v1/incidents/"+opened.ID+"/actions", map[string]string{"action": "decide", "choice": "ok", "comment": "endurance"})
		if err == nil {
			return true
		}
		list, err := c.incidents() // an answer may have been lost with the collector
		for _, i := range list {
			if err == nil && i.ID == opened.ID && i.State == "closed" {
				return true
			}
		}
		return false
	})
	c.awaitIncident(t, known, 60*time.Second, "the closed incident", func(i incidentJSON) bool { return i.ID == opened.ID && i.State == "closed" })
	known[opened.ID] = true
	return tr
}

// tickets is how many mails the carrier has got about the incident.
func (c *company) tickets(number string) int {
	n := 0
	for _, m := range c.box.Mails() {
		if strings.HasPrefix(m.Subject, "[FL#"+number+"]") && toCarrier(m) {
			n++
		}
	}
	return n
}

func toCarrier(m mailbox.Mail) bool { return strings.HasPrefix(m.To[0], "noc@carrier") }

// awaitIncident waits for an incident that is not among the known ones.
func (c *company) awaitIncident(t *testing.T, known map[string]bool, limit time.Duration, what string, ok func(incidentJSON) bool) incidentJSON {
	t.Helper()
	var found incidentJSON
	var last []incidentJSON
	defer func() {
		if t.Failed() {
			t.Logf("incidents: %+v", last)
		}
	}()
	waitUntil(t, limit, what, func() bool {
		list, err := c.incidents()
		if err != nil {
			return false
		}
		last = list
		for _, i := range list {
			if !known[i.ID] && ok(i) {
				found = i
				return true
			}
		}
		return false
	})
	return found
}

// letters is what the mailbox shows after a run.
type letters struct {
	messages int // different Message-IDs
	repeats  int // mails marked as a repeat of one that may have arrived
}

// checkMails wants every message once. A repeat must be marked, carry the same
// Message-ID, and be owed to a kill between the delivery and its record.
func (c *company) checkMails(t *testing.T) letters {
	t.Helper()
	var l letters
	first := map[string]time.Time{}
	opening := map[string]map[string]bool{}
	for _, m := range c.box.Mails() {
		if m.MessageID == "" {
			t.Errorf("mail %q has no Message-ID", m.Subject)
			continue
		}
		if toCarrier(m) && m.Header["In-Reply-To"] == "" {
			number, _, _ := strings.Cut(strings.TrimPrefix(m.Subject, "[FL#"), "]")
			if opening[number] == nil {
				opening[number] = map[string]bool{}
			}
			opening[number][m.MessageID] = true
		}
		at, twice := first[m.MessageID]
		if !twice {
			first[m.MessageID] = m.At
			l.messages++
			continue
		}
		l.repeats++
		if !strings.Contains(m.Subject, "重发") {
			t.Errorf("mail %s came twice and is not marked: %q", m.MessageID, m.Subject)
		}
		k, ok := killBetween(c.collector.outages(), at, m.At)
		if !ok {
			t.Errorf("mail %s came at %s and again at %s without a kill in between", m.MessageID, at.Format(time.StampMilli), m.At.Format(time.StampMilli))
		} else {
			t.Logf("repeat: %q was delivered %.0f ms before a kill", m.Subject, float64(k.Sub(at).Microseconds())/1000)
		}
	}
	for number, ids := range opening {
		if len(ids) != 1 {
			t.Errorf("incident %s has %d tickets at the carrier", number, len(ids))
		}
	}
	return l
}

// recorded is how soon after its delivery a message is on record.
const recorded = time.Second

// killBetween returns the kill that came within recorded after the first
// delivery. What a killed program had sent before may arrive shortly after.
func killBetween(kills []outage, delivered, again time.Time) (time.Time, bool) {
	for _, k := range kills {
		if delivered.Before(k.to) && again.After(k.to) && k.from.Sub(delivered) < recorded {
			return k.from, true
		}
	}
	return time.Time{}, false
}
