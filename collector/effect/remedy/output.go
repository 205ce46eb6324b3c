package remedy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	plugin "github.com/faultline/faultline/plugins/remedy"
)

// running is a run that goes on beside the outbox.
type running struct {
	output  *output
	ended   chan struct{} // closed when outcome and err are set
	outcome plugin.Outcome
	err     error

	runner plugin.Runner
	key    string // of the order
	cancel context.CancelFunc
	mu     sync.Mutex // guards halted
	halted time.Time  // when somebody's stop was handed on; zero: nobody's was
}

// maxOutput bounds what is kept of a run's output, in bytes.
const maxOutput = 256 << 10

// output is what a run printed, as much as is kept of it.
type output struct {
	mu   sync.Mutex // guards the fields below
	b    strings.Builder
	lost int
	kept int // bytes that are kept already
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	take := min(len(b), maxOutput-o.b.Len())
	o.b.Write(b[:take])
	o.lost += len(b) - take
	return len(b), nil
}

// news is the output so far, and whether there is more than was kept.
func (o *output) news() (string, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.ToValidUTF8(o.b.String(), "?"), o.b.Len() > o.kept
}

func (o *output) keptTo(n int) {
	o.mu.Lock()
	o.kept = max(o.kept, n)
	o.mu.Unlock()
}

// text is all of it, with what was left out.
func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := strings.ToValidUTF8(o.b.String(), "?")
	if o.lost > 0 {
		text += fmt.Sprintf("\n[%d bytes more were printed]\n", o.lost)
	}
	return text
}

func outputName(key string) string { return "remedy-output/" + key }

// Output is what the run of an effect has printed so far, as any collector may
// read it; "" when it prints nothing, or its output is a document already.
func Output(ctx context.Context, kv KV, notFound error, effectKey string) (string, error) {
	text, err := kv.KVGet(ctx, outputName(effectKey))
	if errors.Is(err, notFound) {
		return "", nil
	}
	return text, err
}

// ending is the last lines of a text, at most so many bytes.
func ending(text string, most int) string {
	if len(text) <= most {
		return text
	}
	text = text[len(text)-most:]
	if n := strings.IndexByte(text, '\n'); n >= 0 {
		text = text[n+1:]
	}
	return "…\n" + strings.ToValidUTF8(text, "")
}
