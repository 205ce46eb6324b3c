package web

import (
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/incident"
)

// TestTimelineSaysWhatWasCarriedOutLate: a timer that fired in time is the
// machinery's affair; one that was made up for after a downtime is everybody's.
func TestTimelineSaysWhatWasCarriedOutLate(t *testing.T) {
	zh, en := catalogues(t)
	fired := func(seq int64, late time.Duration) incident.Event {
		return incident.Event{Seq: seq, Kind: incident.TimerFired, Actor: incident.System, LateBy: late, Timer: &incident.Timer{ID: "t", Kind: "clock_breach", Name: "handle"}}
	}
	i := incident.Incident{Clocks: []incident.Clock{{Name: "handle"}}}
	i.Clocks[0].Title.ZH, i.Clocks[0].Title.EN = "分公司处理", "Handling by branch IT"
	for _, c := range []struct {
		words catalogue
		lang  string
		want  string
	}{{zh, "zh-CN", "（迟 2"}, {en, "en", "carried out 2"}} {
		con, p := &console{}, &page{Lang: c.lang, words: c.words, zone: time.UTC}
		rows, hidden := con.timeline(p, i, []incident.Event{fired(1, 200*time.Millisecond), fired(2, 2*time.Hour)}, false)
		if len(rows) != 1 || hidden != 1 || rows[0].Seq != 2 || !strings.Contains(rows[0].Text, c.want) || !strings.Contains(rows[0].Text, p.Text(i.Clocks[0].Title)) {
			t.Errorf("%s: %d hidden, rows %+v", c.lang, hidden, rows)
		}
		if rows, _ = con.timeline(p, i, []incident.Event{fired(1, 200*time.Millisecond)}, true); len(rows) != 1 || strings.Contains(rows[0].Text, "late") || strings.Contains(rows[0].Text, "迟") {
			t.Errorf("%s: in time: %+v", c.lang, rows)
		}
	}
}
