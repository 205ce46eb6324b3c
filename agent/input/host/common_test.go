package host

import "testing"

func TestTimesGoUpwards(t *testing.T) {
	var m modes
	for i, step := range []struct{ read, want float64 }{{100, 100}, {99.5, 100}, {100.2, 100.2}, {41, 100.2}, {3, 3}, {4, 4}} {
		if got := m.upwards("0", "idle", step.read); got != step.want {
			t.Errorf("step %d: %v read as %v, want %v", i, step.read, got, step.want)
		}
	}
	if got := m.upwards("1", "idle", 1); got != 1 {
		t.Errorf("another processor's time is %v, want 1", got)
	}
}
