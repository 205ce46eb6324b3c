package knowledge

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/internal/lang"
)

// Query is what is known of a new incident, or what somebody typed.
type Query struct {
	Class      string
	DeviceKind string
	Vendor     string // maker
	Model      string
	Text       string // symptoms: titles, alert summaries, what the reporter wrote, in any language
	Site       string // entries of other sites are not shown; "" shows those for everywhere only
	AllSites   bool   // head office
	Practice   bool
	Limit      int // 0 is 5, at most 50
}

// Suggestion is an entry and why it is suggested.
type Suggestion struct {
	Entry Entry
	Score float64 // higher fits better; comparable within one query only
	Why   []lang.Text
	Due   bool // for review: read it with care
}

// Weights of what an entry has in common with a query besides words.
const (
	classWeight  = 2.0
	modelWeight  = 5.0
	familyWeight = 2.5
	makerWeight  = 1.0
	kindWeight   = 1.0
	minScore     = 2.0 // one common word is no suggestion
	queryWords   = 48
)

// corpus is how often words are in entries.
type corpus struct {
	entries int
	with    map[string]int // word → entries with it
}

// prior are entries taken for granted that have none of the words, so that in a
// base of a few entries a word that all of them have still tells something.
const prior = 20

// idf is how much a word tells: a rare one more.
func (c corpus) idf(word string) float64 {
	n := float64(c.with[word])
	return math.Log(1 + (float64(c.entries)+prior-n+0.5)/(n+0.5))
}

// rarest returns the query's words that are known, the most telling first and
// bounded, each once.
func (c corpus) rarest(words []string) []string {
	known := map[string]bool{}
	for _, w := range words {
		if c.with[w] > 0 {
			known[w] = true
		}
	}
	out := slices.Sorted(maps.Keys(known))
	slices.SortStableFunc(out, func(a, b string) int { return cmp.Compare(c.with[a], c.with[b]) })
	return out[:min(len(out), queryWords)]
}

// rank scores candidates and returns the best, in an order that depends on
// nothing but them.
func rank(q Query, words []string, c corpus, candidates []Entry, now time.Time) []Suggestion {
	var out []Suggestion
	for _, e := range candidates {
		if !q.shows(e) {
			continue
		}
		s := score(q, words, c, e)
		if s.Score < minScore {
			continue
		}
		if s.Due = e.Due(now); s.Due {
			s.Score *= 0.9
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Suggestion) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), strings.Compare(a.Entry.ID, b.Entry.ID))
	})
	limit := q.Limit
	if limit <= 0 {
		limit = 5
	}
	return out[:min(len(out), limit, 50)]
}

// shows tells whether the entry may be suggested to the query's side.
func (q Query) shows(e Entry) bool {
	return e.State == Published && e.Practice == q.Practice && (q.AllSites || len(e.Sites) == 0 || q.Site != "" && slices.Contains(e.Sites, q.Site))
}

func score(q Query, words []string, c corpus, e Entry) Suggestion {
	s := Suggestion{Entry: e}
	found := map[string]float64{}
	for _, f := range e.fields() {
		counts := map[string]int{}
		for _, w := range Words(f.text) {
			counts[w]++
		}
		for _, w := range words {
			if n := float64(counts[w]); n > 0 {
				found[w] = max(found[w], f.weight*c.idf(w)*n/(n+1))
			}
		}
	}
	for _, w := range slices.Sorted(maps.Keys(found)) {
		s.Score += found[w]
	}
	if len(found) > 0 {
		hits := slices.SortedFunc(maps.Keys(found), func(a, b string) int { return cmp.Or(cmp.Compare(found[b], found[a]), strings.Compare(a, b)) })
		list := strings.Join(hits[:min(len(hits), 6)], " ")
		s.Why = append(s.Why, lang.Text{ZH: "相同词语：" + list, EN: "words in common: " + list})
	}
	s.attributes(q, e)
	if s.Score > 0 { // what people found helpful moves an entry a little, never to the top by itself
		s.Score *= 1 + 0.1*math.Tanh(float64(e.Helpful-2*e.Useless)/5)
	}
	return s
}

// attributes adds what is the same besides words.
func (s *Suggestion) attributes(q Query, e Entry) {
	add := func(weight float64, zh, en string) {
		s.Score += weight
		s.Why = append(s.Why, lang.Text{ZH: zh, EN: en})
	}
	switch model := bestModel(q.Model, e.Models); {
	case model == 2:
		add(modelWeight, "同一型号："+q.Model, "same model: "+q.Model)
	case model == 1:
		add(familyWeight, "同一系列："+q.Model, "same family: "+q.Model)
	case len(e.Models) > 0 && q.Model != "":
		s.Score *= 0.7 // written for another model
	}
	if q.Class != "" && e.Class == q.Class {
		add(classWeight, "同一故障类别", "same class of fault")
	} else if q.Class != "" && e.Class != "" {
		s.Score *= 0.6
	}
	if q.Vendor != "" && strings.EqualFold(q.Vendor, e.Vendor) {
		add(makerWeight, "同一厂家："+e.Vendor, "same maker: "+e.Vendor)
	}
	if q.DeviceKind != "" && e.DeviceKind == q.DeviceKind {
		add(kindWeight, "同一类设备", "same kind of device")
	}
}

// bestModel is 2 for the same model, 1 for the same family (S5720-28P and
// S5720-56C), 0 otherwise.
func bestModel(model string, models []string) int {
	best, m := 0, normal(model)
	for _, x := range models {
		x = normal(x)
		switch {
		case m == "" || x == "":
		case x == m:
			return 2
		case family(x) == family(m) && len(family(x)) >= 3:
			best = 1
		}
	}
	return best
}

func normal(model string) string { return strings.ToLower(strings.Join(strings.Fields(model), "")) }

func family(model string) string {
	head, _, _ := strings.Cut(model, "-")
	return head
}
