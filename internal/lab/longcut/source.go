package longcut

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/faultline/faultline/agent/spool"
	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
)

// source is a target that is measured: a host, or a switch.
type source struct {
	samples int
	enc     wire.SampleEncoder
	batch   base.Batch
	values  []*float64
	rnd     *rand.Rand
}

// mark is a metric that every target has once.
const mark = "longcut_mark"

func markOf(target string) base.Sample {
	return base.Sample{Labels: base.LabelsFrom(mark, map[string]string{"target": target}), Value: 1}
}

// portColumns are the values of a port.
var portColumns = []string{"ifHCInOctets", "ifHCOutOctets", "ifInErrors", "ifOutErrors", "ifOperStatus", "ifHighSpeed"}

func sources(o Options) []*source {
	host := &source{samples: o.Host, rnd: rand.New(rand.NewPCG(0, 1))}
	for i := range o.Host - 1 {
		host.batch.Samples = append(host.batch.Samples, base.Sample{Labels: base.LabelsFrom("longcut_host", map[string]string{"n": strconv.Itoa(i)})})
	}
	host.batch.Samples = append(host.batch.Samples, markOf("host"))
	for i := range o.Host - 1 {
		host.values = append(host.values, &host.batch.Samples[i].Value)
	}
	all := []*source{host}
	for d := range o.Devices {
		s := &source{samples: o.Ports*len(portColumns) + 1, rnd: rand.New(rand.NewPCG(1, uint64(d)))}
		b := base.Block{Names: portColumns, Values: make([]float64, o.Ports*len(portColumns))}
		for p := range o.Ports {
			labels := base.LabelsFrom("x", map[string]string{"longcut": "1", "switch": fmt.Sprintf("switch-%d", d), "ifName": fmt.Sprintf("GigabitEthernet0/0/%d", p)})
			b.Rows = append(b.Rows, base.BlockRow{Labels: labels[1:]})
		}
		s.batch.Blocks = []base.Block{b}
		s.batch.Samples = []base.Sample{markOf(fmt.Sprintf("switch-%d", d))}
		for i := range b.Values {
			s.values = append(s.values, &b.Values[i])
		}
		all = append(all, s)
	}
	return all
}

// Size is about what the spool needs for the whole cut, in bytes.
func Size(o Options) (int64, error) {
	o.setDefaults()
	total := int64(0)
	for _, s := range sources(o) {
		var b []byte
		for round := range 200 { // until the counters are as long as they usually are
			var err error
			if b, err = s.measure(time.Now(), round*100); err != nil {
				return 0, err
			}
		}
		total += int64(len(b)) + recordHead
	}
	return total * int64(o.Cut/o.Interval), nil
}

// recordHead is what the spool adds to a record, in bytes.
const recordHead = 8

func (s *source) append(to *spool.Spool, at time.Time, round int) error {
	b, err := s.measure(at, round)
	if err != nil {
		return err
	}
	return to.Append(spool.Samples, b)
}

// measure measures once. Of six values two are counters that always move.
func (s *source) measure(at time.Time, round int) ([]byte, error) {
	ms := at.UnixMilli()
	for i := range s.batch.Samples {
		s.batch.Samples[i].Time = ms
	}
	for i := range s.batch.Blocks {
		for k := range s.batch.Blocks[i].Rows {
			s.batch.Blocks[i].Rows[k].Time = ms
		}
	}
	for i, v := range s.values {
		switch i % len(portColumns) {
		case 0, 1:
			*v += float64(s.rnd.IntN(1_000_000))
		case 2, 3:
			if round%100 == 0 {
				*v++
			}
		case 4:
			*v = 1
		default:
			*v = 1000
		}
	}
	return s.enc.Encode(s.batch)
}
