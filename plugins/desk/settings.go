package desk

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/plugins/ticket"
)

// Settings are those of a desk in a program of its own, as its configuration
// gives them: texts by name. Each is read once; Err tells what was wrong, and
// what nobody read. It may not be used from several goroutines.
type Settings struct {
	left   map[string]string
	faults []error
}

// NewSettings returns the settings in values, which is left alone.
func NewSettings(values map[string]string) *Settings {
	return &Settings{left: maps.Clone(values)}
}

// Text is a setting's text; "" where it is not set.
func (s *Settings) Text(name string) string {
	v := s.left[name]
	delete(s.left, name)
	return strings.TrimSpace(v)
}

// Whether is a setting of true or false; not set is false.
func (s *Settings) Whether(name string) bool {
	v := s.Text(name)
	if v == "" {
		return false
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		s.bad(name, "%q is not true or false", v)
	}
	return b
}

// Number is a setting's whole number; not set is 0.
func (s *Settings) Number(name string) int {
	v := s.Text(name)
	if v == "" {
		return 0
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		s.bad(name, "%q is not a whole number", v)
	}
	return n
}

// Span is a setting's duration; not set is 0.
func (s *Settings) Span(name string) time.Duration {
	v := s.Text(name)
	if v == "" {
		return 0
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 || d > maxWait {
		s.bad(name, "%q is not a duration between 0 and %s", v, maxWait)
	}
	return d
}

// Pairs is a setting of the form "critical=P1, major=P2".
func (s *Settings) Pairs(name string) map[string]string {
	v := s.Text(name)
	if v == "" {
		return nil
	}
	all := map[string]string{}
	for pair := range strings.SplitSeq(v, ",") {
		k, w, ok := strings.Cut(pair, "=")
		if k, w = strings.TrimSpace(k), strings.TrimSpace(w); !ok || k == "" || w == "" {
			s.bad(name, "%q is not of the form name=value", strings.TrimSpace(pair))
			continue
		}
		all[k] = w
	}
	return all
}

// Statuses are Pairs whose values are words of ticket.Statuses.
func (s *Settings) Statuses(name string) map[string]string {
	all := s.Pairs(name)
	for k, v := range all {
		if !slices.Contains(ticket.Statuses(), v) {
			s.bad(name, "%s=%s: want one of %s", k, v, strings.Join(ticket.Statuses(), ", "))
		}
	}
	return all
}

func (s *Settings) bad(name, format string, args ...any) {
	s.faults = append(s.faults, fmt.Errorf("setting %s: "+format, append([]any{name}, args...)...))
}

// Err is every fault so far; settings that were never read are unknown.
func (s *Settings) Err() error {
	all := slices.Clone(s.faults)
	for _, name := range slices.Sorted(maps.Keys(s.left)) {
		all = append(all, fmt.Errorf("setting %s: there is none of this name", name))
	}
	return errors.Join(all...)
}
