package snmp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestGet(t *testing.T) {
	const objects = 60
	first := func(q request, n int) bool { return len(q.oids) > n }
	tests := []struct {
		name   string
		next   bool
		config func(*Config)
		edit   func(q request, a *answer)
		want   int    // values
		fault  string // joined
		most   int    // requests
		lost   bool
	}{
		{name: "well", want: objects - 1, most: 4},
		{name: "GETNEXT", next: true, want: objects, most: 4},
		{name: "version 1", config: func(c *Config) { c.Version = V1 }, want: objects - 1, most: 5},
		{name: "too big above 3", edit: func(q request, a *answer) {
			if first(q, 3) {
				*a = answer{id: q.id, status: TooBig}
			}
		}, want: objects - 1, most: 60},
		{name: "one is an error", edit: func(q request, a *answer) {
			if i := holds(a, cell(1, 7)); i > 0 {
				*a = answer{id: q.id, status: GenErr, index: i}
			}
		}, want: objects - 2, fault: "1.3.9.1.1.7: genErr", most: 5},
		{name: "one is an error, unnamed", edit: func(q request, a *answer) {
			if holds(a, cell(1, 7)) > 0 {
				*a = answer{id: q.id, status: GenErr}
			}
		}, want: objects - 2, fault: "1.3.9.1.1.7: genErr", most: 25},
		{name: "one is left out", edit: func(_ request, a *answer) {
			if i := holds(a, cell(1, 7)); i > 0 {
				a.vbs = append(a.vbs[:i-1:i-1], a.vbs[i:]...)
			}
		}, want: objects - 2, fault: "1.3.9.1.1.7: left out of the answer", most: 4},
		{name: "one cannot be decoded", edit: func(_ request, a *answer) {
			if i := holds(a, cell(1, 7)); i > 0 {
				a.vbs[i-1].value = []byte{Integer, 9, 1}
			}
		}, want: objects - 2, fault: "1.3.9.1.1.7: undecodable value", most: 4},
		{name: "one is another", edit: func(_ request, a *answer) {
			if i := holds(a, cell(1, 7)); i > 0 {
				a.vbs[i-1].oid = cell(9, 9)
			}
		}, want: objects - 2, fault: "1.3.9.1.1.7: answered with 1.3.9.1.9.9", most: 4},
		{name: "silent above 4", edit: func(q request, a *answer) { a.silent = first(q, 4) }, want: objects - 1, most: 40},
		{name: "dead", edit: func(_ request, a *answer) { a.silent = true }, lost: true, most: 4},
		{name: "may not read", edit: func(q request, a *answer) { *a = answer{id: q.id, status: AuthorizationError} }, lost: true, most: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, grid(1, objects)).breaks(tt.edit)
			s := f.session(tt.config)
			var oids []OID
			for i := range objects { // cell 0 is not there; in GETNEXT cell 1 follows it
				oids = append(oids, cell(1, i))
			}
			got := map[int]int64{}
			visit := func(i int, v Value) { got[i], _ = v.Int64() }
			var faults []Fault
			var err error
			if tt.next {
				faults, err = s.Next(context.Background(), oids, func(i int, oid []byte, v Value) {
					if OID(oid) != cell(1, i+1) {
						t.Errorf("%s follows %s", AppendOID(nil, oid), oids[i])
					}
					visit(i-1, v)
				})
			} else {
				faults, err = s.Get(context.Background(), oids, visit)
			}
			var texts []string
			for _, f := range faults {
				texts = append(texts, f.Error())
			}
			if text := strings.Join(texts, "; "); text != tt.fault || (err != nil) != tt.lost || len(got) != tt.want {
				t.Errorf("%d values, faults %q, error %v; want %d, %q", len(got), text, err, tt.want, tt.fault)
			}
			for i, v := range got {
				if want := int64(1000 + i); v != want && !tt.next || tt.next && v != want+2 {
					t.Errorf("object %d is %d", i, v)
				}
			}
			if n := int(f.asked.Load()); n > tt.most {
				t.Errorf("%d requests, want at most %d", n, tt.most)
			}
		})
	}
}

// TestLostErrors: whoever calls can tell silence, refusal and the end of time.
func TestLostErrors(t *testing.T) {
	f := newFake(t, grid(1, 1)).breaks(func(_ request, a *answer) { a.silent = true })
	s := f.session(nil)
	_, err := s.Get(context.Background(), one, nil)
	if !Silent(err) || Silent(errors.New("x")) || !Silent(fmt.Errorf("wrapped: %w", err)) {
		t.Errorf("silence: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Get(ctx, one, nil); !errors.Is(err, context.Canceled) || Silent(err) {
		t.Errorf("after the end: %v", err)
	}
	for _, r := range Reasons() {
		if err := error(Refusal{r}); !strings.HasPrefix(err.Error(), "refused: the ") {
			t.Errorf("%s: %v", r, err)
		}
	}
}

// TestWaits checks how long replies are waited for.
func TestWaits(t *testing.T) {
	const ms = time.Millisecond
	var r rtt
	if got := r.wait(0, 1, false, time.Second); got != time.Second {
		t.Errorf("nothing known: %v", got)
	}
	r.sample(2*ms, 1)
	for range 20 {
		r.sample(5*ms, 50)
	}
	if got := r.wait(0, 50, false, time.Second); got != shortestWait {
		t.Errorf("a fast agent: %v", got)
	}
	if a, b := r.wait(1, 50, false, time.Second), r.wait(2, 50, false, time.Second); a != 2*shortestWait || b != time.Second {
		t.Errorf("tries after the first: %v, %v", a, b)
	}
	if got := r.wait(0, 50, true, time.Second); got != time.Second {
		t.Errorf("the last try: %v", got)
	}
	slow := rtt{}
	slow.sample(20*ms, 1)
	if got := slow.wait(0, 40, false, 5*time.Second); got < 800*ms {
		t.Errorf("40 values of an agent that may take 20 ms each: %v", got)
	}
	for range 10 {
		slow.sample(400*ms, 20)
	}
	if e := slow.expect(40); e < 750*ms || e > 850*ms {
		t.Errorf("40 values of an agent that takes 20 ms each are expected after %v", e)
	}
	cold := rtt{}
	cold.sample(300*ms, 1) // the first answer took long for another reason
	cold.sample(4*ms, 4)
	if e := cold.expect(50); e > 60*ms {
		t.Errorf("one slow answer: 50 values are expected after %v", e)
	}
}

// TestDeadlines puts many in and takes them out in order.
func TestDeadlines(t *testing.T) {
	var d deadlines
	now := time.Now()
	var all []*pending
	for i := range 200 {
		p := &pending{place: -1, deadline: now.Add(time.Duration(i*7919%200) * time.Second)}
		all = append(all, p)
		d.add(p)
	}
	for _, p := range all[:50] {
		d.remove(p)
		d.remove(p)
	}
	last := now.Add(-time.Hour)
	n := 0
	for p := d.due(now.Add(time.Hour)); p != nil; p = d.due(now.Add(time.Hour)) {
		if p.deadline.Before(last) || p.place != -1 {
			t.Fatalf("%v after %v", p.deadline, last)
		}
		last = p.deadline
		n++
	}
	if n != 150 || len(d) != 0 {
		t.Errorf("%d came out, %d are left", n, len(d))
	}
}
