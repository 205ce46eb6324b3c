package discover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/faultline/faultline/agent/snmp"
)

var (
	oidSysObjectID = snmp.MustParseOID("1.3.6.1.2.1.1.2.0")
	oidSysUpTime   = snmp.MustParseOID("1.3.6.1.2.1.1.3.0")
)

// keyring tries credentials, those that opened most first: a wrong one makes
// many devices send a trap. It is safe for concurrent use.
type keyring struct {
	net     *snmp.Transport
	port    uint16
	timeout time.Duration
	retries int
	maxRows int
	pace    *pace
	all     []Credential

	mu     sync.Mutex // guards the fields below
	opened []int      // how many devices, by place in all
}

// door is a device that one credential opened.
type door struct {
	session    *snmp.Session
	credential Credential
	config     snmp.Config
}

// order returns the places of the credentials in the order to try them.
func (k *keyring) order() []int {
	k.mu.Lock()
	defer k.mu.Unlock()
	at := make([]int, len(k.all))
	for i := range at {
		at[i] = i
	}
	slices.SortStableFunc(at, func(x, y int) int { return cmp.Compare(k.opened[y], k.opened[x]) })
	return at
}

// attempt is one way to ask with one credential.
type attempt struct {
	place  int // of the credential
	config snmp.Config
}

// attempts returns how to try an address: every credential in its best way, and
// only then, of what answered anything yet, the communities in version 1.
func (k *keyring) attempts(a netip.Addr, alive bool) ([]attempt, error) {
	var first, last []attempt
	for _, i := range k.order() {
		configs, err := k.all[i].configs(a.String(), k.port)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.all[i].Name, err)
		}
		for n, c := range configs {
			c.Timeout, c.MaxRows = k.timeout, k.maxRows
			if alive {
				c.Retries = k.retries
			}
			if n == 0 {
				first = append(first, attempt{i, c})
			} else if alive {
				last = append(last, attempt{i, c})
			}
		}
	}
	return append(first, last...), nil
}

// open finds a credential that the device takes. refused says why a device that
// speaks SNMP let nobody in; the error is ctx's.
func (k *keyring) open(ctx context.Context, a netip.Addr, alive bool) (d *door, refused string, err error) {
	attempts, err := k.attempts(a, alive)
	if err != nil {
		return nil, "", err
	}
	for _, t := range attempts {
		c := k.all[t.place]
		s, err := k.try(ctx, t.config)
		switch {
		case err == nil:
			k.mu.Lock()
			k.opened[t.place]++
			k.mu.Unlock()
			return &door{s, c, t.config}, "", nil
		case ctx.Err() != nil:
			return nil, refused, ctx.Err()
		case refusal(err), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
			return nil, refused, nil // nobody listens: another credential changes nothing
		case errors.As(err, new(snmp.Refusal)):
			refused = fmt.Sprintf("%s: %v", c.Name, err)
		}
	}
	return nil, refused, nil
}

// try asks the device one thing. The session is the caller's where it answers.
func (k *keyring) try(ctx context.Context, config snmp.Config) (*snmp.Session, error) {
	if err := k.pace.wait(ctx); err != nil {
		return nil, err
	}
	s, err := k.net.Open(ctx, config)
	if err != nil {
		return nil, err
	}
	if _, err = s.Do(ctx, snmp.Get, []snmp.OID{oidSysObjectID, oidSysUpTime}, 0, 0); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}
