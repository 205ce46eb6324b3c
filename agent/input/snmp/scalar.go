package snmp

import (
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/plugins/base"
)

// Whether an object exists, as far as known.
const (
	notAsked = iota
	there
	notThere
)

// scalar is one scalar object of a device.
type scalar struct {
	def   *profile.Value
	state int
	fresh bool // read in this poll, or slow and read before
	value float64
	text  string
	at    time.Time

	labels         base.Labels // of the metric
	labelText      string      // the text that labels of an info were made for
	sensor, status base.Labels
}

// set takes the object's value; one of the wrong type counts as none.
func (s *scalar) set(v gosnmp.SnmpPDU, at time.Time) {
	s.at = at
	switch s.def.Type {
	case profile.Info:
		s.text, s.value, s.fresh = infoText(s.def, v), 1, true
	case profile.ClockOffset:
		s.value, s.fresh = clockOffset(v, at)
	default:
		s.value, s.fresh = number(v)
	}
}

// infoText is an info's label value: the enumerated name, or the text itself.
func infoText(def *profile.Value, v gosnmp.SnmpPDU) string {
	t := text(v, def.Format)
	if name, ok := def.Enum[t]; ok {
		return name
	}
	return t
}

// emit hands over the scalar's samples. A slow value read earlier is repeated
// with the time of this poll.
func (s *scalar) emit(p *poll) {
	if !s.fresh {
		return
	}
	at := s.at
	if s.def.Slow {
		at = p.walkAt
	}
	if s.labels == nil || s.def.Type == profile.Info && s.labelText != s.text {
		s.labelText = s.text
		var m map[string]string
		if s.def.Type == profile.Info {
			m = map[string]string{s.def.InfoLabel(): s.text}
		}
		s.labels = base.LabelsFrom(s.def.Metric, m)
	}
	p.sample(s.labels, scaled(s.value, s.def.Scale), at)
	if def := s.def.Sensor; def != nil {
		if s.sensor == nil {
			s.sensor, s.status = p.sensorLabels(s.def.OID, def.Class, def.Name)
		}
		p.sample(s.sensor, scaled(s.value, def.Scale), at)
		if def.Status != nil {
			p.sample(s.status, statusValue(def.Status, s.value), at)
		}
	}
}

func scaled(v, scale float64) float64 {
	if scale == 0 {
		return v
	}
	return v * scale
}
