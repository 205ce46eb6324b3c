package discover

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// How often progress is shown.
const (
	drawEvery = 100 * time.Millisecond // on a terminal
	lineEvery = 5 * time.Second        // elsewhere
)

// Progress shows how far a sweep is: as a bar on a terminal, as a line now and
// then elsewhere. It is safe for concurrent use.
type Progress struct {
	to       io.Writer
	terminal bool
	now      func() time.Time

	mu    sync.Mutex // guards the fields below
	shown time.Time
	phase string
	begun time.Time // the phase
	drawn bool      // a bar stands on the terminal
}

// NewProgress makes a Progress that writes to a file, such as os.Stderr.
func NewProgress(f *os.File) *Progress {
	info, err := f.Stat()
	return &Progress{to: f, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0, now: time.Now}
}

// Report takes where a sweep is. It writes seldom, so it may be called often.
func (p *Progress) Report(s Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if s.Phase != p.phase {
		p.phase, p.begun = s.Phase, now
		if p.shown.IsZero() && !p.terminal {
			p.shown = now
		}
	}
	every := lineEvery
	if p.terminal {
		every = drawEvery
	}
	if now.Sub(p.shown) < every && (s.Done < s.Total || !p.terminal) {
		return
	}
	p.shown = now
	if p.terminal {
		fmt.Fprintf(p.to, "\r\x1b[K%s", p.line(s, now, true))
		p.drawn = true
		return
	}
	fmt.Fprintln(p.to, p.line(s, now, false))
}

// Close takes the bar off the terminal.
func (p *Progress) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drawn {
		fmt.Fprint(p.to, "\r\x1b[K")
		p.drawn = false
	}
}

// words are what the phases do.
var words = map[string]string{"ping": "calling", "snmp": "asking by SNMP", "names": "names and ports"}

func (p *Progress) line(s Status, now time.Time, bar bool) string {
	share := 1.0
	if s.Total > 0 {
		share = float64(s.Done) / float64(s.Total)
	}
	text := fmt.Sprintf("%s: %d of %d addresses, %d answer, %d by SNMP", words[s.Phase], s.Done, s.Total, s.Answered, s.SNMP)
	if took := now.Sub(p.begun); s.Done > 0 && s.Done < s.Total && took > time.Second {
		left := time.Duration(float64(took) * (1 - share) / share)
		text += fmt.Sprintf(", about %s left", left.Round(time.Second))
	}
	if !bar {
		return text
	}
	const width = 24
	full := int(share * width)
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", width-full) + "] " + text
}
