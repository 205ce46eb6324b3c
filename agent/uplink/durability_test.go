package uplink

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/faultline/faultline/plugins/base"
)

func TestDurability(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &receiver{epoch: "one"}
		s, u := setup(t, f, nil)
		stop := start(t, u)
		addEvent(t, s, base.EventTrap, "a") // sequence 1
		addSample(t, s, "m", 0)             // then 2
		synctest.Wait()
		addSample(t, s, "m", 1)
		synctest.Wait()
		if pending(s) == 0 {
			t.Error("let go of what is not durable")
		}

		// All so far becomes durable, which the next answers say.
		f.set(func() { f.durable = f.seq })
		addSample(t, s, "m", 2)
		addEvent(t, s, base.EventTrap, "b")
		synctest.Wait()
		first := len(f.stored())

		// The collector crashes and has lost what was not durable: m 2 and b.
		f.set(func() { f.epoch = "two"; f.seq = 0; f.durable = 0 })
		addSample(t, s, "m", 3)
		synctest.Wait()
		again := f.stored()[first:]
		slices.Sort(again)
		equal(t, again, []string{"event b", "m 2", "m 3"})

		f.set(func() { f.durable = 100 })
		addSample(t, s, "m", 4)
		addEvent(t, s, base.EventTrap, "c")
		synctest.Wait()
		stop()
		if n := pending(s); n != 0 {
			t.Errorf("%d bytes pending after all is durable", n)
		}
	})
}

// A collector that is replaced by a plain receiver gets what was not durable.
func TestDurabilityHeadersVanish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &receiver{epoch: "one"}
		s, u := setup(t, f, nil)
		stop := start(t, u)
		addSample(t, s, "m", 0)
		synctest.Wait()
		f.set(func() { f.epoch = "" })
		addSample(t, s, "m", 1)
		synctest.Wait()
		got := f.stored()
		slices.Sort(got)
		equal(t, got, []string{"m 0", "m 0", "m 1"})
		stop()
		if n := pending(s); n != 0 {
			t.Errorf("%d bytes pending", n)
		}
	})
}

// What is unsure when Run ends goes out again when it runs the next time.
func TestRunEndsAndStartsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &receiver{epoch: "one"}
		s, u := setup(t, f, nil)
		stop := start(t, u)
		addSample(t, s, "m", 0)
		synctest.Wait()
		stop()
		f.set(func() { f.durable = 100 })
		stop = start(t, u)
		synctest.Wait()
		stop()
		equal(t, f.stored(), []string{"m 0", "m 0"})
		if n := pending(s); n != 0 {
			t.Errorf("%d bytes pending", n)
		}
	})
}
