package wire

import "github.com/faultline/faultline/plugins/base"

func readBlocks(r *reader, table []string, pairs []base.Label) []base.Block {
	n := r.count("blocks", 3)
	all := make([]base.Label, 0, r.count("labels of rows", 1))
	if r.bad != "" {
		return nil
	}
	blocks := make([]base.Block, n)
	for i := range blocks {
		readBlock(r, table, pairs, &all, &blocks[i])
		if r.bad != "" {
			return nil
		}
	}
	return blocks
}

func readBlock(r *reader, table []string, pairs []base.Label, all *[]base.Label, b *base.Block) {
	names := r.count("names", 1)
	if names > 0 {
		b.Names = make([]string, names)
	}
	for k := range b.Names {
		b.Names[k] = readString(r, "name", table)
	}
	rows := r.count("rows", 2)
	if r.bad != "" {
		return
	}
	b.Rows = make([]base.BlockRow, rows)
	last := int64(0)
	for k := range b.Rows {
		b.Rows[k].Labels = readLabels(r, pairs, all)
		last += r.varint("time")
		b.Rows[k].Time = last
		if r.bad != "" {
			return
		}
	}
	if names > 0 {
		if left := len(r.b) - r.at; rows > left/names {
			r.fail("values")
			return
		}
		b.Values = make([]float64, rows*names)
	}
	for k := range b.Values {
		b.Values[k] = r.value()
	}
	readInfos(r, table, b)
	if names+len(b.Infos) == 0 {
		r.fail("names")
	}
}

// readInfos reads a block's columns of texts.
func readInfos(r *reader, table []string, b *base.Block) {
	infos := r.count("infos", 2+len(b.Rows))
	if infos == 0 {
		return
	}
	b.Infos = make([]base.BlockInfo, infos)
	for i := range b.Infos {
		info := &b.Infos[i]
		info.Name, info.Label = readString(r, "info's name", table), readString(r, "info's label", table)
		info.Texts = make([]string, len(b.Rows))
		for k := range info.Texts {
			if at := r.index("text", len(table)+1); at > 0 {
				info.Texts[k] = table[at-1]
			}
		}
		if r.bad != "" {
			return
		}
	}
}

// readString reads the number of a string.
func readString(r *reader, what string, table []string) string {
	at := r.index(what, len(table))
	if r.bad != "" {
		return ""
	}
	return table[at]
}
