package snmp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gosnmp/gosnmp"
)

// silence is the error of a device that does not answer any more.
type silence struct {
	cause error
}

// Error tells the cause too.
func (s silence) Error() string { return "device stopped answering: " + s.cause.Error() }

// Unwrap returns the cause.
func (s silence) Unwrap() error { return s.cause }

func silent(err error) bool { return errors.As(err, new(silence)) }

const (
	packetVarbinds = 60 // aimed at in one reply: about 1,400 bytes
	getOIDs        = 16 // in one GET or GETNEXT of scalars
	maxRows        = 200_000
	bulkAgain      = 10 * time.Minute // until GETBULK is tried again where it did not work
)

// requester is the part of a session that readers use.
type requester interface {
	do(op operation, oids []string, repetitions int) (*gosnmp.SnmpPacket, error)
}

// reader reads scalars and tables from one device, whatever its agent's faults.
type reader struct {
	session requester
	v1      bool
	now     func() time.Time
	at      time.Time // when the last reply came
}

// send sends one request and notes when it was answered.
func (r *reader) send(op operation, oids []string, repetitions int) (*gosnmp.SnmpPacket, error) {
	p, err := r.session.do(op, oids, repetitions)
	r.at = r.now()
	return p, err
}

// get reads the scalars and calls visit for each that is there (op opGet), or
// for what follows each (opNext). It returns the faults of single objects
// joined, or a silence, a refusal or ctx's error when the device was lost.
func (r *reader) get(ctx context.Context, op operation, oids []string, visit func(i int, v gosnmp.SnmpPDU)) error {
	var faults []error
	for first := 0; first < len(oids); first += getOIDs {
		part := make([]int, min(getOIDs, len(oids)-first))
		for i := range part {
			part[i] = first + i
		}
		fault, err := r.getPart(ctx, op, oids, part, visit)
		if err != nil {
			return err
		}
		faults = append(faults, fault)
	}
	return errors.Join(faults...)
}

// getPart reads the objects numbered by part in one request; where the agent
// objects to one it is left out, where to all they are halved.
func (r *reader) getPart(ctx context.Context, op operation, oids []string, part []int, visit func(int, gosnmp.SnmpPDU)) (fault, err error) {
	ask := make([]string, 0, len(part))
	for len(part) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		ask = ask[:0]
		for _, i := range part {
			ask = append(ask, oids[i])
		}
		p, err := r.send(op, ask, 0)
		if err != nil {
			return nil, lost(ctx, err)
		}
		bad := int(p.ErrorIndex) - 1
		switch {
		case p.Error == gosnmp.NoError:
			return r.deliver(op, oids, part, p, visit), nil
		case bad >= 0 && bad < len(part) && p.Error != gosnmp.TooBig:
			if p.Error != gosnmp.NoSuchName {
				fault = errors.Join(fault, fmt.Errorf("%s: %s", oids[part[bad]], p.Error))
			}
			part = append(part[:bad:bad], part[bad+1:]...)
		case len(part) > 1:
			f1, err := r.getPart(ctx, op, oids, part[:len(part)/2], visit)
			if err != nil {
				return nil, err
			}
			f2, err := r.getPart(ctx, op, oids, part[len(part)/2:], visit)
			return errors.Join(fault, f1, f2), err
		case p.Error == gosnmp.NoSuchName:
			return fault, nil
		default:
			return errors.Join(fault, fmt.Errorf("%s: %s", oids[part[0]], p.Error)), nil
		}
	}
	return fault, nil
}

// deliver hands over the values of a reply; what was asked for and not answered
// is a fault.
func (r *reader) deliver(op operation, oids []string, part []int, p *gosnmp.SnmpPacket, visit func(int, gosnmp.SnmpPDU)) error {
	var missing []error
	for k, i := range part {
		if k >= len(p.Variables) {
			missing = append(missing, fmt.Errorf("%s: left out of the answer", oids[i]))
			continue
		}
		v := p.Variables[k]
		if op == opGet && strings.TrimPrefix(v.Name, ".") != oids[i] {
			missing = append(missing, fmt.Errorf("%s: answered with %s", oids[i], v.Name))
			continue
		}
		if !absent(v) {
			visit(i, v)
		}
	}
	return errors.Join(missing...)
}

// lost tells a refusal and the end of our own time from silence.
func lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var r refusal
	if errors.As(err, &r) {
		return err
	}
	return silence{err}
}

// tuning is what is learned about reading one table of one device.
type tuning struct {
	repetitions int       // at most, of GETBULK; 0: not learned
	columns     int       // at most, in one request; 0: not learned
	rows        int       // that the table had last time
	next        bool      // GETBULK does not work here: use GETNEXT
	nextSince   time.Time // when that was found
	timeouts    int       // in a row
}

func (t *tuning) begin(now time.Time) {
	if t.repetitions == 0 {
		t.repetitions = packetVarbinds
	}
	if t.columns == 0 {
		t.columns = 10
	}
	if t.next && now.Sub(t.nextSince) > bulkAgain {
		t.next = false
	}
}

// end remembers a walk that went well, and dares a little more next time.
func (t *tuning) end(rows int) {
	if t.timeouts == 0 {
		t.repetitions = min(2*t.repetitions, packetVarbinds)
	}
	t.rows = rows
}

func (t *tuning) stopBulk(now time.Time) { t.next, t.nextSince = true, now }

// column is one column being walked.
type column struct {
	oid    string
	cursor string // the OID to continue from; "" at the start
	last   string // the last index seen
	rows   int
	done   bool
	fault  error
}

func (c *column) from() string {
	if c.cursor == "" {
		return c.oid
	}
	return c.cursor
}

func (c *column) fail(err error) { c.done, c.fault = true, err }

// walk reads the columns side by side and calls visit for every instance, in
// the order of each column's rows. It returns an error when the device was lost;
// what is wrong with single columns is in their fault. What was visited stays
// valid either way.
func (r *reader) walk(ctx context.Context, t *tuning, cols []*column, visit func(c int, index string, v gosnmp.SnmpPDU)) error {
	t.begin(r.now())
	t.timeouts = 0
	active := make([]int, 0, t.columns)
	for {
		active = active[:0]
		for i, c := range cols {
			if !c.done && len(active) < t.columns {
				active = append(active, i)
			}
		}
		if len(active) == 0 {
			break
		}
		if err := r.step(ctx, t, cols, active, visit); err != nil {
			return err
		}
	}
	rows := 0
	for _, c := range cols {
		rows = max(rows, c.rows)
	}
	t.end(rows)
	return nil
}

// step sends one request for the active columns.
func (r *reader) step(ctx context.Context, t *tuning, cols []*column, active []int, visit func(int, string, gosnmp.SnmpPDU)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ask := make([]string, len(active))
	least := maxRows
	for k, i := range active {
		ask[k] = cols[i].from()
		least = min(least, cols[i].rows)
	}
	op, reps := opBulk, min(t.repetitions, max(packetVarbinds/len(active), 1))
	if t.rows > 0 {
		reps = min(reps, max(t.rows+1-least, 1))
	}
	if r.v1 || t.next {
		op, reps = opNext, 1
	}
	p, err := r.send(op, ask, reps)
	if err != nil {
		return r.noAnswer(ctx, t, op, reps, err)
	}
	t.timeouts = 0
	if p.Error != gosnmp.NoError {
		r.objection(t, p, op, reps, cols, active)
		return nil
	}
	if !take(p, cols, active, visit) {
		if op == opBulk {
			t.stopBulk(r.now())
			return nil
		}
		for _, i := range active {
			cols[i].fail(errors.New("answer does not move on"))
		}
	}
	return nil
}

// noAnswer decides what to try after a request that was not answered: smaller
// ones, then GETNEXT, then nothing.
func (r *reader) noAnswer(ctx context.Context, t *tuning, op operation, reps int, err error) error {
	err = lost(ctx, err)
	if op == opNext || !silent(err) {
		return err
	}
	t.timeouts++
	if t.timeouts == 1 && reps > 4 {
		t.repetitions = reps / 4
		return nil
	}
	t.stopBulk(r.now())
	return nil
}

// objection acts on an error-status.
func (r *reader) objection(t *tuning, p *gosnmp.SnmpPacket, op operation, reps int, cols []*column, active []int) {
	bad := int(p.ErrorIndex) - 1
	switch {
	case p.Error == gosnmp.TooBig && reps > 1:
		t.repetitions = reps / 2
	case p.Error == gosnmp.TooBig && len(active) > 1:
		t.columns = len(active) / 2
	case op == opBulk:
		t.stopBulk(r.now())
	case p.Error == gosnmp.NoSuchName && r.v1 && bad >= 0 && bad < len(active):
		cols[active[bad]].done = true // the end of the device's objects
	case bad >= 0 && bad < len(active):
		cols[active[bad]].fail(fmt.Errorf("%s after %d rows", p.Error, cols[active[bad]].rows))
	case len(active) > 1:
		t.columns = 1
	case p.Error == gosnmp.NoSuchName:
		cols[active[0]].done = true
	default:
		cols[active[0]].fail(fmt.Errorf("%s after %d rows", p.Error, cols[active[0]].rows))
	}
}

// take hands over a reply's instances and tells whether any column moved on.
// The varbinds of the columns take turns; a reply may end anywhere.
func take(p *gosnmp.SnmpPacket, cols []*column, active []int, visit func(int, string, gosnmp.SnmpPDU)) bool {
	moved := false
	for k, v := range p.Variables {
		i := active[k%len(active)]
		c := cols[i]
		if c.done {
			continue
		}
		name := strings.TrimPrefix(v.Name, ".")
		index, ok := below(name, c.oid)
		switch {
		case v.Type == gosnmp.EndOfMibView || v.Type == gosnmp.NoSuchObject || v.Type == gosnmp.NoSuchInstance:
			c.done, moved = true, true
		case name == c.from(): // the asked OID again: the agent does not know how to go on
		case !ok:
			c.done, moved = true, true
		case c.last != "" && compareOID(index, c.last) <= 0:
			c.fail(fmt.Errorf("OID not increasing: %s after %s", index, c.last))
			moved = true
		case c.rows >= maxRows:
			c.fail(fmt.Errorf("more than %d rows", maxRows))
			moved = true
		default:
			c.last, c.cursor, moved = index, name, true
			c.rows++
			visit(i, index, v)
		}
	}
	return moved
}

// below returns what follows root in oid.
func below(oid, root string) (string, bool) {
	if len(oid) > len(root)+1 && oid[len(root)] == '.' && oid[:len(root)] == root {
		return oid[len(root)+1:], true
	}
	return "", false
}

// compareOID orders dotted numbers as the protocol does, number by number.
func compareOID(a, b string) int {
	for a != "" && b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		if len(x) != len(y) {
			return len(x) - len(y)
		}
		if c := strings.Compare(x, y); c != 0 {
			return c
		}
	}
	return len(a) - len(b)
}
