//go:build unix

package sqlstore_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/enrol"
	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/collector/sqlstore/storetest"
)

func TestEnrolmentSQLite(t *testing.T) {
	testEnrolment(t, "sqlite:"+filepath.Join(t.TempDir(), "f.db"))
}

func TestEnrolmentPostgres(t *testing.T) {
	p, err := storetest.StartPostgres()
	if err != nil {
		storetest.SkipOrFail(t, err)
	}
	t.Cleanup(p.Stop)
	testEnrolment(t, p.URL(t))
}

var enrolNow = time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)

func testEnrolment(t *testing.T, url string) {
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		run  func(*testing.T, *sqlstore.Store)
	}{
		{"tokens", testEnrolTokens}, {"one token, many at once", testRedeemRace}, {"one name, two tokens", testRedeemName},
		{"replacing revokes", testRedeemReplace}, {"renewal", testAddCertificate}, {"revocation", testRevokeAgent}, {"sightings and pruning", testSeenAndPrune},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, s) })
	}
}

func enrolToken(t *testing.T, s *sqlstore.Store, id string) enrol.Token {
	t.Helper()
	tok := enrol.Token{ID: id, Hash: "h", Site: "branch-1", Agent: "a", IssuedBy: "li", IssuedAt: enrolNow, Expires: enrolNow.Add(time.Hour)}
	if err := s.PutEnrolToken(t.Context(), tok); err != nil {
		t.Fatal(err)
	}
	return tok
}

func enrolPair(id, serial string) (enrol.Agent, enrol.Certificate) {
	a := enrol.Agent{ID: id, Site: "branch-1", Machine: "m-" + id, Host: "srv", Version: "1", Skew: time.Second, EnrolledAt: enrolNow, SeenAt: enrolNow, Remote: "192.0.2.1"}
	c := enrol.Certificate{Serial: serial, Agent: id, Site: "branch-1", KeyHash: "k-" + serial, IssuedAt: enrolNow, Expires: enrolNow.Add(24 * time.Hour), DER: []byte{1, 2}}
	return a, c
}

func testEnrolTokens(t *testing.T, s *sqlstore.Store) {
	tok := enrolToken(t, s, "t1")
	got, err := s.EnrolToken(t.Context(), "t1")
	if diff := cmp.Diff(tok, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if _, err := s.EnrolToken(t.Context(), "none"); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("a token that is not there: %v", err)
	}
	if err := s.RevokeEnrolToken(t.Context(), "t1", enrolNow); err != nil {
		t.Fatal(err)
	}
	if err := s.RevokeEnrolToken(t.Context(), "t1", enrolNow); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("revoked twice: %v", err)
	}
	a, c := enrolPair("t-agent", "t-1")
	if err := s.Redeem(t.Context(), "t1", a, c, false); !errors.Is(err, enrol.ErrTokenUsed) {
		t.Errorf("a revoked token was redeemed: %v", err)
	}
	late := enrolToken(t, s, "t2")
	c.IssuedAt = late.Expires
	if err := s.Redeem(t.Context(), "t2", a, c, false); !errors.Is(err, enrol.ErrTokenUsed) {
		t.Errorf("an expired token was redeemed: %v", err)
	}
	if _, err := s.EnrolledAgent(t.Context(), "t-agent"); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("a refused redemption left an agent: %v", err)
	}
}

func testRedeemRace(t *testing.T, s *sqlstore.Store) {
	enrolToken(t, s, "race")
	var wg sync.WaitGroup
	var won atomic.Int32
	for i := range 16 {
		wg.Go(func() {
			a, c := enrolPair(fmt.Sprintf("race-%d", i), fmt.Sprintf("race-%d", i))
			err := s.Redeem(t.Context(), "race", a, c, false)
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, enrol.ErrTokenUsed):
				t.Errorf("redeem: %v", err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Fatalf("one token enrolled %d agents", won.Load())
	}
	tok, err := s.EnrolToken(t.Context(), "race")
	if err != nil || tok.UsedBy == "" || tok.KeyHash == "" || !tok.UsedAt.Equal(enrolNow) {
		t.Errorf("who used it is not kept: %+v, %v", tok, err)
	}
}

func testRedeemName(t *testing.T, s *sqlstore.Store) {
	enrolToken(t, s, "n1")
	enrolToken(t, s, "n2")
	a, c := enrolPair("name", "name-1")
	if err := s.Redeem(t.Context(), "n1", a, c, false); err != nil {
		t.Fatal(err)
	}
	a, c = enrolPair("name", "name-2")
	if err := s.Redeem(t.Context(), "n2", a, c, false); !errors.Is(err, enrol.ErrNameTaken) {
		t.Fatalf("a name was given twice: %v", err)
	}
	if tok, err := s.EnrolToken(t.Context(), "n2"); err != nil || !tok.UsedAt.IsZero() {
		t.Errorf("the token of a refused redemption is used: %+v %v", tok, err)
	}
}

func testRedeemReplace(t *testing.T, s *sqlstore.Store) {
	enrolToken(t, s, "r1")
	enrolToken(t, s, "r2")
	a, c := enrolPair("box", "box-1")
	if err := s.Redeem(t.Context(), "r1", a, c, false); err != nil {
		t.Fatal(err)
	}
	a, c2 := enrolPair("box", "box-2")
	a.Host = "other"
	if err := s.Redeem(t.Context(), "r2", a, c2, true); err != nil {
		t.Fatal(err)
	}
	old, _, err := s.Certificate(t.Context(), "box-1")
	if err != nil || old.Revoked.IsZero() {
		t.Errorf("the replaced certificate still counts: %+v %v", old, err)
	}
	fresh, agent, err := s.Certificate(t.Context(), "box-2")
	if diff := cmp.Diff(c2, fresh); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if diff := cmp.Diff(a, agent); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func testAddCertificate(t *testing.T, s *sqlstore.Store) {
	enrolToken(t, s, "c1")
	a, c := enrolPair("renew", "renew-1")
	if err := s.Redeem(t.Context(), "c1", a, c, false); err != nil {
		t.Fatal(err)
	}
	a.Skew, a.Version = time.Hour, "2"
	_, c2 := enrolPair("renew", "renew-2")
	if err := s.AddCertificate(t.Context(), a, c2); err != nil {
		t.Fatal(err)
	}
	if got, err := s.CertificateByKey(t.Context(), "renew", "k-renew-2"); err != nil || got.Serial != "renew-2" {
		t.Errorf("by key: %+v %v", got, err)
	}
	if first, agent, err := s.Certificate(t.Context(), "renew-1"); err != nil || !first.Revoked.IsZero() || agent.Skew != time.Hour || agent.Version != "2" {
		t.Errorf("after a renewal: %+v %+v %v", first, agent, err)
	}
	if err := s.RevokeAgent(t.Context(), "renew", "lost", enrolNow); err != nil {
		t.Fatal(err)
	}
	_, c3 := enrolPair("renew", "renew-3")
	if err := s.AddCertificate(t.Context(), a, c3); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("a revoked agent got a certificate: %v", err)
	}
	if _, _, err := s.Certificate(t.Context(), "renew-3"); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("and it is there: %v", err)
	}
}

func testRevokeAgent(t *testing.T, s *sqlstore.Store) {
	enrolToken(t, s, "v1")
	a, c := enrolPair("gone", "gone-1")
	if err := s.Redeem(t.Context(), "v1", a, c, false); err != nil {
		t.Fatal(err)
	}
	at := enrolNow.Add(time.Minute)
	if err := s.RevokeAgent(t.Context(), "gone", "stolen", at); err != nil {
		t.Fatal(err)
	}
	got, agent, err := s.Certificate(t.Context(), "gone-1")
	if err != nil || !got.Revoked.Equal(at) || !agent.Revoked.Equal(at) || agent.RevokedWhy != "stolen" {
		t.Errorf("%+v %+v %v", got, agent, err)
	}
	if list, err := s.RevokedSince(t.Context(), at.Add(-time.Second)); err != nil || len(list) != 1 || list[0] != "gone-1" {
		t.Errorf("revoked since: %v %v", list, err)
	}
	if err := s.RevokeAgent(t.Context(), "nobody", "", at); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("nobody was revoked: %v", err)
	}
}

func testSeenAndPrune(t *testing.T, s *sqlstore.Store) {
	enrolToken(t, s, "p1")
	a, c := enrolPair("seen", "seen-1")
	if err := s.Redeem(t.Context(), "p1", a, c, false); err != nil {
		t.Fatal(err)
	}
	later := enrolNow.Add(time.Hour)
	for _, at := range []time.Time{later, enrolNow} { // an older sighting of another collector changes nothing
		if err := s.AgentsSeen(t.Context(), []enrol.Sighting{{Agent: "seen", Remote: "192.0.2.9", At: at}}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.EnrolledAgents(t.Context(), "m-seen"); err != nil || len(got) != 1 || !got[0].SeenAt.Equal(later) || got[0].Remote != "192.0.2.9" {
		t.Errorf("seen: %+v %v", got, err)
	}
	if err := s.PruneEnrolment(t.Context(), enrolNow.Add(48*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Certificate(t.Context(), "seen-1"); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("an expired certificate is kept: %v", err)
	}
	if toks, err := s.EnrolTokens(t.Context()); err != nil || len(toks) != 0 {
		t.Errorf("%d expired tokens are kept, %v", len(toks), err)
	}
	if _, err := s.EnrolledAgent(t.Context(), "seen"); err != nil {
		t.Errorf("the agent is forgotten: %v", err)
	}
}
