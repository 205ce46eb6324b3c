package app

import (
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/internal/lang"
)

// TestPrintStatus: both languages, a moment with its zone, and what waits.
func TestPrintStatus(t *testing.T) {
	since := time.Date(2026, 11, 22, 21, 40, 0, 0, time.UTC)
	s := Status{Agent: "sh", Version: "1", Since: since, Targets: []TargetStatus{{ID: "sw/snmp", Input: "snmp", At: since, TookMS: 7, Samples: 3, Up: true}, {ID: "rtr/snmp", Input: "snmp", At: since, Error: "timeout"}, {ID: "ups/snmp"}, {ID: "app", Input: "scrape", At: since, LeftOut: true}}}
	for language, want := range map[string][]string{
		lang.ZH: {"代理 sh，版本 1，自 " + Moment(since) + " 起", "全部已送达", "正常", "失败", "待测", "未测", "7 ms"},
		lang.EN: {"agent sh, version 1, since " + Moment(since), "everything was delivered", " up ", "DOWN", "waits", "left out", "timeout"},
	} {
		var b strings.Builder
		if err := s.Print(&b, language); err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(b.String(), w) {
				t.Errorf("%s: no %q in\n%s", language, w, b.String())
			}
		}
	}
	if m := Moment(since); !strings.HasSuffix(m, since.Local().Format("-07:00")) {
		t.Errorf("no zone in %q", m)
	}
}
