package syslog

import (
	"testing"
	"time"
)

const ownPatterns = `
patterns:
  - name: order_failed
    severity: major
    component: order
    text: {zh-CN: "订单 {order} 失败", en: "order {order} failed"}
    lines:
      - regexp: 'order (?P<order>\d+) failed'
        example: '2026-11-22 10:11:12 ERROR shop: order 17 failed'
  - name: orders_failing
    severity: critical
    text: {zh-CN: "{count} 个订单失败", en: "{count} orders failed"}
    repeats: {of: [order_failed], times: 3, within: 1m}
`

// TestHear: lines that were read go the way of those that came, by a target's own
// patterns first.
func TestHear(t *testing.T) {
	s := open(t, false, func(o *Options) { o.UDP, o.TCP, o.Local = "", "", true })
	own, err := LoadText("patterns", ownPatterns)
	if err != nil {
		t.Fatal(err)
	}
	srv := Device{Name: "b1srv", Site: "branch-1"}
	for _, order := range []string{"17", "18", "19"} {
		if !s.r.Hear(Local{Line: []byte("2026-11-22 10:29:59 ERROR shop: order " + order + " failed"), Source: "/var/log/shop.log", Device: srv, Own: own}) {
			t.Error("a line of the target's pattern means nothing")
		}
	}
	if s.r.Hear(Local{Line: []byte("2026-11-22 10:29:59 all is well"), Source: "/var/log/shop.log", Device: srv, Own: own}) {
		t.Error("a line of no pattern means something")
	}
	failed := Message{Facility: -1, Level: 5, App: "systemd", Text: "nginx.service: Failed with result 'exit-code'.", Sent: now.Add(-time.Hour), Zoned: true}
	if s.r.Hear(Local{Message: &failed, Source: "journal", Device: srv, Own: own, OwnOnly: true}) || !s.r.Hear(Local{Message: &failed, Source: "journal", Device: srv, Own: own}) {
		t.Error("shipped patterns are tried unless only the target's own are wanted")
	}
	s.r.flush(nil, true)
	type told struct{ pattern, severity, component, device, source, zh, late string }
	var got []told
	for _, e := range s.events {
		got = append(got, told{e.Attrs["pattern"], e.Attrs["severity"], e.Component, e.Device, e.Attrs["source"], e.Attrs["summary_zh"], e.Attrs["late"]})
	}
	want := []told{
		{"order_failed", "major", "17", "b1srv", "/var/log/shop.log", "订单 17 失败", ""}, {"order_failed", "major", "18", "b1srv", "/var/log/shop.log", "订单 18 失败", ""},
		{"order_failed", "major", "19", "b1srv", "/var/log/shop.log", "订单 19 失败", ""}, {"orders_failing", "critical", "", "b1srv", "/var/log/shop.log", "3 个订单失败", ""},
	}
	if len(got) != 5 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] || got[3] != want[3] || got[4].pattern != "unit_failed" || got[4].late != "true" || got[4].source != "journal" {
		t.Errorf("got %+v", got)
	}
	origins := map[string]string{}
	for _, sm := range s.samples {
		if sm.Labels.Name() == "faultline_syslog_matched_total" && sm.Value > 0 {
			origins[sm.Labels.Get("pattern")] = sm.Labels.Get("origin")
		}
	}
	if len(origins) != 3 || origins["order_failed"] != "target" || origins["orders_failing"] != "target" || origins["unit_failed"] != "" {
		t.Errorf("series by pattern and origin: %v", origins)
	}
}
