// Package plugintest is what every implementation of a plugin contract must
// pass: one suite for inputs, one for ticket desks, one for channels, run
// against built-in implementations and against plugins alike. It starts no
// plugin (plugins/plugintest/external does) and needs none of the testing
// package's own types but in Run, so that a program can run the suites too.
package plugintest

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Check is one thing that a contract asks for.
type Check struct {
	Name string
	Run  func(ctx context.Context) error // what is wrong, or nil
}

// checkTime bounds one check.
const checkTime = 2 * time.Minute

// Run runs the checks as subtests, one after another.
func Run(t *testing.T, checks []Check) {
	t.Helper()
	for _, c := range checks {
		t.Run(c.Name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), checkTime)
			defer cancel()
			if err := Do(ctx, c); err != nil {
				t.Error(err)
			}
		})
	}
}

// Do runs one check; a panic is an error.
func Do(ctx context.Context, c Check) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return c.Run(ctx)
}

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,39}$`)

// named checks what an implementation calls itself.
func named(name func() string) Check {
	return Check{"name is a word and stays", func(context.Context) error {
		first := name()
		if !nameForm.MatchString(first) {
			return fmt.Errorf("name %q: lower-case letters, digits, hyphens and underscores, at most 40", first)
		}
		if again := name(); again != first {
			return fmt.Errorf("name was %q and is %q now", first, again)
		}
		return nil
	}}
}

// secretMark is put where secrets stand, and must come out nowhere.
const secretMark = "Zx9-secret-mark-4711"

func leaked(where, text string) error {
	if strings.Contains(text, secretMark) {
		return fmt.Errorf("a secret is in %s: %s", where, strings.ReplaceAll(text, secretMark, "<secret>"))
	}
	return nil
}

// within runs f and tells when it took longer than it may.
func within(limit time.Duration, what string, f func() error) error {
	began := time.Now()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(limit):
		return fmt.Errorf("%s: not back after %s", what, time.Since(began).Round(time.Millisecond))
	}
}

// errNone stands where there is no error, and one was wanted or would say more.
var errNone = errors.New("no error")

func orNone(err error) error {
	if err == nil {
		return errNone
	}
	return err
}
