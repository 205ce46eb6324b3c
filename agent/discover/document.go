package discover

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/faultline/faultline/agent/discover/inventory"
	"github.com/faultline/faultline/agent/discover/topology"
)

// Paper says how a result is written down.
type Paper struct {
	Site, Agent string              // ids in the inventory
	Existing    *inventory.Existing // nil: everything is new
	Secrets     bool                // write communities and passwords; else what stands for them
	JSON        bool
	Now         time.Time
}

// summary is the JSON document.
type summary struct {
	Sweep struct {
		Networks    []string  `json:"networks"`
		Excluded    []string  `json:"excluded,omitempty"`
		At          time.Time `json:"at"`
		Seconds     float64   `json:"seconds"`
		Addresses   int       `json:"addresses"`
		Answered    int       `json:"answered"`
		SNMP        int       `json:"snmp"`
		Requests    uint64    `json:"snmp_requests"`
		Interrupted bool      `json:"interrupted"`
		Notes       []string  `json:"notes,omitempty"`
	} `json:"sweep"`
	*topology.Proposal
	Changes *inventory.Changes `json:"changes,omitempty"`
}

// Propose concludes from what was found here. root is as of topology.Sweep.
func (r *Result) Propose(root string) *topology.Proposal {
	return topology.Propose(&topology.Sweep{Self: Self(r.Hosts), Hosts: r.Hosts, Root: root})
}

// Write writes a proposal made of the result down: an inventory in YAML, or
// everything that is known as JSON, in which no secret ever stands. With
// Existing, the devices of the proposal get the ids that they have there.
func (r *Result) Write(proposal *topology.Proposal, p Paper) ([]byte, error) {
	var changes *inventory.Changes
	if p.Existing != nil {
		changes = inventory.Compare(proposal, p.Existing, p.Site, r.Swept, r.Excluded)
	}
	if p.JSON {
		return r.json(proposal, changes, p.Now)
	}
	d := inventory.Document{Proposal: proposal, Site: p.Site, Agent: p.Agent, Existing: p.Existing, Changes: changes, Notes: r.Notes, Options: map[string]map[string]string{}}
	for _, c := range r.Credentials {
		d.Options[c.Name] = c.options(p.Secrets)
	}
	d.Title = fmt.Sprintf("Found by faultline-agent discover %s on %s: %d of %d addresses answered, %d by SNMP; %d devices, %d links.", strings.Join(networks(r), " "),
		p.Now.Format(time.DateTime), len(r.Hosts), r.Addresses, r.agents(), len(proposal.Devices), len(proposal.Links))
	if r.Interrupted {
		d.Notes = append(d.Notes, "the sweep was interrupted: this is what was found until then")
	}
	if !p.Secrets && len(r.Credentials) > 0 {
		d.Notes = append(d.Notes, "communities and passwords are left out: write the file with --output, or fill them in")
	}
	return d.Bytes(), nil
}

func (r *Result) json(proposal *topology.Proposal, changes *inventory.Changes, now time.Time) ([]byte, error) {
	s := summary{Proposal: proposal, Changes: changes}
	w := &s.Sweep
	w.Networks, w.At, w.Seconds, w.Addresses, w.Answered, w.SNMP = networks(r), now.UTC(), r.Took.Seconds(), r.Addresses, len(r.Hosts), r.agents()
	w.Requests, w.Interrupted, w.Notes = r.Requests, r.Interrupted, r.Notes
	for _, x := range r.Excluded {
		w.Excluded = append(w.Excluded, x.String())
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		return nil, fmt.Errorf("write proposal: %w", err)
	}
	return []byte(b.String()), nil
}

func networks(r *Result) []string {
	var all []string
	for _, p := range r.Swept {
		all = append(all, p.String())
	}
	return all
}

// agents counts the addresses that answered SNMP.
func (r *Result) agents() int {
	n := 0
	for i := range r.Hosts {
		if r.Hosts[i].Facts != nil {
			n++
		}
	}
	return n
}

// unsaid stands for a secret that is not written.
const unsaid = "CHANGE-ME"

// options are the options of an snmp target, the version excepted.
func (c *Credential) options(secrets bool) map[string]string {
	o := map[string]string{}
	put := func(name, value string, secret bool) {
		switch {
		case value == "":
		case secret && !secrets:
			o[name] = unsaid
		default:
			o[name] = value
		}
	}
	put("community", c.Community.Reveal(), true)
	put("user", c.User, false)
	put("auth_protocol", c.AuthProtocol, false)
	put("auth_password", c.AuthPassword.Reveal(), true)
	put("priv_protocol", c.PrivProtocol, false)
	put("priv_password", c.PrivPassword.Reveal(), true)
	put("context", c.Context, false)
	return o
}
