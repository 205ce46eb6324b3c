package option_test

import (
	"testing"

	"github.com/faultline/faultline/agent/input/option"
)

// A size may be larger than an int of 32 bits, and has bounds.
func TestBytes(t *testing.T) {
	for _, c := range []struct {
		text string
		want int64
		good bool
	}{{"", 7, true}, {"3000000000", 3_000_000_000, true}, {"0", 7, false}, {"1e3", 7, false}, {"4000000000", 7, false}, {"99999999999999999999", 7, false}} {
		o := option.New("file", map[string]string{"max_bytes": c.text})
		if got := o.Bytes("max_bytes", 7, 1, 3_500_000_000); got != c.want || (o.Err() == nil) != c.good {
			t.Errorf("%q: got %d, %v; want %d", c.text, got, o.Err(), c.want)
		}
	}
}
