package incident

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Judgement is what a person made of a diagnosis: the answer that the evidence
// suggested, and the one that was given.
type Judgement struct {
	IncidentID string
	Number     string
	Site       string
	Rule       string // of the diagnosis at that moment
	Suggested  string
	Choice     string
	Comment    string // why
	By         Actor
	At         time.Time
}

// Overruled tells whether the person said otherwise than the evidence.
func (j Judgement) Overruled() bool { return j.Suggested != "" && j.Choice != j.Suggested }

// mostReasons is how many overrulings of a rule are told, the latest.
const mostReasons = 20

// RuleRecord is how people judged the diagnoses of one rule.
type RuleRecord struct {
	Rule        string
	Judged      int         // diagnoses that suggested an answer, and a person decided
	Overruled   int         // of them, how many otherwise
	Overrulings []Judgement // the latest first, mostReasons at most
}

// ByRule counts judgements by rule, the most overruled first. Those in which the
// evidence suggested nothing are not counted.
func ByRule(all []Judgement) []RuleRecord {
	by := map[string]*RuleRecord{}
	for _, j := range all {
		if j.Suggested == "" {
			continue
		}
		r := by[j.Rule]
		if r == nil {
			r = &RuleRecord{Rule: j.Rule}
			by[j.Rule] = r
		}
		if r.Judged++; j.Overruled() {
			r.Overruled++
			r.Overrulings = append(r.Overrulings, j)
		}
	}
	out := make([]RuleRecord, 0, len(by))
	for _, rule := range slices.Sorted(maps.Keys(by)) {
		r := *by[rule]
		slices.SortStableFunc(r.Overrulings, func(a, b Judgement) int { return b.At.Compare(a.At) })
		r.Overrulings = r.Overrulings[:min(len(r.Overrulings), mostReasons)]
		out = append(out, r)
	}
	slices.SortStableFunc(out, func(a, b RuleRecord) int { return cmp.Compare(b.Overruled, a.Overruled) })
	return out
}
