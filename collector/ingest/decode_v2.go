package ingest

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/faultline/faultline/collector/metricstore"
)

var errSymbol = errors.New("reference to a symbol that is not in the table")

// decodeV2 decodes io.prometheus.write.v2.Request. Field numbers are those of
// the remote write 2.0 specification.
func (d *decoder) decodeV2(msg []byte) error {
	// The table may stand behind the series.
	err := fields(msg, func(num protowire.Number, data []byte, _ uint64) error {
		if num == 4 {
			if len(d.symbols) >= maxSymbols {
				return fmt.Errorf("%w symbols: more than %d", errTooMany, maxSymbols)
			}
			d.symbols = append(d.symbols, d.interned.get(data))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(d.symbols) > 0 && d.symbols[0].s != "" {
		return errors.New("the first symbol is not the empty string")
	}
	err = fields(msg, func(num protowire.Number, data []byte, _ uint64) error {
		if num == 5 {
			return d.seriesV2(data)
		}
		return nil
	})
	if err != nil {
		return err
	}
	d.build()
	return nil
}

func (d *decoder) seriesV2(msg []byte) error {
	b, points := d.beginLabels(), len(d.points)
	var refs, meta []byte
	err := fields(msg, func(num protowire.Number, data []byte, number uint64) error {
		switch num {
		case 1:
			if data == nil { // not packed: one number a field
				refs = protowire.AppendVarint(refs, number)
				return nil
			}
			if refs == nil {
				refs = data
				return nil
			}
			refs = append(refs[:len(refs):len(refs)], data...)
		case 2:
			return d.addPoint(data)
		case 3:
			d.histograms++
		case 4:
			d.exemplars++
		case 5:
			meta = data
		}
		return nil
	})
	if err == nil {
		err = d.labelsV2(refs, &b)
	}
	if err != nil {
		return fmt.Errorf("series %d: %w", len(d.spans), err)
	}
	d.addSeries(&b, points)
	if meta != nil {
		if err := d.metadataV2(meta, b.start); err != nil {
			return fmt.Errorf("series %d: metadata: %w", len(d.spans), err)
		}
	}
	return d.checkSeries()
}

func (d *decoder) labelsV2(refs []byte, b *labelBuilder) error {
	for len(refs) > 0 {
		name, err := d.symbolRef(&refs)
		if err != nil {
			return err
		}
		if len(refs) == 0 {
			return errors.New("odd number of label references")
		}
		value, err := d.symbolRef(&refs)
		if err != nil {
			return err
		}
		b.add(name, value)
	}
	return nil
}

func (d *decoder) symbolRef(refs *[]byte) (*symbol, error) {
	n, size := uint64((*refs)[0]), 1
	if n >= 0x80 {
		n, size = protowire.ConsumeVarint(*refs)
		if size < 0 {
			return nil, protowire.ParseError(size)
		}
	}
	*refs = (*refs)[size:]
	return d.symbol(n)
}

func (d *decoder) symbol(n uint64) (*symbol, error) {
	if n >= uint64(len(d.symbols)) {
		return nil, fmt.Errorf("%w: %d of %d", errSymbol, n, len(d.symbols))
	}
	return &d.symbols[n], nil
}

// metadataV2 keeps what the message says about the metric of the series whose
// labels begin at start.
func (d *decoder) metadataV2(msg []byte, start int) error {
	var typ, help, unit uint64
	err := fields(msg, func(num protowire.Number, _ []byte, number uint64) error {
		switch num {
		case 1:
			typ = number
		case 3:
			help = number
		case 4:
			unit = number
		}
		return nil
	})
	if err != nil || typ|help|unit == 0 || start >= len(d.labels) {
		return err
	}
	h, err := d.symbol(help)
	if err != nil {
		return err
	}
	u, err := d.symbol(unit)
	if err != nil {
		return err
	}
	m := metricstore.Metadata{Metric: family(d.labels[start:].Name(), metricType(typ)), Type: metricType(typ), Help: h.s, Unit: u.s}
	if n := len(d.metadata); n == 0 || d.metadata[n-1] != m {
		d.metadata = append(d.metadata, m)
	}
	return nil
}

// family returns the metric that a series of a histogram or summary is part of.
func family(name, typ string) string {
	if typ != "histogram" && typ != "gaugehistogram" && typ != "summary" {
		return name
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if short, ok := strings.CutSuffix(name, suffix); ok {
			return short
		}
	}
	return name
}
