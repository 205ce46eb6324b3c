package wire

import "github.com/faultline/faultline/plugins/base"

func (d *SampleDecoder) readBlocks(r *reader) []base.Block {
	n := r.count("blocks", 3)
	labels := d.labels.take(r.count("labels of rows", 1))
	if r.bad != "" {
		return nil
	}
	blocks := d.blocks.take(n)
	for i := range blocks {
		d.readBlock(r, &labels, &blocks[i])
		if r.bad != "" {
			return nil
		}
	}
	return blocks
}

func (d *SampleDecoder) readBlock(r *reader, labels *[]base.Label, b *base.Block) {
	b.Names = d.texts.take(r.count("names", 1))
	for k := range b.Names {
		b.Names[k] = d.readString(r, "name")
	}
	rows := r.count("rows", 2)
	if r.bad != "" {
		return
	}
	b.Rows = d.rows.take(rows)
	last := int64(0)
	for k := range b.Rows {
		b.Rows[k].Labels = d.readLabels(r, labels)
		last += r.varint("time")
		b.Rows[k].Time = last
		if r.bad != "" {
			return
		}
	}
	if names := len(b.Names); names > 0 {
		if left := len(r.b) - r.at; rows > left/names {
			r.fail("values")
			return
		}
		b.Values = d.values.take(rows * names)
	}
	for k := range b.Values {
		b.Values[k] = r.value()
	}
	d.readInfos(r, b)
	if len(b.Names)+len(b.Infos) == 0 {
		r.fail("names")
	}
}

// readInfos reads a block's columns of texts.
func (d *SampleDecoder) readInfos(r *reader, b *base.Block) {
	b.Infos = d.infos.take(r.count("infos", 2+len(b.Rows)))
	for i := range b.Infos {
		info := &b.Infos[i]
		info.Name, info.Label = d.readString(r, "info's name"), d.readString(r, "info's label")
		info.Texts = d.texts.take(len(b.Rows))
		for k := range info.Texts {
			if at := r.index("text", len(d.table)+1); at > 0 {
				info.Texts[k] = d.table[at-1]
			}
		}
		if r.bad != "" {
			return
		}
	}
}

// readString reads the number of a string.
func (d *SampleDecoder) readString(r *reader, what string) string {
	at := r.index(what, len(d.table))
	if r.bad != "" {
		return ""
	}
	return d.table[at]
}
