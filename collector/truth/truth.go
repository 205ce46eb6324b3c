// Package truth is the three-valued logic of everything observed: OK, bad or
// unknown. Unknown neither opens nor closes anything.
package truth

import "fmt"

// Truth is what is known of one condition. The zero value is Unknown.
type Truth uint8

// The three values.
const (
	Unknown Truth = iota
	OK
	Bad
)

var names = [...]string{"unknown", "ok", "bad"}

// String returns "unknown", "ok" or "bad".
func (t Truth) String() string {
	if int(t) < len(names) {
		return names[t]
	}
	return fmt.Sprintf("truth(%d)", t)
}

// MarshalText writes the word.
func (t Truth) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads the word.
func (t *Truth) UnmarshalText(b []byte) error {
	for i, n := range names {
		if n == string(b) {
			*t = Truth(i)
			return nil
		}
	}
	return fmt.Errorf("truth %q: want ok, bad or unknown", b)
}
