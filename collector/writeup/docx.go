package writeup

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
	"time"
)

// DOCX returns the document as an Office Open XML text (ECMA-376): the parts that
// word processors need and nothing else. Practice is in the page header.
func (d Document) DOCX(s Signed) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, part := range []struct{ name, text string }{
		{"[Content_Types].xml", docxTypes}, {"_rels/.rels", docxRels}, {"word/_rels/document.xml.rels", docxParts},
		{"word/styles.xml", docxStyles}, {"word/header1.xml", d.docxHeader()}, {"word/document.xml", d.docxBody(s)},
	} {
		w, err := z.CreateHeader(&zip.FileHeader{Name: part.name, Method: zip.Deflate, Modified: d.At.Truncate(2 * time.Second)})
		if err == nil {
			_, err = w.Write([]byte(part.text))
		}
		if err != nil {
			return nil, fmt.Errorf("document %s of %s: %w", d.Kind, d.Number, err)
		}
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("document %s of %s: %w", d.Kind, d.Number, err)
	}
	return b.Bytes(), nil
}

const (
	xmlHead   = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"
	officeRel = `http://schemas.openxmlformats.org/officeDocument/2006/relationships`
	wordNS    = `xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:r="` + officeRel + `"`
	wordType  = `application/vnd.openxmlformats-officedocument.wordprocessingml.`
	packages  = `http://schemas.openxmlformats.org/package/2006/`

	docxTypes = xmlHead + `<Types xmlns="` + packages + `content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
		`<Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType="` + wordType + `document.main+xml"/>` +
		`<Override PartName="/word/styles.xml" ContentType="` + wordType + `styles+xml"/><Override PartName="/word/header1.xml" ContentType="` + wordType + `header+xml"/></Types>`
	docxRels  = xmlHead + `<Relationships xmlns="` + packages + `relationships"><Relationship Id="rId1" Type="` + officeRel + `/officeDocument" Target="word/document.xml"/></Relationships>`
	docxParts = xmlHead + `<Relationships xmlns="` + packages + `relationships"><Relationship Id="rId1" Type="` + officeRel + `/styles" Target="styles.xml"/>` +
		`<Relationship Id="rId2" Type="` + officeRel + `/header" Target="header1.xml"/></Relationships>`
	docxStyles = xmlHead + `<w:styles ` + wordNS + `><w:docDefaults><w:rPrDefault><w:rPr><w:rFonts w:ascii="Calibri" w:hAnsi="Calibri" w:eastAsia="宋体"/><w:sz w:val="21"/></w:rPr></w:rPrDefault></w:docDefaults>` +
		`<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/><w:pPr><w:spacing w:after="80"/></w:pPr></w:style>` +
		`<w:style w:type="paragraph" w:styleId="Title"><w:name w:val="Title"/><w:basedOn w:val="Normal"/><w:pPr><w:jc w:val="center"/></w:pPr><w:rPr><w:rFonts w:eastAsia="黑体"/><w:b/><w:sz w:val="36"/></w:rPr></w:style>` +
		`<w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/><w:basedOn w:val="Normal"/><w:pPr><w:keepNext/><w:spacing w:before="240"/><w:outlineLvl w:val="0"/></w:pPr><w:rPr><w:rFonts w:eastAsia="黑体"/><w:b/><w:sz w:val="26"/></w:rPr></w:style></w:styles>`
	docxGrid = `<w:tblPr><w:tblW w:w="5000" w:type="pct"/><w:tblBorders><w:top w:val="single" w:sz="4"/><w:left w:val="single" w:sz="4"/><w:bottom w:val="single" w:sz="4"/><w:right w:val="single" w:sz="4"/>` +
		`<w:insideH w:val="single" w:sz="4"/><w:insideV w:val="single" w:sz="4"/></w:tblBorders></w:tblPr>`
	docxPage = `<w:sectPr><w:headerReference w:type="default" r:id="rId2"/><w:pgSz w:w="11906" w:h="16838"/><w:pgMar w:top="1020" w:right="907" w:bottom="1020" w:left="907" w:header="500" w:footer="500" w:gutter="0"/></w:sectPr>`
)

func (d Document) docxHeader() string {
	text := d.Number
	if d.Practice {
		text = "【" + d.Mark + "】 " + text + " 【" + d.Mark + "】"
	}
	return xmlHead + `<w:hdr ` + wordNS + `>` + paragraph("", text) + `</w:hdr>`
}

func (d Document) docxBody(s Signed) string {
	var b strings.Builder
	b.WriteString(xmlHead + `<w:document ` + wordNS + `><w:body>`)
	b.WriteString(paragraph("Title", d.Title))
	b.WriteString(paragraph("", d.Number+"  "+s.Line(d.Language)))
	for _, c := range d.Sections {
		b.WriteString(paragraph("Heading1", c.Title))
		facts := make([][]string, 0, len(c.Facts))
		for _, f := range c.Facts {
			facts = append(facts, f[:])
		}
		b.WriteString(table(nil, facts))
		for _, p := range c.Paragraphs {
			b.WriteString(paragraph("", p))
		}
		if c.Empty {
			b.WriteString(paragraph("", Word("to_write", d.Language)))
		}
		b.WriteString(table(c.Head, c.Rows))
	}
	b.WriteString(paragraph("", s.Line(d.Language)))
	if s.By == "" {
		b.WriteString(paragraph("", Word("signature", d.Language)+" ____________________"))
	}
	b.WriteString(paragraph("", d.Made) + docxPage + `</w:body></w:document>`)
	return b.String()
}

func paragraph(style, text string) string {
	p := `<w:p>`
	if style != "" {
		p += `<w:pPr><w:pStyle w:val="` + style + `"/></w:pPr>`
	}
	return p + `<w:r><w:t xml:space="preserve">` + escaped(text) + `</w:t></w:r></w:p>`
}

// table returns a table with a paragraph after it, since two tables that touch
// become one; "" when it has no rows.
func table(head []string, rows [][]string) string {
	if len(rows) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(`<w:tbl>` + docxGrid + `<w:tblGrid>` + strings.Repeat(`<w:gridCol/>`, len(rows[0])) + `</w:tblGrid>`)
	if len(head) > 0 {
		b.WriteString(`<w:tr><w:trPr><w:tblHeader/></w:trPr>` + cells(head) + `</w:tr>`)
	}
	for _, r := range rows {
		b.WriteString(`<w:tr><w:trPr><w:cantSplit/></w:trPr>` + cells(r) + `</w:tr>`)
	}
	b.WriteString(`</w:tbl>` + paragraph("", ""))
	return b.String()
}

func cells(texts []string) string {
	var b strings.Builder
	for _, t := range texts {
		b.WriteString(`<w:tc><w:tcPr><w:tcW w:w="0" w:type="auto"/></w:tcPr>` + paragraph("", t) + `</w:tc>`)
	}
	return b.String()
}

// escaped is text for XML; what XML cannot hold becomes U+FFFD.
func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder takes everything
	return b.String()
}
