package ruler

import (
	"strings"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/faultline/faultline/collector/alert"
)

// origin are the labels that say where a series was measured.
var origin = []string{"site", "device", "instance", "job", "component"}

// siblings returns the presence query of a rule that is a metric with conditions on
// its labels and nothing else: "pg_index_size{index=~\".*ccnew.*\"}". Such a series is
// the fault, and it is gone when it is no longer there while others of its metric
// are still measured at the same place. ok is false for every other expression.
func siblings(p parser.Parser, expr string) (presence string, ok bool) {
	e, err := p.ParseExpr(expr)
	if err != nil {
		return "", false
	}
	for {
		paren, is := e.(*parser.ParenExpr)
		if !is {
			break
		}
		e = paren.Expr
	}
	v, is := e.(*parser.VectorSelector)
	if !is || v.Name == "" || v.OriginalOffset != 0 || v.Timestamp != nil || len(v.LabelMatchers) < 2 {
		return "", false // without a condition it would have no siblings but itself
	}
	return v.Name, true
}

// gone adds to present the alerts that no longer match while a sibling of theirs is
// among the answers of the presence query.
func gone(before map[string]alert.Alert, res results, answers []map[string]string) {
	measured := map[string]struct{}{}
	for _, labels := range answers {
		measured[place(labels)] = struct{}{}
	}
	for fp, a := range before {
		if _, bad := res.bad[fp]; bad {
			continue
		}
		if _, ok := measured[place(a.Labels)]; ok {
			res.present[fp] = struct{}{}
		}
	}
}

func place(labels map[string]string) string {
	parts := make([]string, len(origin))
	for i, n := range origin {
		parts[i] = labels[n]
	}
	return strings.Join(parts, "\x00")
}
