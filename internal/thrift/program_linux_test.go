package thrift

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadOnlyMappings(t *testing.T) {
	const smaps = `00400000-00a40000 r-xp 00000000 fe:00 7 /usr/bin/agent
Rss:                5824 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
00a40000-011b7000 r--p 00640000 fe:00 7 /usr/bin/agent
Rss:                5532 kB
Anonymous:             4 kB
011b7000-01239000 rw-p 00db7000 fe:00 7 /usr/bin/agent
Rss:                 292 kB
Anonymous:             0 kB
01239000-03284000 rw-p 00000000 00:00 0
Rss:                 104 kB
Anonymous:             0 kB
7f000000-7f001000 r--p 00000000 fe:00 8 /usr/lib/other
Rss:                   4 kB
Anonymous:             0 kB
`
	want := []mapping{{0x400000, 0xa40000, 5824 << 10}} // the second was written to, the third may be, the others are not the program's
	if d := cmp.Diff(readOnly([]byte(smaps), "/usr/bin/agent"), want, cmp.AllowUnexported(mapping{})); d != "" {
		t.Error(d)
	}
}

// The program goes on after its pages were let go.
func TestGiveBackProgram(t *testing.T) {
	gone, err := giveBackProgram()
	if err != nil || gone < 1<<20 {
		t.Fatalf("%d bytes were let go, %v", gone, err)
	}
	again, err := giveBackProgram()
	if err != nil || again == 0 || again >= gone {
		t.Errorf("%d bytes at first, then %d, %v: what is not needed has to stay away", gone, again, err)
	}
}
