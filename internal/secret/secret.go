// Package secret is a string that does not print itself: passwords and tokens
// in configurations. It neither encrypts nor stores anything.
package secret

import (
	"fmt"
	"os"
	"strings"
)

// String is a secret. Formatting and encoding it gives "<secret>"; Reveal gives
// its value.
type String string

const mask = "<secret>"

// String returns a mask, or "" when there is no secret.
func (s String) String() string {
	if s == "" {
		return ""
	}
	return mask
}

// GoString returns a mask.
func (s String) GoString() string { return s.String() }

// Format writes a mask for every verb.
func (s String) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText writes a mask.
func (s String) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reveal returns the value.
func (s String) Reveal() string { return string(s) }

// OrFile returns s, or the trimmed content of the file when s is empty and
// path is not.
func (s String) OrFile(path string) (String, error) {
	if s != "" || path == "" {
		return s, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	return String(strings.TrimSpace(string(b))), nil
}
