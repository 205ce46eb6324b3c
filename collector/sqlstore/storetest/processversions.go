package storetest

import (
	"errors"
	"testing"

	"github.com/faultline/faultline/collector/process/versions"
)

// testProcessVersions adds each number once and decides each version once.
func testProcessVersions(t *testing.T, e *env) {
	ctx, s := t.Context(), e.store.ProcessVersions()
	two := versions.Version{ID: "network", Number: 2, Ref: "network@2#ab", State: versions.Published, Text: "id: network\n# 中文", PublishedAt: t0}
	three, other := two, two
	three.Number, three.Ref = 3, "network@3#cd"
	other.ID = "change"
	for _, v := range []versions.Version{three, two, other} {
		if err := s.Add(ctx, v); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Add(ctx, two); !errors.Is(err, versions.ErrExists) {
		t.Fatalf("added twice: %v", err)
	}
	two.State, two.DecidedAt = versions.Approved, t0
	if err := s.Decide(ctx, two); err != nil {
		t.Fatal(err)
	}
	two.State = versions.Rejected
	if err := s.Decide(ctx, two); !errors.Is(err, versions.ErrState) {
		t.Fatalf("decided twice: %v", err)
	}
	list, err := s.Versions(ctx, "network")
	if err != nil || len(list) != 2 || list[0].Number != 2 || list[0].State != versions.Approved || list[1].State != versions.Published || list[0].Text != two.Text {
		t.Fatalf("%+v, %v", list, err)
	}
	if all, err := s.Versions(ctx, ""); err != nil || len(all) != 3 {
		t.Fatalf("%d, %v", len(all), err)
	}
}
