package enrol_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	agentenrol "github.com/faultline/faultline/agent/enrol"
	"github.com/faultline/faultline/agent/link"
	"github.com/faultline/faultline/collector/enrol"
	"github.com/faultline/faultline/internal/pki"
)

// A long poll that is open when the certificate is revoked by another process
// (the command line) is cut and told why.
func TestRevocationCutsOpenPolls(t *testing.T) {
	f := newFixture(t, nil)
	_, c := f.enrolled("branch-1", "a1")
	_, other := f.enrolled("branch-1", "a2")
	type outcome struct {
		link.Answer
		err error
		at  time.Time
	}
	poll := func(c *link.Client) chan outcome {
		ch := make(chan outcome, 1)
		go func() {
			a, err := get(c, workPath+"?after=1")
			ch <- outcome{a, err, time.Now()}
		}()
		<-f.polling
		return ch
	}
	cut, stays := poll(c), poll(other)
	begin := time.Now()
	if err := enrol.Revoke(t.Context(), f.store, "a1", "li", "stolen", f.clock.now()); err != nil {
		t.Fatal(err)
	}
	got := <-cut
	if got.err != nil || got.Status != http.StatusForbidden || got.Header.Get(pki.HeaderRefused) != pki.Revoked || strings.Contains(got.Text(), "own words") {
		t.Errorf("the open poll ended with %v %d %s", got.err, got.Status, got.Text())
	}
	if d := got.at.Sub(begin); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
	if a, err := get(c, workPath); err != nil || a.Status != http.StatusForbidden {
		t.Errorf("the next request: %v %d", err, a.Status)
	}
	select {
	case o := <-stays:
		t.Errorf("another agent's poll ended: %v %d", o.err, o.Status)
	default:
	}
	if err := f.svc.Revoke(t.Context(), "a2", "li", "test"); err != nil { // in this process: at once
		t.Fatal(err)
	}
	if o := <-stays; o.Status != http.StatusForbidden {
		t.Errorf("revoked here: %v %d", o.err, o.Status)
	}
	f.audited("agent_revoked", "stolen")
}

// After an answer lost on the line the same key gets its certificate again; an
// hour later, and any other key, does not.
func TestLostAnswerIsRepeated(t *testing.T) {
	f := newFixture(t, nil)
	tok := f.token("branch-1", "")
	dir := t.TempDir()
	keep := filepath.Join(dir, "enrol-"+tok.ID+".key")
	key, err := pki.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	text, err := pki.EncodeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	again := func() error {
		if err := os.WriteFile(keep, text, 0o600); err != nil { // as it is after a cut
			t.Fatal(err)
		}
		_, err := f.try(tok, dir, "a1", "")
		return err
	}
	if err := again(); err != nil {
		t.Fatal(err)
	}
	first, _ := f.open(dir)
	if err := again(); err != nil {
		t.Fatalf("repeated: %v", err)
	}
	second, c := f.open(dir)
	if first.Certificate().Leaf.SerialNumber.Cmp(second.Certificate().Leaf.SerialNumber) != 0 {
		t.Error("a repeat made another certificate")
	}
	if a, err := get(c, workPath); err != nil || !a.OK() {
		t.Errorf("the certificate does not work: %v %d", err, a.Status)
	}
	f.clock.move(61 * time.Minute)
	if err := again(); reasonOf(err) != pki.TokenUsed {
		t.Errorf("an hour later: %v", err)
	}
}

// An agent whose clock is years off enrols, is told by how much, and works.
func TestWrongClocks(t *testing.T) {
	f := newFixture(t, nil)
	for name, off := range map[string]time.Duration{"behind": -20 * 365 * 24 * time.Hour, "ahead": 40 * 365 * 24 * time.Hour, "right": 0} {
		t.Run(name, func(t *testing.T) {
			dir, machine := t.TempDir(), ""
			res, err := agentenrol.Enrol(t.Context(), agentenrol.Options{URL: f.srv.URL, Token: f.token("branch-1", ""), Dir: dir, Name: name, Machine: &machine,
				Now: func() time.Time { return f.clock.now().Add(off) }, Patience: time.Nanosecond})
			if err != nil {
				t.Fatal(err)
			}
			if d := (res.Skew - off).Abs(); d > 5*time.Second {
				t.Errorf("told %v, the clock is off by %v", res.Skew, off)
			}
			_, c := f.open(dir)
			if a, err := get(c, workPath); err != nil || !a.OK() {
				t.Errorf("after enrolment: %v %d", err, a.Status)
			}
			if a, err := f.store.EnrolledAgent(t.Context(), name); err != nil || (a.Skew-off).Abs() > 5*time.Second {
				t.Errorf("HQ was told %v, %v", a.Skew, err)
			}
		})
	}
}

// Renewal happens at two thirds of the life, with a new key, over a running
// link, and the old certificate ends by itself.
func TestRenewal(t *testing.T) {
	f := newFixture(t, func(_ *fixture, o *enrol.Options) { o.Life = 90 * 24 * time.Hour })
	dir := t.TempDir()
	if _, err := f.try(f.token("branch-1", ""), dir, "a1", ""); err != nil {
		t.Fatal(err)
	}
	id, c := f.open(dir)
	before := id.Certificate()
	if err := id.Renew(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	after := id.Certificate()
	if after == before || pki.KeyHash(after.Leaf.PublicKey) == pki.KeyHash(before.Leaf.PublicKey) {
		t.Error("renewal kept the key")
	}
	if a, err := get(c, workPath); err != nil || !a.OK() {
		t.Errorf("with the new certificate: %v %d", err, a.Status)
	}
	again, _ := f.open(dir)
	if !again.Certificate().Leaf.Equal(after.Leaf) {
		t.Error("the file has another certificate than the one in force")
	}
	left, err := os.ReadDir(dir) // the key before opens what was sealed to it
	if err != nil || len(left) != 2 || left[0].Name() != agentenrol.File || left[1].Name() != "previous.key" {
		t.Errorf("renewal left %v, %v", left, err)
	}
	for _, f := range left {
		if fi, err := f.Info(); err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v", f, err)
		}
	}
	f.audited("agent_renewed", "branch-1")
	if err := id.Renew(t.Context(), c); reasonOf(err) != pki.Busy {
		t.Errorf("renewed twice in a moment: %v", err)
	}
	f.clock.move(91 * 24 * time.Hour)
	if a, err := get(c, workPath); err != nil || a.Header.Get(pki.HeaderRefused) != pki.Expired {
		t.Errorf("after its life: %v %d", err, a.Status)
	}
	if err := id.Renew(t.Context(), c); reasonOf(err) != pki.Expired {
		t.Errorf("renewed after its life: %v", err)
	}
}

// A directory copied to another machine is refused by the agent itself; two that
// run with one identity are found and named by the collector.
func TestClones(t *testing.T) {
	f := newFixture(t, nil)
	dir := t.TempDir()
	if _, err := f.try(f.token("branch-1", ""), dir, "a1", "machine-of-another"); err != nil {
		t.Fatal(err)
	}
	if agentenrol.Machine() != "" {
		if _, err := agentenrol.Open(dir); err == nil || !strings.Contains(err.Error(), "copy") || !strings.Contains(err.Error(), "a1") {
			t.Errorf("a copied directory: %v", err)
		}
	}
	id, _ := f.enrolled("branch-1", "a2")
	program := func(name string) *link.Client {
		h := http.Header{pki.HeaderInstance: {name + " 0123456789abcdef host-" + name}}
		return f.link(credential{cert: id.Certificate(), authority: f.authority, header: h})
	}
	speak := func(c *link.Client) {
		if a, err := get(c, workPath); err != nil || !a.OK() {
			t.Fatalf("%v %d", err, a.Status)
		}
	}
	one, two := program("one"), program("two")
	speak(one)
	speak(two) // a restart
	speak(two)
	if tw := f.svc.Twins(); len(tw) != 0 {
		t.Fatalf("a restart is taken for a copy: %v", tw)
	}
	speak(one)
	speak(two)
	tw := f.svc.Twins()
	if len(tw) != 1 || tw[0].Agent != "a2" {
		t.Fatalf("two programs with one identity: %v", tw)
	}
	if e := f.audited("agent_twice", "host-one"); !strings.Contains(e.Detail, "host-two") {
		t.Errorf("the audit does not name both: %+v", e)
	}
	f.clock.move(11 * time.Minute)
	speak(two)
	if tw := f.svc.Twins(); len(tw) != 0 {
		t.Errorf("still told when the copy has stopped: %v", tw)
	}
}

// A machine that is enrolled again replaces itself when it is silent; a clone of
// a running one does not push it out.
func TestSameMachineAgain(t *testing.T) {
	f := newFixture(t, nil)
	dir := t.TempDir()
	if _, err := f.try(f.token("branch-1", ""), dir, "a1", "m1"); err != nil {
		t.Fatal(err)
	}
	first, err := f.store.EnrolledAgent(t.Context(), "a1")
	if err != nil || first.Machine != "m1" {
		t.Fatalf("%+v %v", first, err)
	}
	if _, err := f.try(f.token("branch-1", ""), t.TempDir(), "a1", "m1"); reasonOf(err) != pki.MachineTwice {
		t.Errorf("a clone of a running agent: %v", err)
	}
	res, err := f.try(f.token("branch-1", ""), t.TempDir(), "a2", "m1")
	if err != nil || len(res.Warnings) != 1 || !strings.Contains(res.Warnings[0].EN, "a1") || res.Warnings[0].ZH == "" {
		t.Errorf("a clone with a name of its own: %+v %v", res, err)
	}
	f.clock.move(5 * time.Minute)
	fresh := t.TempDir()
	if _, err := f.try(f.token("branch-1", ""), fresh, "a1", "m1"); err != nil {
		t.Errorf("re-installed: %v", err)
	}
	if _, err := f.try(f.token("branch-1", "a1"), t.TempDir(), "", "m9"); err != nil { // the token names it
		t.Errorf("replaced by another machine: %v", err)
	}
	if _, err := f.try(f.token("branch-2", ""), t.TempDir(), "a1", "m9"); reasonOf(err) != pki.NameTaken {
		t.Errorf("the name at another site: %v", err)
	}
}

// TestManyAgentsReconnect: agents (FAULTLINE_AGENTS, 100) come back at once, each with a new connection, and so do
// their polls; the collector answers everybody and stays ready meanwhile.
func TestManyAgentsReconnect(t *testing.T) {
	agents := 100
	if s := os.Getenv("FAULTLINE_AGENTS"); s != "" {
		var err error
		if agents, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	f := newFixture(t, nil)
	cert, serials := f.manyAgents(agents)
	ready, stop := f.watchReady()
	var wg sync.WaitGroup
	gate := make(chan struct{})
	took := make([]time.Duration, agents)
	body := func(i int) []byte {
		return []byte(fmt.Sprintf(`[{"id":"back-%d","kind":"restart","at":"2026-11-22T06:00:00Z"}]`, i))
	}
	for i := range agents {
		wg.Go(func() {
			<-gate
			begin := time.Now()
			c := f.link(credential{cert: cert[i], authority: f.authority})
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
			defer cancel()
			for attempt := 0; ; attempt++ { // as the uplink does: again until it is taken
				a, err := c.Do(ctx, link.Request{Method: http.MethodPost, Path: "/api/v1/events", Body: body(i), Header: http.Header{"Content-Type": {"application/json"}}})
				if err == nil && a.OK() {
					break
				}
				if ctx.Err() != nil || err == nil && a.Status/100 == 4 {
					t.Errorf("agent %d: %v %d %s", i, err, a.Status, a.Text())
					return
				}
			}
			took[i] = time.Since(begin)
		})
	}
	begin := time.Now()
	close(gate)
	wg.Wait()
	whole := time.Since(begin)
	stop()
	r := <-ready
	f.mu.Lock()
	stored := map[string]bool{}
	for _, e := range f.events {
		stored[e.ID+" "+e.Agent+" "+e.Site] = true
	}
	f.mu.Unlock()
	for i := range agents {
		if !stored[fmt.Sprintf("back-%d agent-%d branch-%d", i, i, i%64)] {
			t.Errorf("event of agent %d is lost or another's", i)
		}
	}
	slices.Sort(took)
	slices.Sort(r)
	t.Logf("%d agents in %v: median %v, slowest %v; ready asked %d times, slowest %v; %d certificates", agents, whole.Round(time.Millisecond), took[agents/2].Round(time.Millisecond),
		took[agents-1].Round(time.Millisecond), len(r), r[len(r)-1].Round(time.Millisecond), serials)
}

// manyAgents enrols agents in the store directly: what is measured is the coming
// back.
func (f *fixture) manyAgents(n int) ([]*tls.Certificate, int) {
	f.t.Helper()
	out := make([]*tls.Certificate, n)
	for i := range n {
		id := pki.Identity{Agent: fmt.Sprintf("agent-%d", i), Site: fmt.Sprintf("branch-%d", i%64)}
		now := f.clock.now()
		out[i] = f.certified(f.authority, id, now, 90*24*time.Hour)
		tok := enrol.Token{ID: id.Agent, Site: id.Site, IssuedAt: now, Expires: now.Add(time.Hour)}
		if err := f.store.PutEnrolToken(f.t.Context(), tok); err != nil {
			f.t.Fatal(err)
		}
		err := f.store.Redeem(f.t.Context(), tok.ID, enrol.Agent{ID: id.Agent, Site: id.Site, EnrolledAt: now},
			enrol.Certificate{Serial: pki.SerialText(out[i].Leaf.SerialNumber), Agent: id.Agent, Site: id.Site, KeyHash: pki.KeyHash(out[i].Leaf.PublicKey), IssuedAt: now, Expires: out[i].Leaf.NotAfter}, false)
		if err != nil {
			f.t.Fatal(err)
		}
	}
	return out, n
}

// watchReady asks whether the collector is ready, over and over, until stopped;
// a refusal fails the test, and so does an answer that never comes. How long the
// answers took belongs to the machine and is only told.
func (f *fixture) watchReady() (chan []time.Duration, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	out := make(chan []time.Duration, 1)
	go func() {
		c := f.link(credential{authority: f.authority})
		var took []time.Duration
		started := time.Now()
		for ctx.Err() == nil || len(took) == 0 {
			begin := time.Now()
			a, err := get(c, "/-/ready")
			if err != nil && time.Since(begin) > time.Second && time.Since(started) < 4*time.Minute {
				continue // the machine is slow
			}
			if err != nil || !a.OK() {
				f.t.Errorf("not ready: %v %d %s", err, a.Status, a.Text())
			}
			took = append(took, time.Since(begin))
		}
		out <- took
	}()
	return out, cancel
}

// Run renews by itself when two thirds of the life are over, and the link goes
// on with the new certificate.
func TestRenewsByItself(t *testing.T) {
	f := newFixture(t, func(_ *fixture, o *enrol.Options) { o.Life = time.Hour })
	f.clock.move(-50 * time.Minute)
	dir := t.TempDir()
	if _, err := f.try(f.token("branch-1", ""), dir, "a1", ""); err != nil {
		t.Fatal(err)
	}
	f.clock.move(50 * time.Minute)
	id, c := f.open(dir)
	before := id.Certificate()
	ctx, cancel := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { _ = id.Run(ctx, c, discard) })
	defer run.Wait()
	defer cancel()
	for deadline := time.Now().Add(10 * time.Second); id.Certificate() == before; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not renewed")
		}
	}
	f.clock.move(20 * time.Minute) // the first certificate has expired
	for range 2 {                  // a connection of before may be refused once
		if a, err := get(c, workPath); err == nil && a.OK() {
			return
		}
	}
	t.Error("the link does not show the new certificate")
}
