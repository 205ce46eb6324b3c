package scoreboard

import (
	"slices"
	"time"
)

// piece is a part of the month that one claim decides.
type piece struct {
	Interval
	down bool // the circuit was down or bad in it
}

// sweep cuts overlapping claims into pieces that do not overlap: in each the
// claim of the highest rank decides, and it is an outage when any claim that is
// one covers it. Neighbours that say the same are one.
func sweep(claims []claim) []piece {
	var cuts []time.Time
	for _, c := range claims {
		cuts = append(cuts, c.from, c.to)
	}
	slices.SortFunc(cuts, time.Time.Compare)
	cuts = slices.CompactFunc(cuts, time.Time.Equal)
	var out []piece
	for i := 0; i+1 < len(cuts); i++ {
		p, ok := decide(claims, span{cuts[i], cuts[i+1]})
		if !ok {
			continue
		}
		if n := len(out); n > 0 && out[n-1].same(p) && out[n-1].To.Equal(p.From) {
			out[n-1].To, out[n-1].Seconds, out[n-1].Lasts = p.To, out[n-1].Seconds+p.Seconds, p.Lasts
			continue
		}
		out = append(out, p)
	}
	return out
}

func (p piece) same(o piece) bool {
	return p.ID == o.ID && p.Why == o.Why && p.Counts == o.Counts && p.down == o.down
}

// decide says what one elementary span is; false when nothing claims it.
func decide(claims []claim, s span) (piece, bool) {
	var top, fault *claim
	for i := range claims {
		c := &claims[i]
		if !c.has(s.from) {
			continue
		}
		if top == nil || c.rank > top.rank {
			top = c
		}
		if c.rank <= rankDown && (fault == nil || c.rank > fault.rank) {
			fault = c
		}
	}
	if top == nil || fault == nil && top.rank != rankWindow {
		return piece{}, false // nothing at all, or a pause after the recovery
	}
	p := piece{Interval: Interval{From: s.from, To: s.to, Seconds: seconds(s), Counts: top.counts && top.rank == rankDown, Why: top.why}}
	if fault == nil {
		return p, true
	}
	p.down, p.Incident, p.ID, p.Lasts = true, fault.c.Number, fault.c.ID, fault.lasts
	return p, true
}

// merged are the claims' spans without overlap.
func merged(claims []claim) []span {
	all := make([]span, len(claims))
	for i, c := range claims {
		all[i] = c.span
	}
	slices.SortFunc(all, func(a, b span) int { return a.from.Compare(b.from) })
	var out []span
	for _, s := range all {
		if n := len(out); n > 0 && !s.from.After(out[n-1].to) {
			if s.to.After(out[n-1].to) {
				out[n-1].to = s.to
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

// known is a mean over those that are known.
type known struct {
	Seconds int64 `json:"seconds"` // mean; 0 when none is known
	Of      int   `json:"of"`      // how many are known
	Worst   int64 `json:"worst_seconds,omitempty"`
}

func (k *known) add(d time.Duration) {
	s := int64(d / time.Second)
	k.Seconds, k.Of, k.Worst = k.Seconds+s, k.Of+1, max(k.Worst, s)
}

func (k *known) settle() {
	if k.Of > 0 {
		k.Seconds /= int64(k.Of)
	}
}

// Duration is the mean.
func (k known) Duration() time.Duration { return time.Duration(k.Seconds) * time.Second }
