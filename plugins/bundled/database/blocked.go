package database

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/plugins/bundled/database/sqlmask"
)

// Bounds on what is said of one blockade.
const (
	statementLength = 300 // runes of a masked statement
	waitersNamed    = 5   // in one event
	chainsWatched   = 10  // roots with events of their own
)

// session is what is known of one session of the server.
type session struct {
	id                                         int64
	user, application, client, database, state string
	part                                       string  // of the server, when it is no client: autovacuum worker
	transaction                                float64 // seconds since its transaction began; negative: none
	statement                                  string  // masked
}

// name says which session it is.
func (s session) name() string {
	who, part := strconv.FormatInt(s.id, 10), s.part
	if s.id == 0 {
		who, part = cmp.Or(s.part, "somebody the server does not name"), ""
	}
	var about []string
	for _, p := range [][2]string{{"", part}, {"user ", s.user}, {"application ", s.application}, {"from ", s.client}, {"database ", s.database}} {
		if p[1] != "" {
			about = append(about, p[0]+p[1])
		}
	}
	if len(about) == 0 {
		return who
	}
	return who + " (" + strings.Join(about, ", ") + ")"
}

// doing says what the session does.
func (s session) doing() string {
	var parts []string
	if s.state != "" {
		parts = append(parts, s.state)
	}
	if s.transaction >= 0 {
		parts = append(parts, "transaction open for "+seconds(s.transaction))
	}
	if s.statement != "" {
		parts = append(parts, s.statement)
	}
	return strings.Join(parts, ", ")
}

// blockade is what is remembered of sessions that block others.
type blockade struct {
	episodes map[int64]*episode // by the root's id
}

// episode is one session blocking others, from the event that says so to the
// one that says it is over.
type episode struct {
	began time.Time
	root  session
	most  int // waiters at once
}

// details finds out about sessions by id; those that are gone are left out.
type details func(ctx context.Context, ids []int64) (map[int64]session, error)

// putBlocked reports who waits for whom. total is how many wait; waiters may be
// fewer.
func (r *reading) putBlocked(ctx context.Context, waiters []waiter, total int, ask details) error {
	list := chains(waiters)
	longest := 0.0
	for _, w := range waiters {
		longest = max(longest, w.waited)
	}
	r.put("faultline_database_blocked_sessions", float64(max(total, len(waiters))))
	r.put("faultline_database_blocking_sessions", float64(len(list)))
	r.put("faultline_database_longest_wait_seconds", longest)

	known, err := map[int64]session{}, error(nil)
	if len(list) > 0 {
		known, err = ask(ctx, named(list))
	}
	by := r.family("faultline_database_blocked_by")
	counts := map[[3]string]int{}
	for _, c := range list[:min(len(list), chainsWatched)] {
		s := known[c.root]
		counts[[3]string{s.user, tidy(s.application), s.database}] += len(c.behind)
	}
	for k, n := range counts {
		r.count(by, float64(n), "usename", k[0], "application_name", k[1], "datname", k[2])
	}
	r.end(by)
	r.tell(list, known)
	return err
}

// named are the sessions that events speak of.
func named(list []chain) []int64 {
	ids := map[int64]bool{}
	for _, c := range list[:min(len(list), chainsWatched)] {
		ids[c.root] = true
		for _, w := range c.behind[:min(len(c.behind), waitersNamed)] {
			ids[w.id] = true
		}
	}
	return slices.Sorted(maps.Keys(ids))
}

// tell sends an event for each root that begins to block or no longer does.
func (r *reading) tell(list []chain, known map[int64]session) {
	b := &r.w.blocks
	if b.episodes == nil {
		b.episodes = map[int64]*episode{}
	}
	still := map[int64]bool{}
	for _, c := range list {
		e := b.episodes[c.root]
		switch {
		case e != nil:
			still[c.root] = true
			e.most = max(e.most, len(c.behind))
		case c.longest >= r.w.set.blockedAfter.Seconds() && len(b.episodes) < chainsWatched:
			still[c.root] = true
			b.episodes[c.root] = r.blocked(c, known)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(b.episodes)) {
		if !still[id] {
			r.released(b.episodes[id])
			delete(b.episodes, id)
		}
	}
}

// blocked tells that sessions have begun to wait for the root of a chain.
func (r *reading) blocked(c chain, known map[int64]session) *episode {
	root, ok := known[c.root]
	if !ok {
		root = session{id: c.root, transaction: -1}
	}
	var waiting []string
	for _, w := range c.behind[:min(len(c.behind), waitersNamed)] {
		s, ok := known[w.id]
		if !ok {
			s = session{id: w.id}
		}
		waiting = append(waiting, fmt.Sprintf("%s for %s on %s: %s", s.name(), seconds(w.waited), w.on, s.statement))
	}
	if more := len(c.behind) - len(waiting); more > 0 {
		waiting = append(waiting, fmt.Sprintf("and %d more", more))
	}
	noun := "sessions wait"
	if len(c.behind) == 1 {
		noun = "session waits"
	}
	text := fmt.Sprintf("%d %s for %s", len(c.behind), noun, root.name())
	if doing := root.doing(); doing != "" {
		text += ", " + doing
	}
	text += "; longest for " + seconds(c.longest)
	if c.cycle {
		text = fmt.Sprintf("%d sessions wait for each other, %s among them; longest for %s", len(c.behind), root.name(), seconds(c.longest))
	}
	attrs := root.attrs()
	maps.Copy(attrs, map[string]string{"blocked": strconv.Itoa(len(c.behind)), "longest_wait_seconds": decimal(math.Round(c.longest*10) / 10),
		"waiting": strings.Join(waiting, "\n"), "on": c.behind[0].on})
	r.event(EventBlocked, text, attrs)
	return &episode{began: r.at.Add(-time.Duration(c.longest * float64(time.Second))), root: root, most: len(c.behind)}
}

// released tells that nobody waits for the session any more.
func (r *reading) released(e *episode) {
	lasted := r.at.Sub(e.began).Seconds()
	attrs := e.root.attrs()
	maps.Copy(attrs, map[string]string{"most_blocked": strconv.Itoa(e.most), "lasted_seconds": decimal(math.Round(lasted))})
	r.event(EventReleased, fmt.Sprintf("nobody waits for %s any more, after %s; at most %d did", e.root.name(), seconds(lasted), e.most), attrs)
}

// attrs are what is known of a blocking session, as an event's attributes.
func (s session) attrs() map[string]string {
	a := map[string]string{"user": s.user, "application": s.application, "client": s.client, "database": s.database,
		"state": s.state, "statement": s.statement}
	if s.id != 0 {
		a["session"] = strconv.FormatInt(s.id, 10)
	}
	if s.transaction >= 0 {
		a["transaction_seconds"] = decimal(math.Round(s.transaction))
	}
	return a
}

// slowStatements is how many statements are looked at in one poll, those that
// have run longest.
const slowStatements = 20

// tellSlow sends an event for each statement that is slow for the first time.
// The table has the columns begun (Unix seconds, to a second or two), age in
// seconds, and those of sessionOf.
func (r *reading) tellSlow(t table, d sqlmask.Dialect) {
	was := r.w.slow
	r.w.slow = map[int64]float64{}
	for i := range t.rows {
		s, begun := sessionOf(t, i, d), t.orZero(i, "begun")
		r.w.slow[s.id] = begun
		if told, ok := was[s.id]; ok && math.Abs(told-begun) < 3 {
			continue
		}
		attrs := s.attrs()
		attrs["running_seconds"] = decimal(math.Round(t.orZero(i, "age")))
		r.event(EventSlow, fmt.Sprintf("%s has run one statement for %s: %s", s.name(), seconds(t.orZero(i, "age")), s.statement), attrs)
	}
}

// sessionOf reads a session from the columns id, usename, application, client,
// datname, state, part, transaction and statement; those that are not there
// stay empty.
func sessionOf(t table, row int, d sqlmask.Dialect) session {
	s := session{id: t.id(row, "id"), user: t.text(row, "usename"), application: t.text(row, "application"), client: t.text(row, "client"),
		database: t.text(row, "datname"), state: t.text(row, "state"), part: t.text(row, "part"), transaction: -1,
		statement: sqlmask.Mask(d, t.text(row, "statement"), statementLength)}
	if v, ok := t.number(row, "transaction"); ok {
		s.transaction = max(v, 0)
	}
	return s
}
