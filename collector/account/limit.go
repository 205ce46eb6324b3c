package account

import (
	"fmt"
	"sync"
	"time"
)

// Failed sign-ins that are free before waiting begins, per name at one address,
// per address, and per name over all addresses. The last is high, so that a
// stranger cannot lock a person out with a handful of guesses.
const (
	freePerPair    = 5
	freePerAddress = 30
	freePerName    = 100

	maxWait    = 15 * time.Minute
	forget     = time.Hour
	maxTracked = 20_000
)

// WaitError says that too many sign-ins failed and when the next may be tried.
type WaitError struct{ For time.Duration }

// Error says how long to wait.
func (e *WaitError) Error() string {
	return fmt.Sprintf("too many failed sign-ins: wait %s", e.For.Round(time.Second))
}

// limiter counts failed sign-ins. It holds at most maxTracked keys; when full,
// the key that has been quiet longest makes room.
type limiter struct {
	mu    sync.Mutex // guards the fields below
	fails map[string]failures
}

type failures struct {
	n    int
	last time.Time
}

type limitKey struct {
	key  string
	free int
}

func keysOf(name, remote string) [3]limitKey {
	return [3]limitKey{{"pair\x00" + name + "\x00" + remote, freePerPair}, {"addr\x00" + remote, freePerAddress}, {"name\x00" + name, freePerName}}
}

// wait returns how long the next attempt has to wait; zero is now.
func (l *limiter) wait(name, remote string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var longest time.Duration
	for _, k := range keysOf(name, remote) {
		f, ok := l.fails[k.key]
		if !ok || f.n < k.free || now.Sub(f.last) > forget {
			continue
		}
		delay := min(time.Second<<min(f.n-k.free, 10), maxWait)
		longest = max(longest, f.last.Add(delay).Sub(now))
	}
	return max(longest, 0)
}

// failed counts a failed attempt.
func (l *limiter) failed(name, remote string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fails == nil {
		l.fails = map[string]failures{}
	}
	for _, k := range keysOf(name, remote) {
		f := l.fails[k.key]
		if now.Sub(f.last) > forget {
			f.n = 0
		}
		l.fails[k.key] = failures{f.n + 1, now}
	}
	for len(l.fails) > maxTracked {
		l.dropQuietestLocked()
	}
}

// succeeded forgets the failures of the name at this address.
func (l *limiter) succeeded(name, remote string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.fails, keysOf(name, remote)[0].key)
}

func (l *limiter) dropQuietestLocked() {
	var quiet string
	var at time.Time
	for k, f := range l.fails {
		if quiet == "" || f.last.Before(at) {
			quiet, at = k, f.last
		}
	}
	delete(l.fails, quiet)
}
