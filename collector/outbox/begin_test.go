package outbox

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/plugins/ticket"
)

// TestBegin: an attempt that ends before it began is in no doubt, however it
// ends; one that ends after it is, unless its error says otherwise. Beginning
// twice writes once.
func TestBegin(t *testing.T) {
	cut := context.DeadlineExceeded
	for _, tt := range []struct {
		name   string
		begins bool
		err    error
		unsure bool
	}{
		{"cut off before it began", false, cut, false},
		{"cut off after it began", true, cut, true},
		{"no answer after it began", true, &ticket.Error{Op: "smtp data", Retryable: true, Ambiguous: true, Err: cut}, true},
		{"refused after it began", true, &ticket.Error{Op: "smtp data", Retryable: true, Err: errors.New("451")}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory(incident.Effect{Key: "i1/1/k", Kind: Marked})
				var seen []Job
				stop := start(t, m, Func(done), func(o *Options) {
					o.Executors = map[string]Executor{Marked: Func(func(ctx context.Context, j Job) (Outcome, error) {
						seen = append(seen, j)
						if len(seen) > 1 {
							return Finish("sent", nil), nil
						}
						for range 2 {
							if tt.begins && lease.Begin(ctx) != nil {
								t.Error("not begun")
							}
						}
						return Outcome{}, tt.err
					})}
				})
				time.Sleep(time.Minute)
				if err := stop(nil); err != nil {
					t.Fatal(err)
				}
				if len(seen) != 2 || seen[1].Ambiguous != tt.unsure || m.begun != map[bool]int{true: 1}[tt.begins] {
					t.Errorf("attempts %+v, begun %d times; want the second in doubt: %v", seen, m.begun, tt.unsure)
				}
			})
		})
	}
}

// TestBeginOfAnothersRow: what another collector has by now, or what was
// cancelled, does not begin.
func TestBeginOfAnothersRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(incident.Effect{Key: "i1/1/k", Kind: Marked})
		var begun error
		stop := start(t, m, Func(done), func(o *Options) {
			o.Executors = map[string]Executor{Marked: Func(func(ctx context.Context, _ Job) (Outcome, error) {
				m.mu.Lock()
				m.rows["i1/1/k"].State = Cancelled
				m.mu.Unlock()
				begun = lease.Begin(ctx)
				return Outcome{}, begun
			})}
		})
		time.Sleep(time.Minute)
		if err := stop(nil); err != nil {
			t.Fatal(err)
		}
		if begun == nil || len(m.reported()) != 0 || m.row("i1/1/k").State != Cancelled {
			t.Errorf("begin %v, reported %v, row %+v", begun, m.reported(), m.row("i1/1/k"))
		}
	})
}
