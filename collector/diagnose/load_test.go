package diagnose

import (
	"os"
	"testing"
)

func TestShippedRulesLoad(t *testing.T) {
	if _, err := Load(os.DirFS("../../rules/diagnosis")); err != nil {
		t.Fatal(err)
	}
}
