package trap

import (
	"errors"
	"net/netip"
	"time"

	"golang.org/x/time/rate"

	"github.com/faultline/faultline/agent/snmp"
)

// usm takes messages of version 3: it finds the user, authenticates, decrypts and
// judges the time, as our authoritative engine for informs and as a listener to
// the senders' engines for traps. Receiver.mu guards it.
type usm struct {
	engine    *engine
	listed    []*snmp.Recipient // taken from any sender
	directory *Directory
	resets    bool // engines may go back in time

	keys    lru[keyID, *snmp.Keys]
	clocks  lru[string, *clock] // by engine ID
	stats   [7]uint32           // by snmp.USMFault
	reports *rate.Limiter       // so that we are no use for reflecting traffic
}

type keyID struct {
	user   *snmp.Recipient
	engine string
}

// mostEngines bounds the engines and keys that are remembered; what is forgotten
// is made again.
const mostEngines = 4096

// mostUsers bounds the users of one name that are tried.
const mostUsers = 32

func newUSM(o *Options, e *engine) *usm {
	u := &usm{engine: e, directory: o.Directory, resets: o.EngineResets, keys: newLRU[keyID, *snmp.Keys](mostEngines),
		clocks: newLRU[string, *clock](mostEngines), reports: rate.NewLimiter(100, 200)}
	for _, user := range o.Users {
		if r, err := snmp.NewRecipient(user); err == nil { // Options were validated
			u.listed = append(u.listed, r)
		}
	}
	return u
}

// opened is what becomes of a message: keys to answer it with, or the reason why
// it is not taken and, where the sender is to be told, a report.
type opened struct {
	keys   *snmp.Keys
	why    reason
	normal bool // a step of the sender finding out about our engine
	report []byte
}

// open takes a message.
func (u *usm) open(m *snmp.Message, from netip.Addr, now time.Time) opened {
	us := string(m.Engine) == u.engine.id
	if len(m.Engine) == 0 || m.Reportable && !us {
		_ = m.OpenPlain() // for its request-id, where that can be read
		return u.refuse(m, snmp.USMEngine, reasonEngine, nil, len(m.Engine) == 0)
	}
	keys, err := u.unlock(m, from)
	if err != nil {
		why := map[snmp.USMFault]reason{snmp.USMUser: reasonUser, snmp.USMLevel: reasonLevel, snmp.USMDigest: reasonDigest, snmp.USMDecrypt: reasonDecrypt}
		var f snmp.USMFault
		if !errors.As(err, &f) {
			return opened{why: reasonMalformed}
		}
		return u.refuse(m, f, why[f], nil, false)
	}
	switch {
	case m.Auth && us && !timely(u.engine.now(), m.Boots, m.Time):
		return u.refuse(m, snmp.USMTime, reasonTime, keys, m.Boots == 0 && m.Time == 0)
	case m.Auth && !us && !u.clock(string(m.Engine)).accept(m.Boots, m.Time, now):
		if !u.resets {
			return u.refuse(m, snmp.USMTime, reasonTime, keys, false)
		}
		*u.clock(string(m.Engine)) = clock{m.Boots, m.Time, now}
	case m.PDU.Tag == snmp.PDUInform && !us:
		return opened{why: reasonEngine}
	}
	return opened{keys: keys}
}

// refuse counts a fault and tells the sender, if it wants that.
func (u *usm) refuse(m *snmp.Message, f snmp.USMFault, why reason, keys *snmp.Keys, normal bool) opened {
	u.stats[f]++
	o := opened{why: why, normal: normal}
	if m.Reportable && u.reports.Allow() {
		o.report = m.AppendReport(nil, f, u.stats[f], u.engine.now(), keys)
	}
	return o
}

// unlock authenticates and decrypts as the first user of the name with whom it
// works. Of the faults the one that came nearest to working is returned.
func (u *usm) unlock(m *snmp.Message, from netip.Addr) (*snmp.Keys, error) {
	nearest := error(snmp.USMUser)
	for _, r := range u.users(string(m.User), from) {
		id := keyID{r, string(m.Engine)}
		keys, known := u.keys.get(id)
		if !known {
			keys = r.Keys(id.engine)
		}
		err := m.Open(keys)
		if err == nil {
			if m.Auth {
				u.keys.put(id, keys)
			}
			return keys, nil
		}
		if nearness(err) > nearness(nearest) {
			nearest = err
		}
	}
	return nil, nearest
}

func nearness(err error) int {
	var f snmp.USMFault
	if !errors.As(err, &f) {
		return 5
	}
	return map[snmp.USMFault]int{snmp.USMLevel: 1, snmp.USMDigest: 2, snmp.USMDecrypt: 3}[f]
}

// users returns whom of the name the sender may be.
func (u *usm) users(name string, from netip.Addr) []*snmp.Recipient {
	var all []*snmp.Recipient
	for _, r := range u.listed {
		if r.User().Name == name {
			all = append(all, r)
		}
	}
	all = append(all, u.directory.users(name, from)...)
	return all[:min(len(all), mostUsers)]
}

func (u *usm) clock(engine string) *clock {
	if c, ok := u.clocks.get(engine); ok {
		return c
	}
	c := &clock{}
	u.clocks.put(engine, c)
	return c
}
