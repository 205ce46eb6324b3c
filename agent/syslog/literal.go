package syslog

import (
	"regexp/syntax"
	"slices"
	"unicode"
)

// mostLiterals bounds how many texts stand for one expression.
const mostLiterals = 16

// literalsOf returns texts of which every match of the expression contains at
// least one, as long as they can be made; nil when there are none.
func literalsOf(expression string) []string {
	re, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return nil
	}
	return analyse(re.Simplify()).best()
}

// texts is what is known of an expression's matches: all of them, where they
// are few, or else texts of which each contains one.
type texts struct {
	exact []string
	need  []string
}

func (t texts) best() []string {
	if shortest(t.exact) > 0 {
		return t.exact
	}
	return t.need
}

// shortest is the length of the shortest text, 0 when there is none.
func shortest(set []string) int {
	least := 0
	for i, s := range set {
		if i == 0 || len(s) < least {
			least = len(s)
		}
	}
	return least
}

func analyse(re *syntax.Regexp) texts {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase != 0 {
			return folded(re.Rune)
		}
		return texts{exact: []string{string(re.Rune)}}
	case syntax.OpEmptyMatch, syntax.OpBeginText, syntax.OpEndText, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpWordBoundary:
		return texts{exact: []string{""}}
	case syntax.OpCharClass:
		return texts{exact: runes(re.Rune)}
	case syntax.OpCapture:
		return analyse(re.Sub[0])
	case syntax.OpPlus:
		return texts{need: analyse(re.Sub[0]).best()}
	case syntax.OpRepeat:
		if re.Min > 0 {
			return texts{need: analyse(re.Sub[0]).best()}
		}
	case syntax.OpQuest:
		if t := analyse(re.Sub[0]); t.exact != nil && len(t.exact) < mostLiterals {
			return texts{exact: append([]string{""}, t.exact...)}
		}
	case syntax.OpConcat:
		return sequenceOf(re.Sub)
	case syntax.OpAlternate:
		return choice(re.Sub)
	}
	return texts{}
}

// folded is a text in any case: [Ff] and (?i:f) read alike to the parser.
func folded(text []rune) texts {
	const most = 4 // letters: 16 ways to write them
	all := []string{""}
	for _, r := range text[:min(len(text), most)] {
		both := []string{string(unicode.ToLower(r)), string(unicode.ToUpper(r))}
		if both[0] == both[1] {
			both = both[:1]
		}
		all = product(all, both)
	}
	if len(text) <= most {
		return texts{exact: all}
	}
	return texts{need: all}
}

// runes are the members of a small class, else nil.
func runes(ranges []rune) []string {
	var all []string
	for i := 0; i < len(ranges); i += 2 {
		for r := ranges[i]; r <= ranges[i+1]; r++ {
			if len(all) == 4 {
				return nil
			}
			all = append(all, string(r))
		}
	}
	return all
}

// sequenceOf joins neighbours that are known exactly and keeps the best text.
func sequenceOf(subs []*syntax.Regexp) texts {
	run, whole := []string{""}, true
	var best []string
	offer := func(set []string) {
		if shortest(set) > shortest(best) {
			best = set
		}
	}
	for _, sub := range subs {
		t := analyse(sub)
		if t.exact != nil && len(run)*len(t.exact) <= mostLiterals {
			run = product(run, t.exact)
			continue
		}
		whole = false
		offer(run)
		offer(t.best())
		if run = []string{""}; t.exact != nil {
			run = t.exact
		}
	}
	offer(run)
	if whole {
		return texts{exact: run}
	}
	return texts{need: best}
}

func product(a, b []string) []string {
	var all []string
	for _, x := range a {
		for _, y := range b {
			all = append(all, x+y)
		}
	}
	return all
}

// choice needs a text of every alternative.
func choice(subs []*syntax.Regexp) texts {
	var all []string
	exact := true
	for _, sub := range subs {
		t := analyse(sub)
		if t.exact == nil {
			exact = false
			t.exact = t.need
		}
		if t.exact == nil {
			return texts{}
		}
		all = append(all, t.exact...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	switch {
	case len(all) > mostLiterals:
		return texts{}
	case exact:
		return texts{exact: all}
	}
	return texts{need: all}
}
