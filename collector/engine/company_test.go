package engine

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/incident"
)

// companyModel is head office with sites behind it and hosts behind their
// routers, each checked at intervals and delays of its own. Several of them fail
// at times that overlap, and some are under maintenance for a while.
type companyModel struct {
	r       *rand.Rand
	b       *bench
	t       *testing.T
	seed    uint64
	above   map[string][]string // what must work for a thing to be reached, itself first
	faults  map[string][2]int   // thing → the seconds between which it is down
	every   map[string]int
	next    map[string]int
	bad     map[string]bool
	checked map[string]time.Time
	since   map[string]time.Time
	quiets  []Quiet
	told    map[string]bool // incidents of which somebody was told
}

func newCompanyModel(t *testing.T, seed uint64) *companyModel {
	m := &companyModel{r: rand.New(rand.NewPCG(seed, 9)), b: newBench(t), t: t, seed: seed, above: map[string][]string{"hq": {"hq"}}, faults: map[string][2]int{},
		every: map[string]int{}, next: map[string]int{}, bad: map[string]bool{}, checked: map[string]time.Time{}, since: map[string]time.Time{}, told: map[string]bool{}}
	for n := range 2 + m.r.IntN(3) {
		router := fmt.Sprintf("rtr-%d", n)
		m.above[router] = []string{router, "hq"}
		for k := range 1 + m.r.IntN(4) {
			host := fmt.Sprintf("host-%d-%d", n, k)
			m.above[host] = []string{host, router, "hq"}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(m.above)) {
		m.every[id] = 1 + m.r.IntN(12)
		m.next[id] = m.r.IntN(m.every[id])
		if odds := map[int]int{1: 3, 2: 3, 3: 6}[len(m.above[id])]; m.r.IntN(odds) == 0 {
			from := 5 + m.r.IntN(60)
			m.faults[id] = [2]int{from, from + 40 + m.r.IntN(60)}
		}
		if m.r.IntN(8) == 0 {
			from := time.Duration(m.r.IntN(60)) * time.Second
			m.quiets = append(m.quiets, Quiet{ID: "q-" + id, Kind: QuietMaintenance, From: t0.Add(from), Until: t0.Add(from + time.Duration(20+m.r.IntN(80))*time.Second),
				Subjects: []string{id}, Reason: "r", By: "b"})
		}
	}
	o := &m.b.engine.o
	o.Diagnose = m.diagnose
	o.Checked = func(time.Time) func(alert.Alert) time.Time {
		return func(a alert.Alert) time.Time { return m.checked[a.Fingerprint] }
	}
	o.Quiet = func(time.Time) []Quiet { return m.quiets }
	o.OnChange = func(i incident.Incident, events []incident.Event) {
		for _, e := range events {
			if e.Kind == incident.EffectQueued && e.Effect.Kind == incident.EffectNotify {
				m.fairlyTold(i, e)
			}
		}
	}
	return m
}

// fairlyTold: of something quiet nobody is told but that it is over; and the end
// of a quiet time tells nobody anything: a check made after it does.
func (m *companyModel) fairlyTold(i incident.Incident, e incident.Event) {
	first := !m.told[i.ID]
	m.told[i.ID] = true
	if slices.Contains(heardAnyway, e.Effect.Params["reason"]) {
		return
	}
	for _, q := range m.quiets {
		if q.Subjects[0] != i.Diagnosis.Device {
			continue
		}
		if q.active(e.At) && !slices.ContainsFunc(m.b.store.events[i.ID], func(x incident.Event) bool {
			return x.Kind == incident.EffectDone && x.Effect.Key == e.Effect.Key && x.Effect.Outcome == "suppressed"
		}) {
			m.t.Errorf("seed %d: told of %s while it was quiet: %s", m.seed, i.Diagnosis.Cause, e.Effect.Params["reason"])
		}
		if first && q.lifted(e.At) && !slices.ContainsFunc(i.Alerts, func(a incident.AlertRef) bool { return m.checked[a.Fingerprint].After(q.Until) }) {
			m.t.Errorf("seed %d: the end of a maintenance told of %s without a newer check", m.seed, i.Diagnosis.Cause)
		}
	}
}

// diagnose takes the highest thing that was found bad as the cause of all bad
// behind it; the rest waits a moment and speaks for itself.
func (m *companyModel) diagnose(firing []alert.Alert, now time.Time) Diagnosis {
	d, of := Diagnosis{Held: map[string]bool{}}, map[string]*incident.Diagnosis{}
	for _, a := range firing {
		root := ""
		for _, id := range m.above[a.Fingerprint] {
			if m.bad[id] {
				root = id
			}
		}
		if root == a.Fingerprint && root != "hq" && now.Sub(a.FiredAt) < holdChildren {
			d.Held[a.Fingerprint] = true
			continue
		}
		if of[root] == nil {
			rank := map[int]int{1: 60, 2: 50, 3: 30}[len(m.above[root])]
			of[root] = &incident.Diagnosis{Cause: root, Device: root, Class: incident.ClassDevice, Rank: rank, Process: "network"}
		}
		of[root].Alerts = append(of[root].Alerts, a.Fingerprint)
	}
	for _, root := range slices.Sorted(maps.Keys(of)) {
		for _, id := range slices.Sorted(maps.Keys(m.above)) {
			if id != root && slices.Contains(m.above[id], root) {
				of[root].Affected = append(of[root].Affected, id)
			}
		}
		d.Causes = append(d.Causes, *of[root])
	}
	return d
}

func (m *companyModel) down(id string, s int) bool {
	return slices.ContainsFunc(m.above[id], func(x string) bool {
		f, fails := m.faults[x]
		return fails && s >= f[0] && s < f[1]
	})
}

func (m *companyModel) second(s int) {
	now := t0.Add(time.Duration(s) * time.Second)
	m.b.now = now
	var firing []alert.Alert
	for _, id := range slices.Sorted(maps.Keys(m.above)) {
		if s >= m.next[id] {
			m.next[id] = s + 1 + m.r.IntN(m.every[id]) // late and early
			bad := m.down(id, s)
			if bad && !m.bad[id] {
				m.since[id] = now
			}
			m.bad[id], m.checked[id] = bad, now
		}
		if m.bad[id] {
			a := fires(id)
			a.Labels, a.ActiveAt, a.FiredAt, a.EvaluatedAt = map[string]string{"device": id}, m.since[id], m.since[id], now
			firing = append(firing, a)
		}
	}
	m.r.Shuffle(len(firing), func(i, k int) { firing[i], firing[k] = firing[k], firing[i] })
	m.b.must(m.b.engine.HandleAlerts(m.t.Context(), Round{Now: now, Firing: firing}))
}

// TestManyFaultsAtOnce: however faults, checks and maintenances overlap, no thing
// has an incident that did not fail, none has two, and a fault that is seen while
// nothing hides it has one. FAULTLINE_SEEDS=N plays more; a failure names its seed.
func TestManyFaultsAtOnce(t *testing.T) {
	seeds := 25
	if n, err := strconv.Atoi(os.Getenv("FAULTLINE_SEEDS")); err == nil {
		seeds = n
	}
	for seed := range uint64(seeds) {
		m := newCompanyModel(t, seed)
		for s := range 220 {
			m.second(s)
		}
		of := map[string]int{}
		for _, i := range m.b.store.incidents {
			if i.ParentID == "" {
				of[i.Diagnosis.Device]++
				if i.RecoveredAt.IsZero() {
					t.Errorf("seed %d: all is well again, %s is not", seed, i.Diagnosis.Cause)
				}
			}
		}
		for id, n := range of {
			if _, fails := m.faults[id]; n > 1 || !fails {
				t.Errorf("seed %d: %d incidents of %s", seed, n, id)
			}
		}
		for id := range m.faults {
			if of[id] == 0 && m.plain(id) {
				t.Errorf("seed %d: %s failed, and nothing was opened", seed, id)
			}
		}
		if t.Failed() {
			var quiet []string
			for _, q := range m.quiets {
				quiet = append(quiet, fmt.Sprintf("%s %s-%s", q.Subjects[0], q.From.Sub(t0), q.Until.Sub(t0)))
			}
			t.Fatalf("seed %d: faults %v, checked every %v, quiet %s", seed, m.faults, m.every, strings.Join(quiet, ", "))
		}
	}
}

// plain tells whether nothing else explains a fault or keeps quiet about it.
func (m *companyModel) plain(id string) bool {
	for _, x := range m.above[id] {
		if _, fails := m.faults[x]; fails && x != id {
			return false
		}
		if slices.ContainsFunc(m.quiets, func(q Quiet) bool { return q.Subjects[0] == x }) {
			return false
		}
	}
	return true
}
