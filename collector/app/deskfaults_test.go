package app

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/config"
	"github.com/faultline/faultline/internal/lab/desks"
)

// TestEachFaultAtEachConfiguredDesk: a desk made of the configuration's YAML, and
// each of the faults the vendors' systems show, one at a time: the ticket's three
// messages arrive once each and in order.
func TestEachFaultAtEachConfiguredDesk(t *testing.T) {
	for _, w := range wiredDesks() {
		if strings.HasSuffix(w.name, " program") {
			continue // the same code; TestTicketsThroughTheWiredPath has them
		}
		for _, fault := range []string{desks.LostAnswer, desks.Slow, desks.TooMany, desks.WrongBody} {
			t.Run(w.name+"/"+fault, func(t *testing.T) {
				t.Parallel()
				srv := desks.Serve(w.system())
				defer srv.Close()
				srv.Next(fault, time.Minute)
				cfg, err := config.Parse("test", []byte("listen: 127.0.0.1:0\ninventory: x\ndata: "+t.TempDir()+"\n"+strings.ReplaceAll(w.yaml, "ADDRESS", srv.URL)))
				if err != nil {
					t.Fatal(err)
				}
				r := &round{cfg: cfg, n: 1, url: "sqlite:" + filepath.Join(t.TempDir(), "f.db")}
				r.queue(t)
				r.collect(t, 3)
				r.check(t, srv, w.key)
				if got := srv.Counts()[fault]; got != 1 {
					t.Errorf("%s happened %d times, want once", fault, got)
				}
			})
		}
	}
}
