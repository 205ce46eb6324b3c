package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/incident"
)

// otherCollector is what another collector wrote: versions of incidents.
type otherCollector struct {
	versions map[string]int64
	broken   bool
}

func (o *otherCollector) IncidentVersions(context.Context, time.Time) (map[string]int64, error) {
	return maps.Clone(o.versions), nil
}

func (o *otherCollector) Incident(_ context.Context, id string) (incident.Incident, error) {
	if o.broken {
		return incident.Incident{}, errors.New("the database went away")
	}
	return incident.Incident{ID: id, Version: o.versions[id]}, nil
}

// TestFollower: pages at a collector that does not judge hear of each change
// once, also of one that could not be read at first, and of very many by one word.
func TestFollower(t *testing.T) {
	other := &otherCollector{versions: map[string]int64{"a": 3, "b": 1}}
	var told []string
	again := 0
	f := &follower{store: other, tell: func(i incident.Incident) { told = append(told, fmt.Sprint(i.ID, i.Version)) }, lookAgain: func() { again++ }}
	look := func(wantAgain int, want ...string) {
		t.Helper()
		told, again = nil, 0
		err := f.look(t.Context(), time.Now())
		if (err != nil) != other.broken {
			t.Fatalf("look: %v", err)
		}
		if slices.Sort(told); !slices.Equal(told, want) || again != wantAgain {
			t.Errorf("told of %v and %d times of everything, want %v and %d", told, again, want, wantAgain)
		}
	}
	look(1)
	look(0)
	other.versions["b"], other.versions["c"] = 2, 1
	look(0, "b2", "c1")
	other.versions["a"], other.broken = 4, true
	look(0)
	other.broken = false
	look(0, "a4")
	for n := range followMost + 1 {
		other.versions[fmt.Sprint(n)] = 1
	}
	look(1)
	look(0)
}
