package control

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faultline/faultline/agent/link"
	"github.com/faultline/faultline/internal/wire"
)

// controlled is a control that refuses work of one version and cannot open work of
// another.
func controlled(t *testing.T, dir string, c *collector, works *[]int64, offers *[]string) *Control {
	t.Helper()
	client, err := link.New(link.Options{URL: "http://collector", Transport: c})
	if err != nil {
		t.Fatal(err)
	}
	ctl, err := New(Options{Link: client, Dir: dir, OnWork: func(w wire.Work) error {
		if w.Version == 13 {
			return errors.New("no input nonesuch")
		}
		*works = append(*works, w.Version)
		return nil
	}, Open: func(w wire.Work) (wire.Work, error) {
		if w.Secrets == "foreign" {
			return w, errors.New("sealed for another key")
		}
		return w, nil
	}, OnProgram: func(p wire.Program) { *offers = append(*offers, p.Offer) }})
	if err != nil {
		t.Fatal(err)
	}
	return ctl
}

// Work that is refused leaves the last in force, also over a restart; the
// collector is asked for newer than what was refused, and may take it back.
func TestRefusedWorkLeavesTheLastInForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		c := &collector{answers: []http.HandlerFunc{
			work(wire.Work{Version: 3, Targets: targets("a")}),
			work(wire.Work{Version: 13, Targets: targets("b")}),
			work(wire.Work{Version: 13}), // nothing new
		}}
		var works []int64
		ctl := controlled(t, dir, c, &works, new([]string))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := ctl.Run(ctx); err != nil {
			t.Fatal(err)
		}
		equal(t, works, []int64{3})
		if s := ctl.Standing(); s.Version != 3 || s.Refused != 13 || !strings.Contains(s.Problem, "nonesuch") {
			t.Errorf("standing %+v", s)
		}
		equal(t, c.after[2], "/api/v1/agents/self/work?after=13")

		works = nil
		c = &collector{answers: []http.HandlerFunc{
			work(wire.Work{Version: 13, Targets: targets("b")}),
			work(wire.Work{Version: 3, Targets: targets("a")}), // taken back
		}}
		ctl = controlled(t, dir, c, &works, new([]string))
		ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := ctl.Run(ctx); err != nil {
			t.Fatal(err)
		}
		equal(t, works, []int64{3})
		if s := ctl.Standing(); s.Version != 3 || s.Refused != 0 {
			t.Errorf("after it was taken back: %+v", s)
		}
		equal(t, c.after[2], "/api/v1/agents/self/work?after=3")
	})
}

// Work on disk that is sealed to a key that is gone is asked for anew.
func TestWorkThatCannotBeOpenedIsAskedForAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var works []int64
		first := controlled(t, dir, &collector{}, &works, new([]string))
		if err := first.save(wire.Work{Version: 3, Secrets: "foreign", Targets: targets("a")}); err != nil {
			t.Fatal(err)
		}
		c := &collector{answers: []http.HandlerFunc{work(wire.Work{Version: 3, Secrets: "mine", Targets: targets("a")})}}
		ctl := controlled(t, dir, c, &works, new([]string))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := ctl.Run(ctx); err != nil {
			t.Fatal(err)
		}
		equal(t, c.after[0], "/api/v1/agents/self/work?after=0")
		equal(t, works, []int64{3})
	})
}

// A release is told of once for each offer, and the collector knows that it is.
func TestReleasesAreOfferedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		offer := func(o string) http.HandlerFunc {
			return work(wire.Work{Version: 3, Targets: targets("a"), Program: &wire.Program{Version: "0.1.2", Offer: o}})
		}
		c := &collector{answers: []http.HandlerFunc{offer("0.1.2@1"), offer("0.1.2@1"), offer("0.1.2@2")}}
		var offers []string
		ctl := controlled(t, t.TempDir(), c, new([]int64), &offers)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := ctl.Run(ctx); err != nil {
			t.Fatal(err)
		}
		equal(t, offers, []string{"0.1.2@1", "0.1.2@2"})
		equal(t, c.after[1], "/api/v1/agents/self/work?after=3&program=0.1.2%401")
	})
}
