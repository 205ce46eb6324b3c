package snmp

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	protocol "github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/plugins/base"
)

// identity is what the device is called.
type identity struct {
	vendor, os, model, version, serial string
	labels                             base.Labels // of faultline_device_info
}

// identifyDevice reads where the profiles say that the device's names are. What
// cannot be read stays as it was.
func (p *poll) identifyDevice(ctx context.Context) error {
	texts, failed, err := p.scalarTexts(ctx)
	if err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	old := p.facts
	if p.anew {
		p.facts = identity{}
	}
	for _, f := range []struct {
		text *string
		of   func(*profile.Identity) profile.Sources
	}{
		{&p.facts.vendor, func(i *profile.Identity) profile.Sources { return i.Vendor }},
		{&p.facts.os, func(i *profile.Identity) profile.Sources { return i.OS }},
		{&p.facts.model, func(i *profile.Identity) profile.Sources { return i.Model }},
		{&p.facts.version, func(i *profile.Identity) profile.Sources { return i.Version }},
		{&p.facts.serial, func(i *profile.Identity) profile.Sources { return i.Serial }},
	} {
		doubtful := failed
		if *f.text == "" {
			doubtful = nil // anything is better
		}
		text, err := p.identityText(ctx, texts, doubtful, f.of)
		if err != nil {
			p.facts = old
			return fmt.Errorf("identity: %w", err)
		}
		if text != "" {
			*f.text = text
		}
	}
	f := &p.facts
	if f.vendor != old.vendor || f.os != old.os || f.model != old.model || f.version != old.version || f.serial != old.serial || f.labels == nil {
		f.labels = base.LabelsFrom("faultline_device_info", map[string]string{"vendor": f.vendor, "os": f.os, "model": f.model,
			"version": f.version, "serial": f.serial, "class": p.plan.Class, "profile": p.plan.Own})
		p.replaced(old)
	}
	p.anew = false
	return nil
}

// replaced tells when another device, or another software, answers now.
func (p *poll) replaced(old identity) {
	var what []string
	attrs := map[string]string{}
	for _, c := range []struct{ name, was, is string }{{"serial", old.serial, p.facts.serial}, {"model", old.model, p.facts.model}, {"version", old.version, p.facts.version}} {
		if c.was != "" && c.is != "" && c.was != c.is {
			what = append(what, fmt.Sprintf("%s %s is now %s", c.name, c.was, c.is))
			attrs[c.name], attrs[c.name+"_before"] = c.is, c.was
		}
	}
	if len(what) > 0 {
		p.sink.Event(base.Event{Kind: base.EventChange, At: p.session.At(), Text: strings.Join(what, ", "), Attrs: attrs})
	}
}

func (p *poll) emitIdentity() {
	if p.facts.labels != nil {
		p.sample(p.facts.labels, 1, p.walkAt)
	}
}

// scalarTexts reads all scalars that identities name, in few requests; failed are
// those that the device could not deliver now.
func (p *poll) scalarTexts(ctx context.Context) (texts map[string]string, failed map[string]bool, err error) {
	wanted := map[string]bool{}
	for _, id := range p.plan.Identity {
		for _, sources := range []profile.Sources{id.Vendor, id.OS, id.Model, id.Version, id.Serial} {
			for i := range sources {
				if sources[i].OID != "" {
					wanted[sources[i].OID] = true
				}
			}
		}
	}
	oids := slices.Sorted(maps.Keys(wanted))
	texts, failed = map[string]string{}, map[string]bool{}
	faults, err := p.session.Get(ctx, parsedOIDs(oids), func(i int, v protocol.Value) { texts[oids[i]] = text(v, "") })
	for _, f := range faults {
		failed[f.OID.String()] = true
	}
	return texts, failed, err
}

// identityText is the text of the first source that has one; "" where none has, or
// one before failed: what comes after it is not what was there. With failed nil
// that does not matter.
func (p *poll) identityText(ctx context.Context, texts map[string]string, failed map[string]bool, of func(*profile.Identity) profile.Sources) (string, error) {
	for _, id := range p.plan.Identity {
		sources := of(id.Identity)
		for i := range sources {
			s := &sources[i]
			text, err := "", error(nil)
			switch {
			case failed[s.OID]:
				return "", nil
			case s.OID != "":
				if raw := texts[s.OID]; raw != "" {
					text = s.Pick(raw)
				}
			case s.Column != "":
				var whole bool
				if text, whole, err = p.columnText(ctx, s); !whole && failed != nil {
					return "", err
				}
			case s.Cells != nil:
				text = s.Pick(s.Cells.Expand(p.scalarCells(id.Profile)))
			default:
				text = s.Static(p.id)
			}
			if text != "" || err != nil {
				return text, err
			}
		}
	}
	return "", nil
}

// scalarCells are the cells outside tables of one profile.
func (d *device) scalarCells(profileName string) profile.Get {
	for _, t := range d.tables {
		if t.def.Scalar() && t.def.Name == profileName && t.rows[""] != nil {
			return t.get(t.rows[""])
		}
	}
	return func(string) string { return "" }
}

// columnText is the first row of a column that fits and is not empty; whole tells
// that all columns needed could be read.
func (p *poll) columnText(ctx context.Context, s *profile.Source) (text string, whole bool, err error) {
	texts, fault, err := p.column(ctx, s.Column, "")
	if err != nil {
		return "", false, err
	}
	whole = fault == nil
	for _, index := range slices.SortedFunc(maps.Keys(texts), compareDotted) {
		fits := true
		for oid, values := range s.When {
			other, fault, err := p.column(ctx, oid, "")
			if err != nil {
				return "", false, err
			}
			whole = whole && fault == nil
			fits = fits && slices.Contains(values, other[index])
		}
		if !fits || texts[index] == "" {
			continue
		}
		if text := s.Pick(texts[index]); text != "" {
			return text, whole, nil
		}
	}
	return "", whole, nil
}

// compareDotted orders dotted indexes as the protocol does.
func compareDotted(a, b string) int {
	for a != "" && b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		if c := cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y)); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}
