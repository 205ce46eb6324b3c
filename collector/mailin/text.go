package mailin

import (
	"regexp"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/text/width"
)

var metaCharset = regexp.MustCompile(`(?i)<meta[^>]{0,200}charset=["']?([A-Za-z0-9_-]+)`)

// normalise makes line ends one kind, drops control characters and the spaces
// that mail programs put where no space is.
func normalise(s string) string {
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u00a0", " ", "\u200b", "", "\ufeff", "").Replace(s)
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7F || r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 {
			return -1
		}
		return r
	}, s)
}

// htmlText is what a person reads of a mail in HTML. Quoted blocks become lines
// that begin with ">", as in plain mails.
func htmlText(src string) string {
	z := html.NewTokenizer(strings.NewReader(src))
	w := &pageWriter{}
	for {
		switch z.Next() {
		case html.ErrorToken:
			return strings.TrimSpace(w.out.String())
		case html.TextToken:
			w.text(string(z.Text()))
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			w.open(t)
		case html.EndTagToken:
			w.close(z.Token().Data)
		}
	}
}

// pageWriter lays text out in lines.
type pageWriter struct {
	out    strings.Builder
	skip   int // inside style, script, head
	quoted int // inside blockquote
	begun  bool
}

func (w *pageWriter) text(s string) {
	if w.skip > 0 {
		return
	}
	words := strings.Join(strings.Fields(s), " ")
	if words == "" {
		return
	}
	if !w.begun {
		w.out.WriteString(strings.Repeat("> ", min(w.quoted, 3)))
		w.begun = true
	} else if s[0] == ' ' || s[0] == '\n' {
		w.out.WriteByte(' ')
	}
	w.out.WriteString(words)
}

func (w *pageWriter) line() {
	if w.begun {
		w.out.WriteByte('\n')
		w.begun = false
	}
}

func (w *pageWriter) open(t html.Token) {
	switch t.Data {
	case "style", "script", "title":
		if t.Type == html.StartTagToken {
			w.skip++
		}
	case "blockquote":
		w.line()
		w.quoted++
	case "br", "p", "div", "tr", "li", "h1", "h2", "h3", "table", "hr":
		w.line()
	}
	for _, a := range t.Attr {
		// Where Gmail, Outlook and QQ mail begin what they quote.
		if (a.Key == "class" || a.Key == "id") && (strings.Contains(a.Val, "gmail_quote") || a.Val == "divRplyFwdMsg" || a.Val == "isReplyContent") {
			w.line()
			w.out.WriteString("----- Original Message -----\n")
		}
	}
}

func (w *pageWriter) close(tag string) {
	switch tag {
	case "style", "script", "title":
		w.skip = max(0, w.skip-1)
	case "blockquote":
		w.line()
		w.quoted = max(0, w.quoted-1)
	case "p", "div", "tr", "li", "h1", "h2", "h3", "table":
		w.line()
	case "td", "th":
		w.text(" ")
	}
}

// Where mail programs begin to quote. All are matched against one trimmed line.
var quoteBegins = []*regexp.Regexp{
	regexp.MustCompile(`^[-_=*－—]{2,}\s*(原始邮件|原邮件|回复的原邮件|转发的邮件|转发邮件信息|原始郵件|Original Message|Original|Replied Message|Forwarded Message|Forwarded message|Begin forwarded message)\s*[-_=*－—]{0,}`),
	regexp.MustCompile(`(?i)^-{3,}\s*(original|forwarded)`),
	regexp.MustCompile(`^(在|于)\s*\d{4}.{0,80}(写道|寫道)\s*[:：]?$`),
	regexp.MustCompile(`^\d{4}年\d{1,2}月\d{1,2}日.{0,100}(写道|寫道)\s*[:：]?$`),
	regexp.MustCompile(`(?i)^(on|at|le|am)\s.{4,160}(wrote|schrieb|a écrit)\s*[:：]?$`),
	regexp.MustCompile(`^.{0,80}<[^>]+@[^>]+>.{0,60}(写道|wrote)\s*[:：]?$`),
	regexp.MustCompile(`^(开始转发的邮件|Begin forwarded message)\s*[:：]`),
	regexp.MustCompile(`^--\s?$`),
	regexp.MustCompile(`^(发自我的|来自我的|发自|Sent from (my|Mail)|Get Outlook for|从我的).{0,40}$`),
}

// Where our own tickets begin, for programs that quote without a mark.
var ownBegins = regexp.MustCompile(`^(故障单号[：:]\s*\d{8}-|Incident:\s*\d{8}-|请在回复中说明[：:]|Please answer with:|我司(专线|设备|数据库|UPS)|Our (leased line|device|database|UPS)|\*{3} (演练|DRILL))`)

// headLine is a line of a quoted header; two of them in a row begin a quote.
var headLine = regexp.MustCompile(`(?i)^[*>\s|]*(发件人|收件人|发送时间|发送日期|日期|主题|抄送|寄件者|收件者|from|sent|to|cc|date|subject)\s*[*]*\s*[:：]`)

// quoteAt is the index of the line where quoting begins, len(lines) if nowhere.
func quoteAt(lines []string) int {
	for n, line := range lines {
		s := strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(line), "> "))
		if ownBegins.MatchString(s) {
			return n
		}
		for _, re := range quoteBegins {
			if re.MatchString(s) {
				return n
			}
		}
		// "On …" and "wrote:" may stand on two lines.
		if n+1 < len(lines) && quoteBegins[4].MatchString(s+" "+strings.TrimSpace(lines[n+1])) {
			return n
		}
		if headLine.MatchString(s) && n+1 < len(lines) && headLine.MatchString(strings.TrimSpace(lines[n+1])) {
			return n
		}
	}
	return len(lines)
}

// stripQuoted returns what the writer wrote himself: the text before the first
// quote, and lines between quoted ones.
func stripQuoted(text string) string {
	lines := strings.Split(text, "\n")
	var kept []string
	for _, line := range lines[:quoteAt(lines)] {
		if s := strings.TrimSpace(line); strings.HasPrefix(s, ">") || strings.HasPrefix(s, "＞") {
			continue
		}
		kept = append(kept, strings.TrimRight(line, " \t"))
	}
	for len(kept) > 0 && isRule(kept[len(kept)-1]) {
		kept = kept[:len(kept)-1]
	}
	return strings.TrimSpace(blankRun.ReplaceAllString(strings.Join(kept, "\n"), "\n\n"))
}

var blankRun = regexp.MustCompile(`\n{3,}`)

func isRule(s string) bool { return strings.Trim(s, " -_=*|—") == "" }

// Words that mail programs put before a subject: answer and forward.
var (
	replyPrefix   = regexp.MustCompile(`(?i)^\s*(re|aw|sv|vs|antw|ref|回复|回覆|答复|答覆|回應)\s*(\[\d+\]|\(\d+\)|（\d+）|\^\d+)?\s*[:：]\s*`)
	forwardPrefix = regexp.MustCompile(`(?i)^\s*(fwd?|wg|tr|转发|轉寄|轉發)\s*(\[\d+\]|\(\d+\)|（\d+）)?\s*[:：]\s*`)
	autoPrefix    = regexp.MustCompile(`(?i)^\s*(自动回复|自动答复|自動回覆|automatic reply|auto[- ]?reply|auto|out of office|不在办公室|休假自动回复|已读|read)\s*[:：]\s*`)
)

// bareSubject is the subject without what programs put before it, and whether
// one of those words said that it is a forward.
func bareSubject(s string) (bare string, forward bool) {
	s = strings.TrimSpace(s)
	for range 20 {
		before := len(s)
		if m := forwardPrefix.FindString(s); m != "" {
			s, forward = s[len(m):], true
		}
		s = s[len(replyPrefix.FindString(s)):]
		s = s[len(autoPrefix.FindString(s)):]
		if len(s) == before {
			break
		}
	}
	return strings.TrimSpace(s), forward
}

// subjectToken finds an incident's number in a subject: [FL#20261121-0042],
// also with the brackets and signs that input methods put there.
var subjectToken = regexp.MustCompile(`(?i)FL\s*#\s*(\d{8}-\d{1,8})`)

func subjectNumbers(subject string) []string {
	var out []string
	for _, m := range subjectToken.FindAllStringSubmatch(width.Narrow.String(subject), 5) {
		out = append(out, m[1])
	}
	return out
}

var forwardMark = regexp.MustCompile(`(?im)^[-_\s]*(forwarded message|begin forwarded message|转发的邮件|转发邮件信息|开始转发的邮件)`)

func forwarded(subject, text string) bool {
	_, f := bareSubject(subject)
	return f || forwardMark.MatchString(text)
}
