package endurance

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// smallDisk mounts a file system of the size, which only root can.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("mount: %v", err)
		}
		t.Skipf("needs root to mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// others is a file of somebody else's on a file system.
type others struct {
	t    *testing.T
	file *os.File
}

func newOthers(t *testing.T, dir string) *others {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "others"))
	must(t, err)
	t.Cleanup(func() { f.Close() })
	return &others{t, f}
}

// fill writes until the file system takes no more.
func (o *others) fill() {
	o.t.Helper()
	for _, size := range []int{1 << 20, 4 << 10} {
		for b := make([]byte, size); ; {
			if _, err := o.file.Write(b); errors.Is(err, syscall.ENOSPC) {
				break
			} else if err != nil {
				o.t.Fatal(err)
			}
		}
	}
}

// remove frees the space again.
func (o *others) remove() {
	o.t.Helper()
	must(o.t, errors.Join(os.Remove(o.file.Name()), o.file.Close()))
}

// TestFullCollectorDisk fills the file system of the collector's data to the
// last byte: the intake stops with a clear answer, people and programs are still
// answered, the agent keeps what it measures; with space again all goes on by
// itself, and nothing is missing.
func TestFullCollectorDisk(t *testing.T) {
	disk := smallDisk(t, "64m")
	web := newPages(t)
	c := newCompany(t, settings{collectorData: filepath.Join(disk, "data"), agentYAML: web.targets(4)})
	began := time.Now()
	c.run(t)
	load, stop := context.WithCancel(t.Context())
	defer stop()
	w, events := newWriter(c, "a", 100*time.Millisecond, 0), newReporter(c)
	var work sync.WaitGroup
	work.Go(func() { w.run(load) })
	work.Go(func() { events.run(load) })
	waitUntil(t, 30*time.Second, "acknowledgements", func() bool { return w.count() > 10 && events.count() > 10 })

	hog := newOthers(t, disk)
	hog.fill()
	waitUntil(t, 20*time.Second, "the intake to stop", func() bool { return w.has("503", "disk full", "MiB free", "free space on the file system of") })
	waitUntil(t, 20*time.Second, "events to be refused", func() bool {
		hog.fill() // also the reserve that the collector gives up
		return events.has("503", "nothing acknowledged, send again", "disk is full", "free space on the file system of")
	})
	t.Logf("refusals of samples: %v; of events: %v", &w.refusals, &events.refusals)
	c.answersOnFullDisk(t)
	must(t, c.branch.Break("line"))
	<-time.After(10 * time.Second)
	must(t, c.collector.ended())
	must(t, c.agent.ended())
	hog.remove()
	freed := time.Now()
	acked, reported := w.count(), events.count()
	waitUntil(t, 60*time.Second, "the intake to go on", func() bool { return w.count() > acked+10 && events.count() > reported+10 })
	t.Logf("took samples and events again %s after space was freed", time.Since(freed).Round(100*time.Millisecond))
	c.awaitReady(t)
	opened := c.awaitIncident(t, nil, time.Minute, "the incident of what broke meanwhile", func(i incidentJSON) bool { return i.Class == "carrier_line" })
	waitUntil(t, 20*time.Second, "the carrier's ticket", func() bool { return c.tickets(opened.Number) > 0 })
	must(t, c.branch.Mend())
	stop()
	work.Wait()
	c.settle(t, web)
	if l := c.checkMails(t); l.repeats > 0 {
		t.Errorf("%d mails came twice", l.repeats)
	}
	if list, err := c.incidents(); err != nil || len(list) != 1 {
		t.Errorf("incidents %+v, %v; want one", list, err)
	}
	samples := w.check(t)
	fetched, _ := web.check(t, c, began, func(time.Time) bool { return false })
	c.collector.stop(t)
	t.Logf("%d samples and %d events acknowledged, %d fetches by the agent: all found", samples, events.check(t, c.database()), fetched)
}

// answersOnFullDisk wants the collector to answer readers while it takes nothing.
func (c *company) answersOnFullDisk(t *testing.T) {
	t.Helper()
	for _, path := range []string{"/-/healthy", "/api/v1/incidents", "/prometheus/api/v1/query?query=up", "/metrics", "/"} {
		if _, err := c.call(http.MethodGet, path, nil); err != nil {
			t.Errorf("GET %s on a full disk: %v", path, err)
		}
	}
	_, err := c.call(http.MethodGet, "/-/ready", nil)
	t.Logf("GET /-/ready on a full disk: %v", err)
	if n := c.own(t, "faultline_ingest_requests_total", `outcome="store"`, `what="write"`); n < 1 {
		t.Errorf("refused writes are counted %v times", n)
	}
}

// TestFullAgentDisk fills the file system of the agent's spool while the
// collector is away: the agent goes on, says and counts what it cannot keep, and
// delivers everything that was on its disk.
func TestFullAgentDisk(t *testing.T) {
	disk := smallDisk(t, "16m")
	web := newPages(t)
	c := newCompany(t, settings{agentData: filepath.Join(disk, "agent"), agentYAML: web.targets(4), agentPage: true})
	began := time.Now()
	c.run(t)
	must(t, c.collector.kill())
	<-time.After(4 * time.Second)
	full := outage{from: time.Now()}
	hog := newOthers(t, disk)
	hog.fill()
	waitUntil(t, 20*time.Second, "the agent to count what it cannot keep", func() bool { return c.agentOwn(t, "faultline_agent_unspooled_total", `lane="samples"`) > 0 })
	<-time.After(5 * time.Second)
	must(t, c.agent.ended())
	if said := c.agent.output(1 << 20); !strings.Contains(said, "no space left on device") || !strings.Contains(said, "free space on the spool's disk") {
		t.Error("the agent does not say that its disk is full")
	}
	hog.remove()
	full.to = time.Now()
	lost := c.agentOwn(t, "faultline_agent_unspooled_total", `lane="samples"`)
	<-time.After(3 * time.Second)
	must(t, c.collector.start())
	c.awaitReady(t)
	c.settle(t, web)
	fetched, cut := web.check(t, c, began, func(at time.Time) bool { return at.After(full.from.Add(-inHand)) && at.Before(full.to.Add(inHand)) })
	t.Logf("disk full for %s: %v samples not kept; %d of %d fetches missing, all of that time", full.to.Sub(full.from).Round(time.Millisecond), lost, cut, fetched)
	if cut == 0 {
		t.Error("nothing is missing: the disk was not full")
	}
}
