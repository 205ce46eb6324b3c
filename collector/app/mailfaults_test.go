package app

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/config"
	"github.com/faultline/faultline/internal/lab/mailbox"
)

// TestMailsThroughTheWiredPath is TestTicketsThroughTheWiredPath for the desk
// e-mail: a real mail server behind one that goes wrong with one connection in
// five, and a collector that is killed in the middle. A mail server cannot be
// asked what it took: a message that may have arrived comes again under the same
// Message-ID and says 重发. Nothing is lost, nothing comes twice without saying so.
func TestMailsThroughTheWiredPath(t *testing.T) {
	t.Parallel()
	n := tickets(t)
	box, err := mailbox.Open("127.0.0.1:0", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	server, err := mailbox.Trouble(box, 20, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- box.Run(ctx) }()
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	cfg, err := config.Parse("test", []byte("listen: 127.0.0.1:0\ninventory: x\ndata: "+t.TempDir()+"\nmail: {host: '"+server.Addr()+"', from: noc@example.com, reply_to: faultline@example.com, tls: none}\n"))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	r := &round{cfg: cfg, n: n, url: "sqlite:" + filepath.Join(t.TempDir(), "f.db")}
	r.queue(t)
	r.collect(t, n*3/2) // killed in the middle
	r.collect(t, 3*n)
	repeats := checkMails(t, box.Mails(), n)
	t.Logf("%d tickets, %d mails in %s: faults %v, %d repeats that say 重发, collector killed once", n, 3*n, time.Since(began).Round(time.Second), server.Counts(), repeats)
	if total(server.Counts()) == 0 && n >= 8 {
		t.Error("nothing went wrong at the mail server: the test shows nothing")
	}
}

// checkMails compares what arrived with what was sent and returns how many mails
// came again and said so.
func checkMails(t *testing.T, mails []mailbox.Mail, n int) (repeats int) {
	t.Helper()
	plain, first := map[string]int{}, map[string]int{} // by Message-ID up to its code
	for at, m := range mails {
		id := strings.Trim(m.MessageID, "<>")
		id = id[:max(strings.LastIndexByte(id[:max(strings.IndexByte(id, '@'), 0)], '.'), 0)]
		if _, seen := first[id]; !seen {
			first[id] = at
		} else if !strings.Contains(m.Subject, "重发") {
			t.Errorf("%s came again and does not say so", m.MessageID)
		}
		if strings.Contains(m.Subject, "重发") {
			repeats++
		} else {
			plain[id]++
		}
	}
	lost, disordered := 0, 0
	for i := range n {
		last := -1
		for m := range 3 {
			id := fmt.Sprintf("inc.in%04d.%d.ticket", i, m)
			at, arrived := first[id]
			if !arrived {
				lost++
				continue
			}
			if plain[id] > 1 {
				t.Errorf("%s came %d times without saying so", id, plain[id])
			}
			if at < last {
				disordered++
			}
			last = at
		}
	}
	if lost > 0 || disordered > 0 || len(first) != 3*n {
		t.Errorf("%d mails lost, %d out of order, %d messages in all, want 0, 0, %d", lost, disordered, len(first), 3*n)
	}
	return repeats
}
