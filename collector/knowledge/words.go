package knowledge

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Bounds of the words of one text.
const (
	maxWords    = 4000
	maxWordSize = 64 // bytes
)

// Words makes the words by which a text is searched: Chinese as pairs of
// neighbouring characters, Latin script and numbers as whole words in lower
// case without plural and tense, and names like s5720-56c or ge0/0/1 whole and
// in parts. Full-width forms are the same as narrow ones. Order is the text's.
func Words(text string) []string {
	var out []string
	add := func(w string) {
		if w != "" && len(w) <= maxWordSize && len(out) < maxWords {
			out = append(out, w)
		}
	}
	runes := []rune(strings.ToLower(norm.NFKC.String(text)))
	for i := 0; i < len(runes) && len(out) < maxWords; {
		switch r := runes[i]; {
		case han(r):
			j := i
			for j < len(runes) && han(runes[j]) {
				j++
			}
			pairs(runes[i:j], add)
			i = j
		case letter(r):
			j := i
			for j < len(runes) && (letter(runes[j]) || joint(runes[j]) && j+1 < len(runes) && letter(runes[j+1])) {
				j++
			}
			compound(string(runes[i:j]), add)
			i = j
		default:
			i++
		}
	}
	return out
}

func han(r rune) bool {
	return r >= 0x1100 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul)
}

func letter(r rune) bool { return (unicode.IsLetter(r) || unicode.IsDigit(r)) && !han(r) }

func joint(r rune) bool { return strings.ContainsRune("-/._:", r) }

// particles carry no meaning and stand between what does.
const particles = "的了是在和与或及等就都而且也被把给对为这那有"

// pairs cuts a run of characters at particles into pairs; one left alone is a
// word of its own.
func pairs(run []rune, add func(string)) {
	for len(run) > 0 {
		n := 0
		for n < len(run) && !strings.ContainsRune(particles, run[n]) {
			n++
		}
		if n == 1 {
			add(string(run[0]))
		}
		for i := 0; i+1 < n; i++ {
			add(string(run[i : i+2]))
		}
		run = run[min(n+1, len(run)):]
	}
}

// isCommon tells whether an English word carries no meaning here.
func isCommon(w string) bool {
	switch w {
	case "a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "has", "have", "in", "is", "it", "its", "no", "not", "of", "on", "or", "that", "the", "then", "there", "this",
		"to", "was", "were", "will", "with", "after", "before", "again":
		return true
	}
	return false
}

// compound adds a name whole and in its parts.
func compound(word string, add func(string)) {
	parts := strings.FieldsFunc(word, joint)
	if len(parts) > 1 {
		add(word)
	}
	for _, p := range parts {
		if !isCommon(p) && (len(parts) == 1 || len(p) > 1) {
			add(stem(p))
		}
	}
}

// stem takes plural and tense off an English word, so that "flapping ports"
// finds "port flapped".
func stem(w string) string {
	for _, r := range w {
		if r < 'a' || r > 'z' {
			return w
		}
	}
	switch {
	case len(w) > 4 && strings.HasSuffix(w, "ies"):
		return w[:len(w)-3] + "y"
	case len(w) > 5 && strings.HasSuffix(w, "ing"):
		w = undouble(w[:len(w)-3])
	case len(w) > 4 && strings.HasSuffix(w, "ed"):
		w = undouble(w[:len(w)-2])
	case len(w) > 3 && strings.HasSuffix(w, "s") && !strings.HasSuffix(w, "ss") && !strings.HasSuffix(w, "us") && !strings.HasSuffix(w, "is"):
		w = w[:len(w)-1]
	}
	if len(w) > 4 {
		w = strings.TrimSuffix(w, "e")
	}
	return w
}

// undouble takes off the letter that is doubled before an ending.
func undouble(w string) string {
	n := len(w)
	if n > 3 && w[n-1] == w[n-2] && !strings.ContainsRune("aeiouls", rune(w[n-1])) {
		return w[:n-1]
	}
	return w
}
