package yamledit

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
)

// plainText is what may stand unquoted in a flow mapping and is read as text.
var plainText = regexp.MustCompile(`^[\p{L}/][\p{L}\p{N} ._/@+-]*$`)

// words that YAML reads as something else than text.
var words = map[string]bool{"true": true, "false": true, "yes": true, "no": true, "on": true, "off": true, "null": true, "y": true, "n": true}

// Text writes a string as a YAML value on one line, quoted where it must be.
func Text(s string) string {
	if plainText.MatchString(s) && !words[strings.ToLower(s)] && !strings.HasSuffix(s, " ") {
		return s
	}
	b, err := json.Marshal(s) // JSON's strings are YAML's
	if err != nil {
		return strconv.Quote(s)
	}
	return string(b)
}

// Texts writes a list of strings.
func Texts(all []string) string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = Text(s)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// Number writes a number without an exponent.
func Number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
