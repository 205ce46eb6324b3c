package app

import (
	"context"
	"log/slog"
	"slices"
	"testing"

	"github.com/faultline/faultline/agent/link"
	"github.com/faultline/faultline/internal/wire"
)

// offers notes the releases it is to prepare.
type offers struct{ prepared []string }

func (o *offers) Prepare(_ context.Context, _ *link.Client, p wire.Program) error {
	o.prepared = append(o.prepared, p.Version)
	return nil
}

func (o *offers) State() (failed, why string) { return "", "" }

// What runs is offered again until the collector has heard that it runs: that is
// neither prepared nor refused.
func TestOfferOfWhatRuns(t *testing.T) {
	o := &offers{}
	a := &App{version: "0.1.2", replace: o, told: make(chan struct{}, 1), log: slog.New(slog.DiscardHandler)}
	for _, v := range []string{"0.1.2", "0.1.3"} {
		a.offer(wire.Program{Version: v})
		a.updates.Wait()
	}
	if want := []string{"0.1.3"}; !slices.Equal(o.prepared, want) {
		t.Errorf("prepared %v, want %v", o.prepared, want)
	}
}
