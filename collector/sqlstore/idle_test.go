//go:build unix

package sqlstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/collector/sqlstore/storetest"
)

// TestFrozenTransaction stops in the middle of a transaction that holds the lock
// on the lease, as a frozen collector does: another one takes over all the same,
// and the transaction comes to nothing.
func TestFrozenTransaction(t *testing.T) {
	p, err := storetest.StartPostgres()
	if err != nil {
		storetest.SkipOrFail(t, err)
	}
	t.Cleanup(p.Stop)
	url := p.URL(t)
	open := func() *sqlstore.Store {
		s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: url, Idle: 300 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	frozen, other := open(), open()
	if err := frozen.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	old, ok, err := frozen.AcquireLease(t.Context(), lease.Writer, "frozen", time.Millisecond)
	if err != nil || !ok {
		t.Fatalf("lease: %t, %v", ok, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err = sqlstore.InTransaction(lease.With(ctx, old, nil), frozen, func() error {
		generation, ok, err := other.AcquireLease(ctx, lease.Writer, "other", time.Minute)
		if err != nil || !ok || generation <= old {
			t.Errorf("the other one does not take over: generation %d after %d, %t, %v", generation, old, ok, err)
		}
		return nil
	})
	if err == nil {
		t.Error("the frozen one's transaction was committed")
	}
	if err := frozen.KVPut(lease.With(ctx, old, nil), "late", "x"); err == nil {
		t.Error("the frozen one wrote when it woke")
	}
}
