package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/internal/lab/longcut"
)

// cutLength is how long nothing can be sent.
const cutLength = 7 * 24 * time.Hour

// measureCut plays a cut of seven days at the rate of a branch with 50 switches of
// four ports read, and drains it into a real collector. The spool's bound is four
// fifths of what the cut takes, so that it has to thin.
func measureCut(ctx context.Context, o options) (table, error) {
	t := table{Name: "cut: 7 days without a line, 400 host series and 50 switches of 4 ports (1,650 values in all) every 10 s"}
	c, err := startCollector(ctx, o, settings{estate: estate{writers: 1}, more: "retention: 360h\n"})
	if err != nil {
		return t, err
	}
	defer c.stop()
	cut := longcut.Options{Dir: o.work, URL: c.url, Token: tokenOf(writer(0)), Admin: c.admin,
		Cut: cutLength, Host: 400, Devices: 50, Ports: 4, Rate: 1e6, Live: 2 * time.Second}
	size, err := longcut.Size(cut)
	if err != nil {
		return t, err
	}
	cut.MaxBytes = size / 5 * 4
	before, err := c.cpu()
	if err != nil {
		return t, err
	}
	f, begin, err := longcut.Run(ctx, cut)
	if err != nil {
		return t, c.failed(err)
	}
	after, err := c.cpu()
	if err != nil {
		return t, err
	}
	lost, err := lostEvents(ctx, filepath.Join(c.dir, "faultline.db"), begin, f.Events)
	if err != nil {
		return t, err
	}
	t.add("events lost", "0", float64(lost), fmt.Sprintf("of %d", f.Events), "")
	t.add("samples measured during the cut", "", float64(f.Measured)/1e6, "million", "")
	t.add("spool for all of them", "≤ 2 GiB", float64(f.AppendedBytes)/(1<<20), mib, fmt.Sprintf("%.2f bytes a sample", float64(f.AppendedBytes)/float64(f.Measured)))
	t.add("batches dropped", "0", float64(f.Dropped), fmt.Sprintf("of %d", f.Records), "")
	t.add("batches thinned away", "oldest first, 3 in 4", float64(f.Thinned), fmt.Sprintf("of %d", f.Records), fmt.Sprintf("bound %s MiB", figure(float64(cut.MaxBytes)/(1<<20))))
	t.add("samples kept in the spool", "", float64(f.Kept)/1e6, "million", "")
	t.add("of these stored by the collector", "all", float64(f.Stored)/float64(f.Kept)*100, "%", fmt.Sprintf("refused %v, put aside %v", f.Refused, f.Aside))
	t.add("live latency while draining, worst", "≤ 20 s", f.LiveWorst.Seconds(), "s", fmt.Sprintf("median %.2f s of %d rounds", f.LiveP50.Seconds(), f.Live))
	t.add("drained in", "", f.Drain.Seconds(), "s", fmt.Sprintf("%s samples/s", figure(float64(f.Kept)/f.Drain.Seconds())))
	t.add("collector's CPU for a million samples", "", (after-before).Seconds()/(float64(f.Kept)/1e6), "s", "")
	t.note("Filled in %.0f s, each batch with its own time, every round synced; a target has %.0f to %.0f of its %d rounds at the collector.",
		f.Fill.Seconds(), f.Fewest, f.Most, int(cutLength/(10*time.Second)))
	t.note("The backlog is sent at 1,000,000 samples a second at most here, at 20,000 by default: time is compressed.")
	return t, nil
}

// lostEvents counts events of a run that are not in the collector's database.
func lostEvents(ctx context.Context, database string, begin time.Time, events int) (int, error) {
	s, err := sqlstore.Open(ctx, sqlstore.Options{URL: "sqlite:" + database})
	if err != nil {
		return 0, err
	}
	defer func() { _ = s.Close() }()
	found, err := s.AgentEvents(ctx, begin.Add(-time.Hour), time.Now().Add(time.Hour), 1_000_000)
	if err != nil {
		return 0, err
	}
	there := map[string]bool{}
	for _, e := range found {
		there[e.ID] = true
	}
	lost := 0
	for i := range events {
		if !there[longcut.EventID(begin, i)] {
			lost++
		}
	}
	return lost, nil
}
