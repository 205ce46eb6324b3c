package document

import (
	"bytes"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lang"
)

// Bounds of what is handed in.
const (
	MaxUpload = 16 << 20 // bytes of one document
	MaxCount  = 60       // documents of one incident that people handed in
	maxName   = 120      // characters of a file's name
)

// Kinds are the kinds of documents that people hand in, in the order they are
// offered; a process asks for them by these words.
var Kinds = []string{"inspection_report", "running_report", "photo", "config_backup", "load_data", "opinion", "plan", "test_report", "incident_summary", "other"}

// kindTitles are what the kinds of papers are called.
var kindTitles = map[string]lang.Text{
	"inspection_report": {ZH: "检查报告", EN: "inspection report"}, "running_report": {ZH: "正常运行报告", EN: "normal-running report"},
	"photo": {ZH: "照片", EN: "photo"}, "config_backup": {ZH: "配置备份", EN: "configuration backup"}, "load_data": {ZH: "负载数据", EN: "load data"},
	"opinion": {ZH: "可行性意见", EN: "feasibility opinion"}, "plan": {ZH: "方案", EN: "plan"}, "test_report": {ZH: "测试报告", EN: "test report"},
	"incident_summary": {ZH: "事故总结", EN: "summary of the incident"}, "other": {ZH: "其他", EN: "other"},
}

// KindTitle is what a kind of document is called: one handed in, or a draft.
func KindTitle(kind string) lang.Text {
	if t, ok := kindTitles[kind]; ok {
		return t
	}
	return Title(kind)
}

// Fault is why an upload is not taken, for the person who sent it.
type Fault struct{ Text, Hint lang.Text }

// Error returns the text in English.
func (f *Fault) Error() string { return f.Text.EN }

// Upload is what somebody hands in.
type Upload struct {
	IncidentID string
	Kind       string
	Name       string // the file's, as the sender calls it
	Body       []byte
	By         incident.Actor
	At         time.Time
}

// allowed are the types that are taken, by the ending of the name: what people
// print, scan, photograph and export. Nothing among them runs in a browser.
var allowed = map[string]string{
	".pdf": "application/pdf", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp",
	".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	".doc":  "application/msword", ".xls": "application/vnd.ms-excel", ".zip": "application/zip", ".gz": "application/gzip",
	".txt": "text/plain; charset=utf-8", ".log": "text/plain; charset=utf-8", ".cfg": "text/plain; charset=utf-8", ".conf": "text/plain; charset=utf-8",
	".csv": "text/csv; charset=utf-8", ".md": "text/markdown; charset=utf-8",
}

// Accept is what a file chooser offers.
func Accept() string {
	var out []string
	for ext := range allowed {
		out = append(out, ext)
	}
	slices.Sort(out)
	return strings.Join(out, ",")
}

// Take checks an upload and makes a document of it. The error is a *Fault.
func Take(u Upload) (Document, error) {
	name := cleanName(u.Name)
	ext := strings.ToLower(path.Ext(name))
	media, known := allowed[ext]
	switch {
	case !slices.Contains(Kinds, u.Kind):
		return Document{}, fault("没有这种文件类型："+u.Kind, "no such kind of document: "+u.Kind)
	case len(u.Body) == 0:
		return Document{}, fault("文件是空的", "the file is empty")
	case len(u.Body) > MaxUpload:
		return Document{}, fault("文件超过 16 MiB", "the file is larger than 16 MiB")
	case !known:
		return Document{}, &Fault{lang.Text{ZH: "不接受此格式的文件：" + name, EN: "files of this format are not taken: " + name},
			lang.Text{ZH: "可用格式：" + Accept(), EN: "formats that are: " + Accept()}}
	case !looksLike(ext, u.Body):
		return Document{}, fault("文件内容与扩展名不符："+name, "the file is not what its name says: "+name)
	}
	return Document{ID: idOf(u.IncidentID, Uploaded, u.Kind, sum(u.Body)), IncidentID: u.IncidentID, Origin: Uploaded, Kind: u.Kind, Name: name, Media: media,
		Size: int64(len(u.Body)), Hash: sum(u.Body), At: u.At.UTC(), By: u.By, Body: u.Body}, nil
}

func fault(zh, en string) error { return &Fault{Text: lang.Text{ZH: zh, EN: en}} }

// Attachment is the document as the incident's log names it.
func (d Document) Attachment() incident.Attachment {
	return incident.Attachment{Kind: d.Kind, Name: d.Name, Size: d.Size, Hash: d.Hash, At: d.At, By: d.By}
}

// cleanName keeps the last part of a path, without what headers and terminals
// would trip over.
func cleanName(name string) string {
	name = strings.ReplaceAll(strings.ToValidUTF8(name, "_"), `\`, "/")
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || strings.ContainsRune(`"<>|:*?`, r) {
			return '_'
		}
		return r
	}, path.Base(name))
	if r := []rune(name); len(r) > maxName {
		ext := []rune(path.Ext(name))
		if len(ext) > 10 {
			ext = nil
		}
		name = string(r[:maxName-len(ext)]) + string(ext)
	}
	return strings.TrimLeft(name, ".")
}

// signatures are how files of a format begin.
var signatures = map[string][]string{
	".pdf": {"%PDF-"}, ".png": {"\x89PNG\r\n\x1a\n"}, ".jpg": {"\xff\xd8\xff"}, ".jpeg": {"\xff\xd8\xff"}, ".webp": {"RIFF"},
	".docx": {"PK\x03\x04"}, ".xlsx": {"PK\x03\x04"}, ".zip": {"PK\x03\x04", "PK\x05\x06"}, ".gz": {"\x1f\x8b"},
	".doc": {"\xd0\xcf\x11\xe0"}, ".xls": {"\xd0\xcf\x11\xe0"},
}

// looksLike tells whether the body can be what the name says. Text may be in any
// of the encodings that people here use, but is no binary and no page.
func looksLike(ext string, body []byte) bool {
	if starts, ok := signatures[ext]; ok {
		return slices.ContainsFunc(starts, func(s string) bool { return bytes.HasPrefix(body, []byte(s)) })
	}
	sniffed, _, _ := mime.ParseMediaType(http.DetectContentType(body))
	switch {
	case bytes.IndexByte(body, 0) >= 0:
		return false
	case utf8.Valid(body):
		return sniffed != "text/html" && sniffed != "text/xml"
	}
	return sniffed == "text/plain" || sniffed == "application/octet-stream" // GB 18030
}
