package writeup

import (
	"strings"
)

// Markdown returns the document as text that other systems take in.
func (d Document) Markdown(s Signed) string {
	var b strings.Builder
	title := d.Title + " " + d.Number
	if d.Practice {
		title = "【" + d.Mark + "】" + title
	}
	b.WriteString("# " + inline(title) + "\n\n" + inline(s.Line(d.Language)) + "\n")
	for _, c := range d.Sections {
		b.WriteString("\n## " + inline(c.Title) + "\n\n")
		for _, f := range c.Facts {
			b.WriteString("- **" + inline(f[0]) + "**: " + inline(f[1]) + "\n")
		}
		if len(c.Facts) > 0 && len(c.Paragraphs)+len(c.Rows) > 0 {
			b.WriteString("\n")
		}
		for _, p := range c.Paragraphs {
			b.WriteString(inline(p) + "\n\n")
		}
		if c.Empty {
			b.WriteString("_" + Word("to_write", d.Language) + "_\n")
		}
		if len(c.Rows) > 0 {
			row(&b, c.Head)
			row(&b, strings.Split(strings.Repeat("---,", len(c.Head)-1)+"---", ","))
			for _, r := range c.Rows {
				row(&b, r)
			}
		}
	}
	b.WriteString("\n---\n\n" + inline(d.Made) + "\n")
	return b.String()
}

func row(b *strings.Builder, cells []string) {
	for _, c := range cells {
		b.WriteString("| " + inline(c) + " ")
	}
	b.WriteString("|\n")
}

// escapes keep what people wrote from becoming markup, HTML among it.
var escapes = strings.NewReplacer("\\", "\\\\", "`", "\\`", "*", "\\*", "_", "\\_", "[", "\\[", "]", "\\]", "|", "\\|", "<", "&lt;", ">", "&gt;", "&", "&amp;",
	"\r", " ", "\n", " ", "#", "\\#", "!", "\\!")

func inline(s string) string {
	if strings.Trim(s, "-") == "" {
		return s
	}
	return escapes.Replace(s)
}
