package robot

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/faultline/faultline/internal/lang"
)

// words people read in every message.
var (
	openWord   = lang.Text{ZH: "查看故障单", EN: "Open the incident"}
	repeatWord = lang.Text{ZH: "【重发】", EN: "[repeat] "}
)

func repeatMark(language string) string { return repeatWord.In(languageOf(language)) }

// languageOf is Chinese unless another language is set.
func languageOf(l string) string {
	if l == "" || strings.HasPrefix(strings.ToLower(l), "zh") {
		return lang.ZH
	}
	return lang.EN
}

// Cut shortens s to at most n bytes of valid UTF-8, the last three of them "…"
// when something was left out.
func Cut(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	if n < len("…") {
		return ""
	}
	s = s[:n-len("…")]
	for len(s) > 0 && !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}

// defuse takes the meaning of mark-up from text that devices and people wrote: a
// port called "<@all>" calls nobody, "[x](http://…)" is no link.
func defuse(s string) string {
	return strings.NewReplacer("<", "＜", "](", "] (", "\r", "").Replace(s)
}

// encode is v as JSON; the values are strings, numbers and lists of them.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode robot message: %v", err))
	}
	return b
}

var jsonHeader = map[string]string{"Content-Type": "application/json; charset=utf-8", "User-Agent": "Faultline"}
