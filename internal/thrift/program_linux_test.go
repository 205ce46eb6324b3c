package thrift

import (
	"log/slog"
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

// resident is how much of the program's file is in memory, in bytes.
func resident(t *testing.T) (n uint64) {
	t.Helper()
	all, err := ownMappings()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		n += m.resident
	}
	return n
}

// The program goes on after its pages were let go, with few of them: where the kernel
// can, with those alone that it touches.
func TestGiveBack(t *testing.T) {
	var loose program
	loose.asked = true // and refused, as by an older kernel
	gone, err := loose.giveBack()
	if err != nil || gone < 1<<20 {
		t.Fatalf("%d bytes were let go, %v", gone, err)
	}
	around := resident(t)
	if around == 0 || around >= gone {
		t.Errorf("%d bytes at first, then %d: what is not needed has to stay away", gone, around)
	}
	var own program
	defer own.close()
	if _, err := own.giveBack(); err != nil {
		t.Fatal(err)
	}
	if !own.exact {
		t.Log("this kernel brings back sixteen pages at each touch")
		return
	}
	if n := resident(t); n > around/2 {
		t.Errorf("%d bytes come back exactly, %d without", n, around)
	}
	own.close()
	again := &program{} // what is closed can be asked for again: the agent begins anew with other settings
	defer again.close()
	if _, err := again.giveBack(); err != nil || !again.exact {
		t.Errorf("once more: exact %t, %v", again.exact, err)
	}
}

// Stay ends when it is told to.
func TestStayEnds(t *testing.T) {
	end := Stay(t.Context(), Hourly, slog.New(slog.DiscardHandler))
	end()
}
