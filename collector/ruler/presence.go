package ruler

import (
	"errors"
	"fmt"

	"github.com/prometheus/prometheus/promql/parser"
)

// Presence derives from a rule's expression the query that returns every label
// set the expression could match, matching or not: each comparison that filters
// becomes one that answers 0 or 1. It fails when the expression filters nothing,
// or asks about what is missing (absent, unless), where a result that is not
// there does not say that all is well.
func Presence(p parser.Parser, expr string) (string, error) {
	e, err := p.ParseExpr(expr)
	if err != nil {
		return "", err
	}
	if err := spine(e); err != nil {
		return "", err
	}
	unfilter(e)
	return e.String(), nil
}

// spine checks the operators that decide whether a label set is in the result:
// the comparison at the top, comparisons joined by and/or, or one that is reckoned with.
func spine(e parser.Expr) error {
	switch n := e.(type) {
	case *parser.ParenExpr:
		return spine(n.Expr)
	case *parser.BinaryExpr:
		switch {
		case n.Op.IsComparisonOperator() && n.ReturnBool:
			return errors.New("a comparison with bool filters nothing")
		case n.Op.IsComparisonOperator():
			return nil
		case n.Op == parser.LAND:
			// One side that filters is enough: the other says where to look.
			if spine(n.LHS) != nil && spine(n.RHS) != nil {
				return spine(n.LHS)
			}
			return nil
		case n.Op == parser.LOR:
			return errors.Join(spine(n.LHS), spine(n.RHS))
		case n.Op == parser.LUNLESS:
			return errors.New("unless matches what is missing")
		}
		if spine(n.LHS) == nil || spine(n.RHS) == nil {
			return nil // (a > 1) * on (instance) group_left (name) info: what is reckoned with it only adds labels
		}
		return fmt.Errorf("operator %s filters nothing", n.Op)
	case *parser.Call:
		return fmt.Errorf("function %s filters nothing", n.Func.Name)
	default:
		return fmt.Errorf("%T filters nothing", e)
	}
}

// unfilter turns every filtering comparison of the tree into one that keeps all
// its label sets.
func unfilter(e parser.Expr) {
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		b, ok := n.(*parser.BinaryExpr)
		if ok && b.Op.IsComparisonOperator() && !b.ReturnBool {
			b.ReturnBool = true
		}
		return nil
	})
}
