package mailbox

import (
	"html/template"
	"net/http"
	"slices"
)

var page = template.Must(template.New("mailbox").Parse(`<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="refresh" content="5"><title>演练邮箱 · Practice mailbox</title>
<style>
:root{color-scheme:light dark;font:15px/1.5 system-ui,"Noto Sans CJK SC",sans-serif}
body{max-width:60rem;margin:1rem auto;padding:0 1rem}
.drill{border:2px dashed #b45309;color:#b45309;padding:.25rem .75rem;font-weight:600}
article{border:1px solid #8886;border-radius:6px;margin:1rem 0;padding:.75rem 1rem}
h2{font-size:1rem;margin:0 0 .25rem}small{opacity:.75}pre{white-space:pre-wrap;overflow-wrap:anywhere;font:inherit;margin:.5rem 0 0}
</style></head><body>
<h1>演练邮箱 · Practice mailbox</h1>
<p class="drill">演练 DRILL — 这里的邮件没有离开本机 · these mails never left this machine</p>
{{range .}}<article><h2>{{.Subject}}</h2><small>{{.At.Format "2006-01-02 15:04:05"}} · {{.From}} → {{range .To}}{{.}} {{end}}<br>{{.MessageID}}</small><pre>{{.Text}}</pre></article>
{{else}}<p>暂无邮件 · no mail yet</p>{{end}}
</body></html>`))

// ServeHTTP shows the mails, newest first.
func (b *Box) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	mails := b.Mails()
	slices.Reverse(mails)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	_ = page.Execute(w, mails)
}
