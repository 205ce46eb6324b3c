//go:build unix

package sqlstore_test

import (
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/collector/sqlstore/storetest"
)

// BenchmarkCommit opens an incident with one effect per iteration: what stands
// between a fault and its ticket.
func BenchmarkCommit(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchmarkCommit(b, "sqlite:"+filepath.Join(b.TempDir(), "f.db")) })
	b.Run("postgres", func(b *testing.B) {
		p, err := storetest.StartPostgres()
		if err != nil {
			storetest.SkipOrFail(b, err)
		}
		b.Cleanup(p.Stop)
		benchmarkCommit(b, p.URL(b))
	})
}

func benchmarkCommit(b *testing.B, url string) {
	s, err := sqlstore.Open(b.Context(), sqlstore.Options{URL: url})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := s.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	gen, _, err := s.AcquireLease(b.Context(), lease.Writer, "node-1", time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	for n := 0; b.Loop(); n++ {
		id := strconv.Itoa(n)
		e := incident.Event{IncidentID: id, ID: id, At: time.Now(), Kind: incident.Opened, Number: id, Actor: incident.System, Diagnosis: &incident.Diagnosis{}}
		after, sealed, err := incident.Append(incident.Incident{}, []incident.Event{e})
		if err != nil {
			b.Fatal(err)
		}
		c := engine.Commit{Generation: gen, Changes: []engine.Change{{After: after, Events: sealed, Effects: []incident.Effect{{Key: id, IncidentID: id}}}}}
		if err := s.Commit(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
}
