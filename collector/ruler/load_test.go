package ruler

import (
	"os"
	"testing"
)

func TestShippedRulesLoad(t *testing.T) {
	rules, err := Load(os.DirFS("../../rules/alerts"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules.List {
		t.Logf("%s:%d %s\n  presence %s", r.File, r.Line, r.Name, r.Presence)
	}
}
