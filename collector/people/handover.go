package people

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/internal/lang"
)

// HandOver is a change of duty and what the one leaves to the other.
type HandOver struct {
	Rota     string
	At       time.Time
	From, To []string // persons at the first level; empty: nobody
	Notes    []Note
	Open     []OpenItem
	Accepted string // who took it over; "" not yet
	TakenAt  time.Time
}

// Note is something the next person has to know.
type Note struct {
	By   string
	At   time.Time
	Text string
}

// OpenItem is an incident that is not over.
type OpenItem struct {
	Number   string
	Title    lang.Text
	Priority int
	Owner    string
	Next     lang.Text // what happens next and when
}

// HandOvers returns the changes at the first level in the stretch.
func (r *Rota) HandOvers(from, to time.Time) []HandOver {
	serving := func(at time.Time) (out []string) {
		for _, d := range r.OnCall(at) {
			if d.Level == 1 && !slices.Contains(out, d.Person) {
				out = append(out, d.Person)
			}
		}
		return out
	}
	var out []HandOver
	shifts := r.occurrences(from, to)
	r.each(from, to, shifts, func(a, _ time.Time) {
		if a.Equal(from) {
			return
		}
		before, after := serving(a.Add(-time.Second)), serving(a)
		if !slices.Equal(before, after) {
			out = append(out, HandOver{Rota: r.ID, At: a, From: before, To: after})
		}
	})
	return out
}

// maxNote bounds one note.
const maxNote = 4000

// WithNote returns the hand-over with a note. After it was taken over only the
// one who took it may add.
func (h HandOver) WithNote(n Note) (HandOver, error) {
	n.Text = strings.TrimSpace(n.Text)
	if n.By == "" || n.Text == "" || len([]rune(n.Text)) > maxNote {
		return h, fmt.Errorf("hand-over note: needs an author and 1 to %d characters", maxNote)
	}
	if h.Accepted != "" && h.Accepted != n.By {
		return h, fmt.Errorf("hand-over note: %s has taken over already", h.Accepted)
	}
	h.Notes = append(slices.Clip(h.Notes), n)
	return h, nil
}

// Accept returns the hand-over as taken by the person, who must be one it goes to.
func (h HandOver) Accept(person string, at time.Time) (HandOver, error) {
	switch {
	case h.Accepted != "":
		return h, fmt.Errorf("hand-over: %s has taken over already", h.Accepted)
	case !slices.Contains(h.To, person):
		return h, fmt.Errorf("hand-over: it goes to %s, not to %s", strings.Join(h.To, ", "), person)
	}
	h.Accepted, h.TakenAt = person, at
	return h, nil
}

// Text writes the hand-over for people to read; now tells what is overdue.
func (h HandOver) Text(d *Directory, zone *time.Location, now time.Time) lang.Text {
	names := func(ids []string, none string) string {
		var out []string
		for _, id := range ids {
			out = append(out, d.name(id))
		}
		if len(out) == 0 {
			return none
		}
		return strings.Join(out, ", ")
	}
	at := h.At.In(zone).Format("2006-01-02 15:04")
	zh := []string{at + " 交接班：" + names(h.From, "无人") + " → " + names(h.To, "无人")}
	en := []string{"Hand-over " + at + ": " + names(h.From, "nobody") + " → " + names(h.To, "nobody")}
	if len(h.To) == 0 {
		zh, en = append(zh, "此后无人值班！"), append(en, "Nobody is on call from then on!")
	}
	for _, o := range h.Open {
		zh = append(zh, fmt.Sprintf("P%d %s %s（%s）：%s", o.Priority, o.Number, o.Title.In(lang.ZH), d.name(o.Owner), o.Next.In(lang.ZH)))
		en = append(en, fmt.Sprintf("P%d %s %s (%s): %s", o.Priority, o.Number, o.Title.In(lang.EN), d.name(o.Owner), o.Next.In(lang.EN)))
	}
	for _, n := range h.Notes {
		line := n.At.In(zone).Format("15:04 ") + d.name(n.By) + ": " + n.Text
		zh, en = append(zh, line), append(en, line)
	}
	if h.Accepted == "" && now.After(h.At) {
		zh, en = append(zh, "尚未接班"), append(en, "Not taken over yet")
	}
	return lang.Text{ZH: strings.Join(zh, "\n"), EN: strings.Join(en, "\n")}
}
