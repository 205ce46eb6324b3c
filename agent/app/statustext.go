package app

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/faultline/faultline/internal/lang"
)

// Moment writes a time as people at this machine read it, with its zone.
func Moment(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 -07:00") }

// Print writes the status for people: what waits to be sent, and every target's
// last measurement.
func (s Status) Print(w io.Writer, language string) error {
	say := func(zh, en string, args ...any) {
		fmt.Fprintf(w, lang.Text{ZH: zh, EN: en}.In(language)+"\n", args...)
	}
	say("代理 %s，版本 %s，自 %s 起，采集中心 %s", "agent %s, version %s, since %s, collector %s", s.Agent, s.Version, Moment(s.Since), s.Collector)
	if pending := s.Spool.PendingSamples + s.Spool.PendingEvents; pending > 0 {
		say("待发送 %.1f MiB，最早 %s；暂存 %.1f / %.0f MiB；丢弃 %d 条", "%.1f MiB wait to be sent, the oldest since %s; %.1f of %.0f MiB kept; %d records dropped",
			float64(pending)/(1<<20), Moment(s.Spool.Oldest), float64(s.Spool.UsedBytes)/(1<<20), float64(s.Spool.MaxBytes)/(1<<20), s.Spool.Dropped)
	} else {
		say("全部已送达；丢弃 %d 条", "everything was delivered; %d records dropped", s.Spool.Dropped)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, lang.Text{ZH: "目标\t输入\t状态\t耗时\t样本\t最近的问题", EN: "TARGET\tINPUT\tSTATE\tTOOK\tSAMPLES\tLAST PROBLEM"}.In(language))
	for _, x := range s.Targets {
		state := lang.Text{ZH: "正常", EN: "up"}
		switch {
		case x.LeftOut:
			state = lang.Text{ZH: "未测", EN: "left out"}
		case x.At.IsZero():
			state = lang.Text{ZH: "待测", EN: "waits"}
		case !x.Up:
			state = lang.Text{ZH: "失败", EN: "DOWN"}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d ms\t%d\t%s\n", x.ID, x.Input, state.In(language), x.TookMS, x.Samples, x.Error)
	}
	return t.Flush()
}
