package endurance

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/outbox"
	"github.com/faultline/faultline/collector/people"
	"github.com/faultline/faultline/collector/sqlstore"
)

// Ways in which a round takes the leader away.
const (
	freezeAtRandom   = iota // SIGSTOP at some moment, past the lease, then SIGCONT
	freezeAtDelivery        // the same, while it waits for an answer
	killBeforeAnswer        // SIGKILL when a delivery has arrived and is not answered
	killAfterAnswer         // SIGKILL between the answer and its record
	ways
)

// wait is how long any single thing may take on a slow and busy machine.
const wait = 3 * time.Minute

// TestCluster runs two collectors on one PostgreSQL and takes the leader away
// again and again. Every fault has one incident, no ticket or notice comes twice
// unless it is marked 重发, none is lost, the log can be proved, and a collector
// that was frozen writes nothing once another one leads.
func TestCluster(t *testing.T) {
	rounds := atLeastOne(t, "ENDURANCE_ROUNDS", 4)
	c := newCluster(t)
	c.watchStrays(t)
	began := time.Now()
	load, stop := context.WithCancel(t.Context())
	var work sync.WaitGroup
	t.Cleanup(func() { stop(); work.Wait() })
	for _, n := range c.nodes {
		work.Go(func() { c.feed(load, n) })
	}
	var walks sync.WaitGroup
	free := make(chan int, branches)
	for i := range branches {
		free <- i
	}
	broken := make([]int, branches) // how often each line was
	for r := range rounds {
		var branch int
		select {
		case branch = <-free:
		case <-time.After(wait):
			t.Fatalf("round %d: no incident comes to its end: %s", r, c.standing(t))
		}
		broken[branch]++
		since := time.Now()
		if !c.round(t, r%ways, branch, broken[branch]) {
			t.Fatalf("round %d of %d failed", r+1, rounds)
		}
		t.Logf("round %d, way %d: %.1f s", r+1, r%ways, time.Since(since).Seconds())
		walks.Go(func() {
			if c.walkToEnd(load, t, branch, broken[branch]) {
				free <- branch
			}
		})
	}
	walks.Wait()
	c.quiet(t)
	sum, seen := c.ledger.count(t)
	c.checkIncidents(t, broken)
	c.checkNothingLost(t, seen)
	c.checkStrays(t)
	c.verify(t)
	_, generation := c.leader(t.Context())
	t.Logf("%d rounds in %s, lease generation %d; %d tickets and %d notices, %d repeats marked 重发, in %d of them the first one came after its repeat",
		rounds, time.Since(began).Round(time.Second), generation, sum.tickets, sum.notices, sum.repeats, sum.late)
}

// atLeastOne is the number in an environment variable.
func atLeastOne(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q: want a number", name, text)
	}
	return n
}

// round breaks a line and takes the leader away over it.
func (c *cluster) round(t *testing.T, way, branch, nth int) bool {
	t.Helper()
	var leader *node
	eventually(t, "a leader", func() bool { leader, _ = c.leader(t.Context()); return leader != nil })
	gone := make(chan error, 1)
	take := func() error { // whoever leads at that moment
		n, _ := c.leader(t.Context())
		if n == nil {
			n = leader
		}
		leader = n
		if way == freezeAtRandom || way == freezeAtDelivery {
			return n.freeze()
		}
		return n.kill()
	}
	if way == freezeAtRandom {
		time.AfterFunc(rand.N(3*time.Second), func() { gone <- take() })
	} else {
		c.ledger.set(func(_ delivery, answer func()) {
			if way == killAfterAnswer {
				answer()
				<-time.After(rand.N(8 * time.Millisecond))
			}
			gone <- take()
		})
	}
	c.set(branch, true)
	select {
	case err := <-gone:
		must(t, err)
	case <-time.After(wait):
		t.Errorf("way %d: nothing was delivered: %s", way, c.standing(t))
		return false
	}
	if way == killBeforeAnswer || way == killAfterAnswer {
		if rand.N(2) == 0 { // else it takes its own lease back at once
			c.awaitOther(t, leader)
		}
		must(t, leader.start())
	} else {
		c.awaitOther(t, leader)
		<-time.After(rand.N(time.Second))
		must(t, leader.signalNow(syscall.SIGCONT))
	}
	eventually(t, "the incident's ticket to be on record", func() bool {
		i, ok := c.last(t.Context(), branch, nth)
		return ok && len(i.Tickets) > 0 && i.Tickets[0].Ref != ""
	})
	c.set(branch, false)
	return !t.Failed()
}

// freeze stops the process where it is.
func (n *node) freeze() error { return n.signalNow(syscall.SIGSTOP) }

func (n *node) signalNow(sig os.Signal) error {
	cmd, _ := n.running()
	if cmd == nil {
		return fmt.Errorf("collector %s is not started", n.letter)
	}
	return cmd.Process.Signal(sig)
}

// awaitOther waits until another one than n leads.
func (c *cluster) awaitOther(t *testing.T, n *node) {
	t.Helper()
	eventually(t, "the other one to lead", func() bool {
		now, _ := c.leader(t.Context())
		return now != nil && now != n
	})
}

// eventually waits for as long as a busy machine may take.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	waitUntil(t, wait, what, ok)
}

// ofBranch are a branch's incidents, the newest first.
func (c *cluster) ofBranch(ctx context.Context, branch int) []incident.Incident {
	list, _, err := c.store.Incidents(ctx, sqlstore.Query{Sites: []string{branchName(branch)}})
	if err != nil {
		return nil
	}
	return list
}

// last is the incident of the line's nth fault.
func (c *cluster) last(ctx context.Context, branch, nth int) (incident.Incident, bool) {
	list := c.ofBranch(ctx, branch)
	if len(list) < nth {
		return incident.Incident{}, false
	}
	return list[0], true
}

// walkToEnd confirms the recovery of the line's nth fault once it is measured,
// at whoever leads then, and waits for the closed incident.
func (c *cluster) walkToEnd(ctx context.Context, t *testing.T, branch, nth int) bool {
	deadline := time.Now().Add(wait)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for time.Now().Before(deadline) && ctx.Err() == nil {
		i, ok := c.last(ctx, branch, nth)
		switch {
		case ok && i.State == incident.StateClosed:
			return true
		case ok && i.State == incident.StateVerified:
			if n, _ := c.leader(ctx); n != nil { // refused while the lead changes: asked again
				_, _ = n.call(http.MethodPost, "/api/v1/incidents/"+i.ID+"/actions", map[string]string{"action": "decide", "choice": "ok", "comment": "cluster"})
			}
		}
		<-tick.C
	}
	t.Errorf("the incident of %s does not come to its end", branchName(branch))
	return false
}

// quiet waits until nothing is left to be sent.
func (c *cluster) quiet(t *testing.T) {
	t.Helper()
	eventually(t, "the outbox to be empty", func() bool {
		var effects, notices int
		err := c.db.QueryRowContext(t.Context(), `SELECT (SELECT COUNT(*) FROM effects WHERE state IN ('queued', 'sending')),
			(SELECT COUNT(*) FROM notices WHERE state IN ('queued', 'sending', 'maybe'))`).Scan(&effects, &notices)
		return err == nil && effects+notices == 0
	})
}

// standing says what is open, for a failure.
func (c *cluster) standing(t *testing.T) string {
	list, err := c.store.OpenIncidents(t.Context())
	text := fmt.Sprintf("%d open, %v", len(list), err)
	for _, i := range list {
		text += fmt.Sprintf("; %s %s %s at %s, %d alerts, %d tickets", i.Number, i.State, i.Diagnosis.Cause, i.Step, len(i.Alerts), len(i.Tickets))
	}
	return text
}

// checkIncidents wants one incident for each fault, all closed and numbered
// apart.
func (c *cluster) checkIncidents(t *testing.T, broken []int) {
	t.Helper()
	for i, n := range broken {
		list := c.ofBranch(t.Context(), i)
		if len(list) != n {
			t.Errorf("%s: %d incidents for %d faults", branchName(i), len(list), n)
		}
		for _, x := range list {
			if x.State != incident.StateClosed || x.Diagnosis.Device != mainLine(i) {
				t.Errorf("%s: %s is %s, about %s", branchName(i), x.Number, x.State, x.Diagnosis.Device)
			}
		}
	}
	for _, s := range c.ofSite(t, "hq") {
		t.Errorf("head office has an incident: %s %s", s.Number, s.Diagnosis.Cause)
	}
}

func (c *cluster) ofSite(t *testing.T, site string) []incident.Incident {
	t.Helper()
	list, _, err := c.store.Incidents(t.Context(), sqlstore.Query{Sites: []string{site}})
	must(t, err)
	return list
}

// checkNothingLost wants every ticket and notice that was planned to have
// arrived, and every effect to be over.
func (c *cluster) checkNothingLost(t *testing.T, seen map[string]bool) {
	t.Helper()
	mails := map[string]bool{} // the readable part of Message-IDs
	for key := range seen {
		if id, ok := strings.CutPrefix(strings.Trim(key, "<>"), "inc."); ok {
			if at := strings.LastIndex(id, "@"); at > 0 {
				id = id[:at]
			}
			mails[id[:max(strings.LastIndex(id, "."), 0)]] = true
		}
	}
	list, _, err := c.store.Incidents(t.Context(), sqlstore.Query{})
	must(t, err)
	for _, i := range list {
		rows, err := c.store.Effects(t.Context(), i.ID)
		must(t, err)
		for _, r := range rows {
			if r.State != outbox.Done && r.State != outbox.Cancelled {
				t.Errorf("effect %s is %s: %s", r.Effect.Key, r.State, r.Problem)
			}
			if r.Effect.Kind == incident.EffectTicket && r.State == outbox.Done && !seen[r.Effect.Key] {
				t.Errorf("ticket %s is on record and never arrived", r.Effect.Key)
			}
		}
	}
	notices, err := c.store.KeptNotices(t.Context())
	must(t, err)
	for _, m := range notices {
		switch m.State {
		case people.MessageSent:
			if !mails[dotted(m.Key)] && m.Digest == "" {
				t.Errorf("notice %s is on record and never arrived", m.Key)
			}
		case people.MessageFailed:
			t.Errorf("notice %s failed: %s", m.Key, m.Problem)
		}
	}
}

// dotted is a key as it stands in a Message-ID.
func dotted(key string) string {
	return strings.Join(strings.FieldsFunc(key, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '_')
	}), ".")
}

// verify proves the log with the product's own command.
func (c *cluster) verify(t *testing.T) {
	t.Helper()
	bin, err := binaries()
	must(t, err)
	program, out := filepath.Join(bin, "faultline-collector"), filepath.Join(c.dir, "trail.jsonl")
	for _, args := range [][]string{{"trail", "--config", filepath.Join(c.dir, "a.yaml"), "--out", out}, {"verify", out}} {
		if b, err := exec.Command(program, args...).CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", args, err, b)
		}
	}
}

// strayTables are written by the holder of the lease alone, but for the families
// of small settings that every collector has.
var strayTables = []string{"incidents", "events", "effects", "notices", "alerts", "numbers", "report_rows", "kv"}

// watchStrays makes the database itself note what is written by a collector
// while another one holds the lease.
func (c *cluster) watchStrays(t *testing.T) {
	t.Helper()
	sql := `CREATE TABLE stray_nodes (id TEXT, app TEXT); CREATE TABLE strays (app TEXT, what TEXT, row_text TEXT, leader TEXT);`
	for _, n := range c.nodes {
		sql += fmt.Sprintf(`INSERT INTO stray_nodes VALUES ('%s', '%s');`, n.id, n.letter)
	}
	sql += `CREATE FUNCTION note_stray() RETURNS trigger AS $$
		DECLARE leads TEXT;
		BEGIN
			SELECT s.app INTO leads FROM leases l JOIN stray_nodes s ON s.id = l.holder WHERE l.name = 'writer';
			IF current_setting('application_name') IN ('a', 'b') AND leads IS DISTINCT FROM current_setting('application_name') THEN
				INSERT INTO strays VALUES (current_setting('application_name'), TG_TABLE_NAME || ' ' || TG_OP, to_jsonb(COALESCE(NEW, OLD))::text, leads);
			END IF;
			RETURN NULL;
		END $$ LANGUAGE plpgsql;`
	for _, table := range strayTables {
		sql += fmt.Sprintf(`CREATE TRIGGER stray AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION note_stray();`, table)
	}
	_, err := c.db.ExecContext(t.Context(), sql)
	must(t, err)
}

// everybodys are the families of small settings that a collector writes without
// the lease.
var everybodys = []string{"process/", "calendar", "intake/"}

// checkStrays wants none.
func (c *cluster) checkStrays(t *testing.T) {
	t.Helper()
	rows, err := c.db.QueryContext(t.Context(), `SELECT app, what, row_text, COALESCE(leader, 'nobody') FROM strays`)
	must(t, err)
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var app, what, text, leader string
		must(t, rows.Scan(&app, &what, &text, &leader))
		if strings.HasPrefix(what, "kv ") && forEverybody(text) {
			continue
		}
		t.Errorf("collector %s wrote while %s led: %s %.300s", app, leader, what, text)
	}
	must(t, rows.Err())
}

// forEverybody tells whether a row of settings is of everybodys.
func forEverybody(text string) bool {
	var row struct {
		Name string `json:"name"`
	}
	if json.Unmarshal([]byte(text), &row) != nil {
		return false
	}
	for _, p := range everybodys {
		if strings.HasPrefix(row.Name, p) {
			return true
		}
	}
	return false
}
