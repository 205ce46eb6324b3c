package mailbox

import (
	"bufio"
	"context"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// What a troubled mail server does, instead of taking a mail and saying so.
const (
	Busy       = "421 on connecting"
	Refused    = "connection closed at once"
	TurnedAway = "451 to DATA"
	CutInData  = "connection cut within the message"
	LostAnswer = "connection cut after accepting"
	SlowAnswer = "no answer after accepting"
)

var troubles = []string{Busy, Refused, TurnedAway, CutInData, LostAnswer, SlowAnswer}

// Troubled is a mail server before a Box that goes wrong now and then.
type Troubled struct {
	ln     net.Listener
	box    string
	chance int
	hold   time.Duration
	wg     sync.WaitGroup

	mu     sync.Mutex // guards the fields below
	rnd    *rand.Rand
	counts map[string]int
}

// Trouble listens before the box on a free port of the loopback interface; of 100
// connections chance go wrong. Answers that never come are withheld for hold.
func Trouble(b *Box, chance int, hold time.Duration) (*Troubled, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &Troubled{ln: ln, box: b.Addr(), chance: chance, hold: hold, rnd: rand.New(rand.NewPCG(1, 2)), counts: map[string]int{}}, nil
}

// Addr is where it listens.
func (t *Troubled) Addr() string { return t.ln.Addr().String() }

// Counts returns how often each trouble happened.
func (t *Troubled) Counts() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.counts)
}

// Run serves until ctx ends.
func (t *Troubled) Run(ctx context.Context) error {
	defer t.wg.Wait()
	stop := context.AfterFunc(ctx, func() { _ = t.ln.Close() })
	defer stop()
	for {
		c, err := t.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		t.wg.Go(func() {
			defer func() { _ = c.Close() }()
			defer context.AfterFunc(ctx, func() { _ = c.Close() })()
			t.serve(ctx, c)
		})
	}
}

// pick draws what goes wrong with a connection; "" is nothing.
func (t *Troubled) pick() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rnd.IntN(100) >= t.chance {
		return ""
	}
	return troubles[t.rnd.IntN(len(troubles))]
}

func (t *Troubled) happened(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[what]++
}

func (t *Troubled) serve(ctx context.Context, c net.Conn) {
	what := t.pick()
	switch what {
	case Busy:
		_, _ = io.WriteString(c, "421 4.3.2 too busy\r\n")
		t.happened(what)
		return
	case Refused:
		t.happened(what)
		return
	}
	var d net.Dialer
	b, err := d.DialContext(ctx, "tcp", t.box)
	if err != nil {
		return
	}
	defer func() { _ = b.Close() }()
	var dotted atomic.Bool // the message is at the box: its next answer is about it
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		t.answers(ctx, c, b, what, &dotted)
		_, _ = c.Close(), b.Close()
	}()
	t.commands(c, b, what, &dotted)
	_ = b.Close()
	<-ended
}

// answers carries the box's answers back.
func (t *Troubled) answers(ctx context.Context, c io.Writer, b io.Reader, what string, dotted *atomic.Bool) {
	r := bufio.NewReader(b)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		if dotted.Load() && strings.HasPrefix(line, "250") {
			switch what {
			case LostAnswer:
				t.happened(what)
				return
			case SlowAnswer:
				t.happened(what)
				select {
				case <-time.After(t.hold):
				case <-ctx.Done():
				}
				return
			}
		}
		if _, err := io.WriteString(c, line); err != nil {
			return
		}
	}
}

// commands carries the client's commands and message to the box.
func (t *Troubled) commands(c net.Conn, b io.Writer, what string, dotted *atomic.Bool) {
	r := bufio.NewReader(c)
	inData, lines := false, 0
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch {
		case !inData && strings.EqualFold(strings.TrimSpace(line), "DATA"):
			if what == TurnedAway {
				t.happened(what)
				if _, err := io.WriteString(c, "451 4.7.1 please try again later\r\n"); err != nil {
					return
				}
				continue
			}
			inData = true
		case inData && line == ".\r\n":
			inData = false
			dotted.Store(true)
		case inData:
			if lines++; what == CutInData && lines == 5 {
				t.happened(what)
				return
			}
		}
		if _, err := io.WriteString(b, line); err != nil {
			return
		}
	}
}
