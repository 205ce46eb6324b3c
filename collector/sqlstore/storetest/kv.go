package storetest

import (
	"context"
	"errors"
	"maps"
	"testing"

	"github.com/faultline/faultline/collector/engine"
)

// testKVPrefix writes, lists and deletes many settings at once.
func testKVPrefix(t *testing.T, e *env) {
	ctx := context.Background()
	all := map[string]string{"silence/1": "one", "silence/2": "两", "silence/机房": "three", "Silence/4": "other case", "silenc": "shorter", "silence0": "after", "sil_nce/5": "no pattern", "sil%": "no pattern"}
	if err := e.store.KVPutAll(ctx, all); err != nil {
		t.Fatal(err)
	}
	list := func(prefix string, want map[string]string) {
		t.Helper()
		got, err := e.store.KVList(ctx, prefix)
		if err != nil || !maps.Equal(got, want) {
			t.Fatalf("%s: %v, %v, want %v", prefix, got, err, want)
		}
	}
	list("silence/", map[string]string{"silence/1": "one", "silence/2": "两", "silence/机房": "three"})
	list("silence/机", map[string]string{"silence/机房": "three"})
	list("sil_", map[string]string{"sil_nce/5": "no pattern"})
	list("nothing", map[string]string{})
	if err := e.store.KVPutAll(ctx, map[string]string{"silence/1": "again"}); err != nil {
		t.Fatal(err)
	}
	if err := e.store.KVDelete(ctx, "silence/2", "silence/机房", "not there"); err != nil {
		t.Fatal(err)
	}
	list("silence/", map[string]string{"silence/1": "again"})
	if _, err := e.store.KVGet(ctx, "silence/2"); !errors.Is(err, engine.ErrNotFound) {
		t.Fatalf("deleted: %v", err)
	}
	if err := e.store.KVDelete(ctx); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := e.store.KVPutAll(ended, map[string]string{"silence/9": "x"}); err == nil {
		t.Fatal("written after the context ended")
	}
	list("silence/9", map[string]string{})
}
