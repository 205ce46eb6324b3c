package incident

import (
	"testing"

	"github.com/faultline/faultline/internal/lang"
)

// TestSaid: what a run came to is read in the reader's language where its runner
// has it, else as it is.
func TestSaid(t *testing.T) {
	for _, c := range []struct{ summary, zh, wantZH, wantEN string }{
		{"the program went through", "程序执行完成", "程序执行完成", "the program went through"},
		{"restarted", "", "restarted", "restarted"},
	} {
		run := RemedyRun{Summary: c.summary, SummaryZH: c.zh}
		effect := Effect{Result: map[string]string{"summary": c.summary, ResultSummaryZH: c.zh}}
		for _, got := range []lang.Text{run.Said(), effect.Said()} {
			if got.In(lang.ZH) != c.wantZH || got.In(lang.EN) != c.wantEN {
				t.Errorf("%+v: %q, %q", c, got.In(lang.ZH), got.In(lang.EN))
			}
		}
	}
	if got := (Effect{}).Said(); !got.IsZero() {
		t.Errorf("of nothing: %+v", got)
	}
}
