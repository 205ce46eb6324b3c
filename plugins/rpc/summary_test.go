package rpc

import (
	"testing"

	"github.com/faultline/faultline/plugins/remedy"
)

// TestOutcomeKeepsBothLanguages: nothing of an outcome is lost between a plugin
// and its host.
func TestOutcomeKeepsBothLanguages(t *testing.T) {
	want := remedy.Outcome{State: remedy.Done, Summary: "the program went through", SummaryZH: "程序执行完成", Changed: 2, Pin: "sha256:1"}
	if got := outcomeFrom(outcomeTo(want)); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
