package reporter

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"strings"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
)

// Settings keeps small texts by name; sqlstore does.
type Settings interface {
	// KVPut writes one.
	KVPut(ctx context.Context, name, value string) error
	// KVList returns those whose names begin with the prefix.
	KVList(ctx context.Context, prefix string) (map[string]string, error)
	// KVDelete deletes them.
	KVDelete(ctx context.Context, names ...string) error
}

// linkPrefix names the settings that hold sites' links.
const linkPrefix = "report-link/"

// SiteLinks returns the secrets by which people without an account report at a
// site, by site. A site without one takes reports of people with accounts only.
func (s *Service) SiteLinks(ctx context.Context) (map[string]string, error) {
	found, err := s.o.Settings.KVList(ctx, linkPrefix)
	if err != nil {
		return nil, fmt.Errorf("read report links: %w", err)
	}
	out := map[string]string{}
	for name, secret := range found {
		out[strings.TrimPrefix(name, linkPrefix)] = secret
	}
	return out, nil
}

// NewSiteLink gives the site a new link; the old one ends.
func (s *Service) NewSiteLink(ctx context.Context, site string) error {
	if _, ok := s.o.Graph().Site(site); !ok {
		return fault("site", "没有这个地点", "there is no such place")
	}
	return s.o.Settings.KVPut(ctx, linkPrefix+site, strings.ToLower(rand.Text()))
}

// EndSiteLink takes the site's link away.
func (s *Service) EndSiteLink(ctx context.Context, site string) error {
	return s.o.Settings.KVDelete(ctx, linkPrefix+site)
}

// Opens tells whether the secret is the site's link.
func (s *Service) Opens(ctx context.Context, site, secret string) (bool, error) {
	links, err := s.SiteLinks(ctx)
	if err != nil {
		return false, err
	}
	want := links[site]
	return want != "" && subtle.ConstantTimeCompare([]byte(want), []byte(secret)) == 1, nil
}

// Near returns the open incidents that people of the site may mean.
func (s *Service) Near(ctx context.Context, site string) []incident.Incident {
	return Near(site, s.o.Open(ctx), s.o.Graph())
}

// Things are what can be reported at a site: lines first, then devices.
func Things(inv *inventory.Inventory, site string) (lines []inventory.Line, devices []inventory.Device) {
	for _, l := range inv.Lines {
		if l.Site == site {
			lines = append(lines, l)
		}
	}
	for _, d := range inv.Devices {
		if d.Site == site {
			devices = append(devices, d)
		}
	}
	return lines, devices
}
