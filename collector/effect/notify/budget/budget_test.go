package budget

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var limits = Limits{PerMinute: 15, Reserve: 5, Digests: 4, Mute: 10 * time.Minute}

var t0 = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

// sent is a state in which so many messages went out at ages before t0.
func sent(urgent bool, digest bool, ages ...time.Duration) State {
	var s State
	for _, a := range ages {
		s.Sent = append(s.Sent, Send{At: t0.Add(-a), Urgent: urgent, Digest: digest})
	}
	return s
}

func repeat(n int, age time.Duration) []time.Duration {
	out := make([]time.Duration, n)
	for i := range out {
		out[i] = age
	}
	return out
}

func TestDecide(t *testing.T) {
	tests := []struct {
		name          string
		s             State
		l             Limits
		urgent, other int
		want          Decision
	}{
		{"nothing waits", State{}, limits, 0, 0, Decision{}},
		{"first of a minute", State{}, limits, 0, 1, Decision{What: Single}},
		{"urgent first", State{}, limits, 1, 300, Decision{What: Single, Urgent: true}},
		{"singles used up", sent(false, false, repeat(6, 30*time.Second)...), limits, 0, 9, Decision{What: Digest}},
		{"digest not due", sent(false, true, repeat(6, 5*time.Second)...), limits, 0, 9, Decision{Wait: 10 * time.Second}},
		{"reserve is not theirs", sent(false, false, repeat(10, 40*time.Second)...), limits, 0, 9, Decision{Wait: 20 * time.Second}},
		{"reserve is urgent's", sent(false, false, repeat(10, 40*time.Second)...), limits, 1, 9, Decision{What: Single, Urgent: true}},
		{"many urgent and little room", sent(false, false, repeat(11, 40*time.Second)...), limits, 7, 0, Decision{What: Digest, Urgent: true}},
		{"minute is full", sent(true, false, repeat(15, 59*time.Second)...), limits, 3, 3, Decision{Wait: time.Second}},
		{"one message is left to the others", sent(true, false, repeat(14, 50*time.Second)...), limits, 3, 3, Decision{What: Single}},
		{"old messages do not count", sent(false, false, repeat(15, time.Minute)...), limits, 0, 1, Decision{What: Single}},
		{"muted", State{MutedUntil: t0.Add(3 * time.Minute)}, limits, 5, 5, Decision{Wait: 3 * time.Minute}},
		{"gap", sent(false, false, 200*time.Millisecond), Limits{PerMinute: 60, Reserve: 10, Digests: 4, Gap: 300 * time.Millisecond}, 1, 0, Decision{Wait: 100 * time.Millisecond}},
		{"clock set back", sent(false, false, repeat(15, -time.Hour)...), limits, 0, 1, Decision{Wait: time.Minute}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Decide(tt.l, tt.s, tt.urgent, tt.other, t0)
			if got.What != tt.want.What || got.Urgent != tt.want.Urgent || got.Wait != tt.want.Wait {
				t.Fatalf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	s := State{}.Refuse(limits, 0, t0)
	if !s.Muted() || s.MutedUntil != t0.Add(10*time.Minute) {
		t.Fatalf("first: %+v", s)
	}
	s = s.Refuse(limits, 0, t0.Add(10*time.Minute))
	if s.MutedUntil != t0.Add(30*time.Minute) || s.MutedSince != t0 {
		t.Fatalf("second lasts twice as long: %+v", s)
	}
	for range 70 {
		s = s.Refuse(limits, 0, t0)
	}
	if s.MutedUntil != t0.Add(30*time.Minute) {
		t.Fatalf("never longer than half an hour: %+v", s)
	}
	if s = s.Refuse(limits, 7*time.Second, t0); s.MutedUntil != t0.Add(7*time.Second) {
		t.Fatalf("the robot's own time counts: %+v", s)
	}
	if s = s.Accepted(); s.Muted() || s.Refusals != 0 {
		t.Fatalf("accepted: %+v", s)
	}
}

// TestAnyTraffic lets notices arrive at random and checks what must always hold:
// never more than the limit in any minute, the reserve kept, an urgent notice
// never waits longer than a digest's turn or a full minute, and all is sent.
func TestAnyTraffic(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := Limits{PerMinute: rapid.IntRange(3, 40).Draw(rt, "limit"), Gap: time.Duration(rapid.IntRange(0, 1500).Draw(rt, "gap")) * time.Millisecond}
		l.Reserve = rapid.IntRange(1, max(1, l.PerMinute/3)).Draw(rt, "reserve")
		l.Digests = rapid.IntRange(1, max(1, (l.PerMinute-l.Reserve)/2)).Draw(rt, "digests")
		var s State
		var all []Send
		var urgent, other int
		now, end := t0, t0.Add(5*time.Minute)
		for now.Before(end.Add(3 * time.Minute)) {
			if now.Before(end) {
				urgent += rapid.SampledFrom([]int{0, 0, 0, 0, 1, 5}).Draw(rt, "urgent")
				other += rapid.SampledFrom([]int{0, 0, 1, 2, 40}).Draw(rt, "other")
			}
			d := Decide(l, s, urgent, other, now)
			if d.What == Nothing {
				if d.Wait <= 0 && urgent+other > 0 {
					rt.Fatalf("%d urgent and %d others wait for ever: %+v", urgent, other, s)
				}
				step := time.Second
				if urgent+other > 0 {
					step = min(step, d.Wait)
				}
				now = now.Add(step)
				continue
			}
			s = s.Record(d, now)
			all = append(all, s.Sent[len(s.Sent)-1])
			n := 1
			if d.What == Digest {
				n = 1 << 20
			}
			if d.Urgent {
				urgent = max(0, urgent-n)
			} else {
				other = max(0, other-n)
			}
		}
		if urgent+other > 0 {
			rt.Fatalf("%d urgent and %d others were never sent", urgent, other)
		}
		checkWindows(rt, l, all)
	})
}

func checkWindows(rt *rapid.T, l Limits, all []Send) {
	for i := range all {
		total, others := 0, 0
		for j := i; j < len(all) && all[j].At.Sub(all[i].At) < Window; j++ {
			total++
			if !all[j].Urgent {
				others++
			}
			if j > i && all[j].At.Sub(all[j-1].At) < l.Gap {
				rt.Fatalf("messages %s apart, want %s", all[j].At.Sub(all[j-1].At), l.Gap)
			}
		}
		if total > l.PerMinute || others > l.PerMinute-l.Reserve {
			rt.Fatalf("%d messages in a minute, %d of them not urgent: limits %+v", total, others, l)
		}
	}
}
