// Package lang holds text in the languages people read here, zh-CN and English.
// It is not a message catalogue (collector/web has that): only the type that
// rules, inventory and incidents carry.
package lang

import "strings"

// The languages everything people see exists in.
const (
	ZH = "zh-CN"
	EN = "en"
)

// Text is the same sentence in both languages.
type Text struct {
	ZH string `json:"zh-CN,omitempty" yaml:"zh-CN"`
	EN string `json:"en,omitempty" yaml:"en"`
}

// In returns the text in the language, or in the other one when it is missing.
func (t Text) In(language string) string {
	zh := strings.HasPrefix(strings.ToLower(language), "zh")
	switch {
	case zh && t.ZH != "", !zh && t.EN == "":
		return t.ZH
	default:
		return t.EN
	}
}

// IsZero tells whether both languages are empty.
func (t Text) IsZero() bool { return t.ZH == "" && t.EN == "" }

// Same makes a Text that reads alike in both languages (names, numbers).
func Same(s string) Text { return Text{ZH: s, EN: s} }
