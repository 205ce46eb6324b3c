package api

import (
	"net/http"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/topology"
)

type topologyView struct {
	ComparedAt *time.Time     `json:"compared_at"` // null: nothing was compared yet
	Sightings  []sightingView `json:"sightings"`
	Drift      []driftView    `json:"drift"`
	Proposals  []proposalView `json:"proposals"`
}

type sightingView struct {
	Site      string    `json:"site"`
	Device    string    `json:"device"`
	Port      string    `json:"port"`
	Neighbour string    `json:"neighbour"`
	FarPort   string    `json:"far_port,omitempty"`
	By        string    `json:"by"`
	SeenAt    time.Time `json:"seen_at"`
}

type driftView struct {
	Kind     string   `json:"kind"`
	Site     string   `json:"site"`
	Device   string   `json:"device"`
	Port     string   `json:"port"`
	Declared string   `json:"declared,omitempty"`
	Seen     string   `json:"seen,omitempty"`
	Misleads []string `json:"misleads,omitempty"`
}

type proposalView struct {
	Site       string   `json:"site"`
	Device     string   `json:"device"`
	Port       string   `json:"port,omitempty"`
	To         string   `json:"to"`
	Peer       string   `json:"peer,omitempty"`
	Replaces   string   `json:"replaces,omitempty"`
	Confidence string   `json:"confidence"`
	By         []string `json:"by"`
	YAML       string   `json:"yaml"` // to be written into the inventory
}

// getTopology answers GET /api/v1/topology: of the sites that the reader sees, and
// of one site or device if asked for.
func (s *server) getTopology(w http.ResponseWriter, r *http.Request) error {
	p, _ := account.From(r.Context())
	site, device := r.URL.Query().Get("site"), r.URL.Query().Get("device")
	out := topologyView{Sightings: []sightingView{}, Drift: []driftView{}, Proposals: []proposalView{}}
	if s.Topology == nil {
		return answer(w, http.StatusOK, out)
	}
	found := s.Topology()
	out.ComparedAt = moment(found.At)
	of := func(d string) (string, bool) {
		at := ""
		if s.SiteOf != nil {
			at = s.SiteOf(d)
		}
		return at, p.Sees(at) && (site == "" || site == at) && (device == "" || device == d)
	}
	for _, x := range found.Sightings {
		if at, ok := of(x.Device); ok {
			out.Sightings = append(out.Sightings, sightingView{at, x.Device, x.Port, x.Neighbor, x.FarPort, x.By, x.At.UTC()})
		}
	}
	for _, x := range found.Drift {
		if at, ok := of(x.Device); ok {
			out.Drift = append(out.Drift, driftView{x.Kind, at, x.Device, x.Port, x.Declared, x.Seen, x.Misleads})
		}
	}
	for _, x := range found.Proposals {
		if at, ok := of(x.Device); ok {
			out.Proposals = append(out.Proposals, proposalOf(x, at))
		}
	}
	return answer(w, http.StatusOK, out)
}

func proposalOf(x topology.Proposal, site string) proposalView {
	return proposalView{site, x.Device, x.Port, x.To, x.Peer, x.Replaces, x.Confidence, append([]string{}, x.By...), x.Snippet()}
}
