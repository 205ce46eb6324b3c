package incident

// Tally counts what became of an incident's effects, so that an auditor can
// compare it with their rows: everything triggered was delivered, failed, was
// suppressed or called off, or is still pending.
type Tally struct {
	Kept       bool `json:"kept,omitempty"` // counted from the first event on; incidents opened before tallies were kept are not
	Triggered  int  `json:"triggered,omitempty"`
	Delivered  int  `json:"delivered,omitempty"`
	Failed     int  `json:"failed,omitempty"`
	Suppressed int  `json:"suppressed,omitempty"` // never queued, and why is in the log
	CalledOff  int  `json:"called_off,omitempty"` // its step was left before it was carried out
}

// effect counts an effect's event; pending tells whether its outcome was awaited.
func (t *Tally) effect(e Event, pending bool) {
	switch {
	case e.Kind == EffectQueued:
		t.Triggered++
	case !pending && e.Effect.Outcome == "suppressed":
		t.Triggered++
		t.Suppressed++
	case !pending: // an outcome that came after the step was left
		t.CalledOff--
		fallthrough
	default:
		if e.Kind == EffectFailed {
			t.Failed++
		} else {
			t.Delivered++
		}
	}
}

// Unaccounted is how many effects were triggered of which nothing is known,
// counting those that are pending as known.
func (i Incident) Unaccounted() int {
	t := i.Effects
	return t.Triggered - t.Delivered - t.Failed - t.Suppressed - t.CalledOff - len(i.Pending)
}
