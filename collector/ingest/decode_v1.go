package ingest

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/faultline/faultline/collector/metricstore"
)

// decodeV1 decodes prometheus.WriteRequest. Field numbers are those of the
// remote write 1.0 specification.
func (d *decoder) decodeV1(msg []byte) error {
	err := fields(msg, func(num protowire.Number, data []byte, _ uint64) error {
		switch num {
		case 1:
			return d.seriesV1(data)
		case 3:
			return d.metadataV1(data)
		}
		return nil
	})
	if err != nil {
		return err
	}
	d.build()
	return nil
}

func (d *decoder) seriesV1(msg []byte) error {
	b, points := d.beginLabels(), len(d.points)
	err := fields(msg, func(num protowire.Number, data []byte, _ uint64) error {
		switch num {
		case 1:
			return d.labelV1(data, &b)
		case 2:
			return d.addPoint(data)
		case 3:
			d.exemplars++
		case 4:
			d.histograms++
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("series %d: %w", len(d.spans), err)
	}
	d.addSeries(&b, points)
	return d.checkSeries()
}

func (d *decoder) labelV1(msg []byte, b *labelBuilder) error {
	var name, value []byte
	err := fields(msg, func(num protowire.Number, data []byte, _ uint64) error {
		switch num {
		case 1:
			name = data
		case 2:
			value = data
		}
		return nil
	})
	if err != nil {
		return err
	}
	n, v := d.interned.get(name), d.interned.get(value)
	b.add(&n, &v)
	return nil
}

func (d *decoder) metadataV1(msg []byte) error {
	m := metricstore.Metadata{Type: metricTypes[0]}
	err := fields(msg, func(num protowire.Number, data []byte, number uint64) error {
		switch num {
		case 1:
			m.Type = metricType(number)
		case 2:
			m.Metric = d.text(data)
		case 4:
			m.Help = d.text(data)
		case 5:
			m.Unit = d.text(data)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	if len(d.metadata) < d.limits.Series {
		d.metadata = append(d.metadata, m)
	}
	return nil
}
