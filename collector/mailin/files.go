package mailin

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/faultline/faultline/internal/lang"
)

// Refusal says why an attachment was not taken; "" took it.
type Refusal string

// Reasons to refuse an attachment.
const (
	RefusedEmpty      Refusal = "empty"
	RefusedTooLarge   Refusal = "too_large"
	RefusedTooMany    Refusal = "too_many"
	RefusedTotal      Refusal = "total_too_large"
	RefusedProgram    Refusal = "program"
	RefusedScript     Refusal = "script"
	RefusedMacro      Refusal = "macro"
	RefusedActive     Refusal = "active_content"
	RefusedBomb       Refusal = "archive_bomb"
	RefusedEncrypted  Refusal = "encrypted"
	RefusedArchive    Refusal = "archive"
	RefusedType       Refusal = "unknown_type"
	RefusedBroken     Refusal = "broken"
	RefusedNotRelated Refusal = "not_stored" // the mail fits no ticket: nothing of it is kept but its text
)

var refusals = map[Refusal]lang.Text{
	RefusedEmpty:      {ZH: "附件为空", EN: "the file is empty"},
	RefusedTooLarge:   {ZH: "附件过大", EN: "the file is too large"},
	RefusedTooMany:    {ZH: "附件数量过多", EN: "too many files"},
	RefusedTotal:      {ZH: "附件总量过大", EN: "the files are too large together"},
	RefusedProgram:    {ZH: "附件是可执行程序", EN: "the file is a program"},
	RefusedScript:     {ZH: "附件是脚本或快捷方式", EN: "the file is a script or a shortcut"},
	RefusedMacro:      {ZH: "文档含有宏", EN: "the document holds macros"},
	RefusedActive:     {ZH: "附件含有活动内容（脚本）", EN: "the file holds active content"},
	RefusedBomb:       {ZH: "压缩包展开后过大（疑似压缩炸弹）", EN: "the archive unfolds to too much"},
	RefusedEncrypted:  {ZH: "附件已加密，无法检查", EN: "the file is encrypted and cannot be checked"},
	RefusedArchive:    {ZH: "不接受此类压缩包，请用 ZIP 或直接附上文件", EN: "archives of this kind are not taken: send the files themselves or a ZIP"},
	RefusedType:       {ZH: "无法识别附件类型", EN: "the kind of file is not known"},
	RefusedBroken:     {ZH: "附件已损坏", EN: "the file is broken"},
	RefusedNotRelated: {ZH: "邮件未匹配到工单，附件未保存", EN: "the mail fits no ticket: its files are not kept"},
}

// Text is the reason in words.
func (r Refusal) Text() lang.Text { return refusals[r] }

// attach takes or refuses a file.
func (p *parser) attach(name, declared string, data []byte) {
	if name == "" {
		name = "unnamed"
	}
	f := File{Name: name, Size: int64(len(data))}
	switch {
	case len(p.files) >= p.limits.Count:
		if len(p.files) >= p.limits.Count+20 {
			p.problem("more files than are counted")
			return
		}
		f.Refused = RefusedTooMany
	case len(data) == 0:
		f.Refused = RefusedEmpty
	case f.Size > p.limits.Part:
		f.Refused = RefusedTooLarge
	case p.total+f.Size > p.limits.Total:
		f.Refused = RefusedTotal
	default:
		f.Type, f.Refused = inspect(name, data, p.limits, 0)
	}
	if f.Refused == "" {
		f.Data, f.Kind = data, kindOf(name, f.Type)
		p.total += f.Size
	} else if f.Type == "" {
		f.Type = shorten(oneLine(declared), 100)
	}
	p.files = append(p.files, f)
}

// kindOf is what a document is for, by its name and type.
func kindOf(name, mediaType string) string {
	lower := strings.ToLower(name)
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(lower, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("运行报告", "正常运行", "running"):
		return "running_report"
	case has("检测报告", "检修报告", "故障报告", "维修报告", "巡检报告", "故障检测", "inspection", "fault-report", "fault report"):
		return "inspection_report"
	case strings.HasPrefix(mediaType, "image/"):
		return "photo"
	}
	return "other"
}

// fileName is a name without a path and without tricks.
func fileName(names ...string) string {
	for _, n := range names {
		n = oneLine(decodeHeader(n))
		n = path.Base(strings.ReplaceAll(n, `\`, "/"))
		n = strings.Trim(n, ". ")
		if n == "" || n == "/" {
			continue
		}
		if r := []rune(n); len(r) > 120 {
			ext := path.Ext(n)
			if utf8.RuneCountInString(ext) > 10 {
				ext = ""
			}
			n = string(r[:110]) + ext
		}
		return n
	}
	return ""
}

// magic are the beginnings of files. Type "" is refused for the reason.
var magic = []struct {
	at      int
	head    string
	typ     string
	refused Refusal
}{
	{0, "%PDF-", "application/pdf", ""},
	{0, "\x89PNG\r\n\x1a\n", "image/png", ""},
	{0, "\xff\xd8\xff", "image/jpeg", ""},
	{0, "GIF87a", "image/gif", ""}, {0, "GIF89a", "image/gif", ""},
	{8, "WEBP", "image/webp", ""},
	{0, "II*\x00", "image/tiff", ""}, {0, "MM\x00*", "image/tiff", ""},
	{4, "ftyphei", "image/heic", ""}, {4, "ftypmif1", "image/heic", ""},
	{4, "ftypmp4", "video/mp4", ""}, {4, "ftypisom", "video/mp4", ""}, {4, "ftypqt", "video/quicktime", ""},
	{0, "MZ", "", RefusedProgram}, {0, "\x7fELF", "", RefusedProgram}, {0, "\xca\xfe\xba\xbe", "", RefusedProgram},
	{0, "\xcf\xfa\xed\xfe", "", RefusedProgram}, {0, "\xfe\xed\xfa", "", RefusedProgram}, {0, "dex\n", "", RefusedProgram}, {0, "\x00asm", "", RefusedProgram},
	{0, "L\x00\x00\x00\x01\x14\x02\x00", "", RefusedScript}, // Windows shortcut
	{0, "#!", "", RefusedScript},
	{0, "Rar!\x1a\x07", "", RefusedArchive}, {0, "7z\xbc\xaf\x27\x1c", "", RefusedArchive}, {0, "\x1f\x8b", "", RefusedArchive},
	{0, "BZh", "", RefusedArchive}, {0, "\xfd7zXZ\x00", "", RefusedArchive}, {0, "MSCF", "", RefusedArchive}, {257, "ustar", "", RefusedArchive},
	{32769, "CD001", "", RefusedArchive},
	{0, `{\rtf`, "application/rtf", ""},
}

// scripts are endings that run on a double click though their content is text.
var scripts = []string{".js", ".jse", ".vbs", ".vbe", ".wsf", ".wsh", ".hta", ".bat", ".cmd", ".ps1", ".psm1", ".scr", ".lnk", ".url", ".reg", ".jar", ".com", ".pif", ".msi", ".cpl", ".chm", ".sh", ".py", ".iqy", ".slk", ".xll"}

// inspect tells a file's type by its content, and why it is refused.
func inspect(name string, data []byte, l Limits, depth int) (string, Refusal) {
	for _, m := range magic {
		if len(data) >= m.at+len(m.head) && string(data[m.at:m.at+len(m.head)]) == m.head {
			if m.refused != "" {
				return "", m.refused
			}
			return m.typ, active(m.typ, data)
		}
	}
	ext := strings.ToLower(path.Ext(name))
	for _, s := range scripts {
		if ext == s {
			return "", RefusedScript
		}
	}
	switch {
	case bytes.HasPrefix(data, []byte("PK\x03\x04")), bytes.HasPrefix(data, []byte("PK\x05\x06")):
		return archive(data, l, depth)
	case bytes.HasPrefix(data, []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")):
		return compound(data)
	case bytes.HasPrefix(data, []byte("BM")) && len(data) > 26 && bytes.Equal(data[6:10], make([]byte, 4)):
		return "image/bmp", ""
	}
	return textType(data)
}

// active refuses documents that do something when they are opened.
func active(typ string, data []byte) Refusal {
	switch typ {
	case "application/pdf":
		for _, word := range []string{"/JavaScript", "/JS(", "/JS (", "/Launch", "/EmbeddedFile"} {
			if bytes.Contains(data, []byte(word)) {
				return RefusedActive
			}
		}
		if bytes.Contains(data, []byte("/Encrypt")) {
			return RefusedEncrypted
		}
	case "application/rtf":
		if bytes.Contains(data, []byte(`\objdata`)) || bytes.Contains(data, []byte(`\objupdate`)) {
			return RefusedActive
		}
	}
	return ""
}

// compound reads old Office files: those with macros are refused.
func compound(data []byte) (string, Refusal) {
	wide := func(s string) []byte {
		b := make([]byte, 0, 2*len(s))
		for _, c := range []byte(s) {
			b = append(b, c, 0)
		}
		return b
	}
	switch {
	case bytes.Contains(data, wide("_VBA_PROJECT")), bytes.Contains(data, wide("Macros")), bytes.Contains(data, []byte("Attribute VB_")):
		return "", RefusedMacro
	case bytes.Contains(data, wide("EncryptedPackage")):
		return "", RefusedEncrypted
	case bytes.Contains(data, wide("WordDocument")):
		return "application/msword", ""
	case bytes.Contains(data, wide("Workbook")), bytes.Contains(data, wide("Book")):
		return "application/vnd.ms-excel", ""
	case bytes.Contains(data, wide("PowerPoint Document")):
		return "application/vnd.ms-powerpoint", ""
	}
	return "", RefusedType
}

// textType tells texts apart; what a browser would run is refused.
func textType(data []byte) (string, Refusal) {
	head := data[:min(len(data), 4096)]
	if bytes.IndexByte(head, 0) >= 0 && !bytes.HasPrefix(head, []byte("\xff\xfe")) && !bytes.HasPrefix(head, []byte("\xfe\xff")) {
		return "", RefusedType
	}
	text := strings.ToLower(strings.TrimLeft(decodeText(head, ""), "\ufeff \t\r\n"))
	for _, begin := range []string{"<!doctype html", "<html", "<script", "<svg", "<?php", "<body", "<iframe", "<hta:"} {
		if strings.HasPrefix(text, begin) {
			return "", RefusedActive
		}
	}
	if strings.HasPrefix(text, "<?xml") {
		if strings.Contains(text, "<svg") || strings.Contains(text, "<html") || strings.Contains(text, "<!entity") || strings.Contains(text, "mso-application") {
			return "", RefusedActive
		}
		return "text/xml", ""
	}
	odd := 0
	for _, r := range text {
		if r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == utf8.RuneError {
			odd++
		}
	}
	if odd*20 > utf8.RuneCountInString(text) {
		return "", RefusedType
	}
	if strings.HasPrefix(text, "begin:vcalendar") {
		return "text/calendar", ""
	}
	return "text/plain", ""
}

// archive looks into a ZIP: Office documents are ZIPs, too.
func archive(data []byte, l Limits, depth int) (string, Refusal) {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return "", RefusedBroken
	}
	if len(z.File) > l.ZipEntries {
		return "", RefusedBomb
	}
	typ := "application/zip"
	left := l.Expanded
	for _, f := range z.File {
		name := strings.ToLower(f.Name)
		switch {
		case f.Flags&1 != 0:
			return "", RefusedEncrypted
		case strings.HasSuffix(name, "vbaproject.bin"), strings.HasSuffix(name, "vbadata.xml"), strings.HasPrefix(name, "basic/"), strings.Contains(name, "macrosheets/"):
			return "", RefusedMacro
		case strings.Contains(name, "activex/") && strings.HasSuffix(name, ".bin"):
			return "", RefusedActive
		}
		if t := officeType(name); t != "" {
			typ = t
		}
		n, head, err := unfold(f, left)
		if left -= n; left <= 0 {
			return "", RefusedBomb
		}
		if err != nil {
			return "", RefusedBroken
		}
		if name == "mimetype" && bytes.HasPrefix(head, []byte("application/vnd.oasis.opendocument")) {
			typ = string(head[:min(len(head), 60)])
		}
		if refused := entry(f.Name, head, l, depth); refused != "" {
			return "", refused
		}
	}
	return typ, ""
}

// entry judges a file within an archive by its name and its beginning.
func entry(name string, head []byte, l Limits, depth int) Refusal {
	if strings.HasSuffix(name, "/") || len(head) == 0 {
		return ""
	}
	if bytes.HasPrefix(head, []byte("PK\x03\x04")) && !strings.HasSuffix(strings.ToLower(name), ".docx") && !strings.HasSuffix(strings.ToLower(name), ".xlsx") && !strings.HasSuffix(strings.ToLower(name), ".pptx") {
		return RefusedArchive // an archive in an archive
	}
	if depth > 0 || bytes.HasPrefix(head, []byte("PK")) {
		return ""
	}
	switch _, refused := inspect(name, head, l, depth+1); refused {
	case RefusedProgram, RefusedScript, RefusedMacro:
		return refused
	}
	return ""
}

func officeType(name string) string {
	switch name {
	case "word/document.xml":
		return "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
	case "xl/workbook.xml", "xl/workbook.bin":
		return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	case "ppt/presentation.xml":
		return "application/vnd.openxmlformats-officedocument.presentationml.presentation"
	}
	return ""
}

// unfold reads an entry to its end, at most left bytes, and keeps its beginning.
func unfold(f *zip.File, left int64) (int64, []byte, error) {
	r, err := f.Open()
	if err != nil {
		return 0, nil, fmt.Errorf("open %s: %w", f.Name, err)
	}
	defer func() { _ = r.Close() }()
	head := make([]byte, 1024)
	n, err := io.ReadFull(r, head)
	head = head[:n]
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return int64(n), head, nil
	}
	if err != nil {
		return int64(n), head, err
	}
	more, err := io.Copy(io.Discard, io.LimitReader(r, left+1-int64(n)))
	return int64(n) + more, head, err
}
