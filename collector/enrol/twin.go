package enrol

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Instance is one running program that uses an agent's identity.
type Instance struct {
	ID, Machine, Host, Remote string
	Last                      time.Time
}

// String names the instance for people.
func (i Instance) String() string {
	return strings.TrimSpace(fmt.Sprintf("host %s at %s (machine %.8s)", i.Host, i.Remote, i.Machine))
}

// Twin is one identity in two running programs.
type Twin struct {
	Agent      string
	One, Other Instance
	At         time.Time
}

const (
	// twinAfter is how often a program has to come back after another spoke. A
	// restart comes back never, a request that was late on its way once.
	twinAfter     = 2
	twinForget    = 10 * time.Minute
	instanceLimit = 4 // of one agent
	agentLimit    = 20_000
)

// sightings are what was seen of agents since they were written down, and which
// programs speak for them.
type sightings struct {
	mu sync.Mutex // guards m
	m  map[string]*sighting
}

type sighting struct {
	at        time.Time
	remote    string
	fresh     bool       // not written down yet
	instances []Instance // the last that spoke is last
	returns   int        // how often one came back after another spoke
	twin      *Twin
}

// note remembers a request and returns a twin the first time it shows, and again
// when it still shows after ten minutes.
func (s *sightings) note(agent, header, remote string, now time.Time) *Twin {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil {
		s.m = map[string]*sighting{}
	}
	g := s.m[agent]
	if g == nil {
		if len(s.m) >= agentLimit {
			return nil
		}
		g = &sighting{}
		s.m[agent] = g
	}
	g.at, g.remote, g.fresh = now, remote, true
	i, ok := parseInstance(header)
	if !ok {
		return nil
	}
	i.Remote, i.Last = remote, now
	return g.speak(agent, i)
}

// speak notes that an instance spoke.
func (g *sighting) speak(agent string, i Instance) *Twin {
	g.instances = slices.DeleteFunc(g.instances, func(o Instance) bool { return i.Last.Sub(o.Last) > twinForget })
	if len(g.instances) < 2 {
		g.returns = 0
	}
	at := slices.IndexFunc(g.instances, func(o Instance) bool { return o.ID == i.ID })
	last := len(g.instances) - 1
	came := at >= 0 && at != last
	if at >= 0 {
		g.instances = slices.Delete(g.instances, at, at+1)
	}
	g.instances = append(g.instances, i)
	if len(g.instances) > instanceLimit {
		g.instances = g.instances[1:]
	}
	if !came {
		return nil
	}
	g.returns++
	if g.returns < twinAfter {
		return nil
	}
	told := g.twin != nil && i.Last.Sub(g.twin.At) < twinForget
	t := &Twin{Agent: agent, One: g.instances[len(g.instances)-2], Other: i, At: i.Last}
	if told {
		return nil
	}
	g.twin = t
	return t
}

// take returns what has not been written down.
func (s *sightings) take() []Sighting {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Sighting
	for agent, g := range s.m {
		if g.fresh {
			out = append(out, Sighting{Agent: agent, Remote: g.remote, At: g.at})
			g.fresh = false
		}
	}
	slices.SortFunc(out, func(a, b Sighting) int { return strings.Compare(a.Agent, b.Agent) })
	return out
}

// of returns when and where an agent was seen last by this collector.
func (s *sightings) of(agent string) (at time.Time, remote string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.m[agent]
	if g == nil {
		return time.Time{}, "", false
	}
	return g.at, g.remote, true
}

// twinsNow are the twins of the last ten minutes.
func (s *sightings) twinsNow(now time.Time) []Twin {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Twin
	for _, g := range s.m {
		if g.twin != nil && now.Sub(g.twin.At) < twinForget {
			out = append(out, *g.twin)
		}
	}
	return out
}

// Twins are the identities that two running programs used in the last ten
// minutes, as this collector saw it.
func (s *Service) Twins() []Twin { return s.seen.twinsNow(s.opt.Now()) }

// parseInstance reads pki.HeaderInstance.
func parseInstance(header string) (Instance, bool) {
	f := strings.Fields(header)
	if len(f) != 3 || len(header) > 400 {
		return Instance{}, false
	}
	return Instance{ID: f[0], Machine: f[1], Host: shorten(f[2])}, true
}
