package diagnose

import (
	"github.com/faultline/faultline/collector/evidence"
	"github.com/faultline/faultline/collector/truth"
)

// elsewhere is what agents of other sites than the alert's own find of what it is
// about: ok when one of them found it well since the alert began, bad when one
// finds it so, unknown while they have yet to look, none when nobody else looks.
func (s *scene) elsewhere(f *fact) string {
	if f.element != evidence.Service && f.element != evidence.Database {
		return isNone
	}
	is := isNone
	for _, k := range s.view.Find(evidence.Key{Element: f.element, Subject: f.subject, Component: f.Component()}) {
		if k.Vantage == "" || s.graph.SiteOf(k.Vantage) == f.Site() {
			continue
		}
		switch r := s.view.Get(k); {
		case r.Truth == truth.OK && r.At.After(f.ActiveAt):
			return isOK
		case r.Truth == truth.Bad:
			is = isBad
		case is == isNone:
			is = isUnknown
		}
	}
	return is
}
