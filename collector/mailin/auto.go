package mailin

import (
	"regexp"
	"strings"
)

// Auto is what kind of machine wrote a mail; "" is a person.
type Auto string

// Kinds of machines' mails.
const (
	AutoReply   Auto = "auto_reply"    // an answer by machine
	AutoAbsence Auto = "out_of_office" // somebody is away
	AutoBounce  Auto = "bounce"        // the mail was not delivered, or late
	AutoReceipt Auto = "receipt"       // it was read or arrived
	AutoBulk    Auto = "bulk"          // a list, a newsletter
	AutoOwn     Auto = "own"           // one of our own mails came back: a loop
)

var (
	absent      = regexp.MustCompile(`(?i)out of (the )?office|away from (the |my )?office|on (annual |sick )?leave|on vacation|on holiday|休假|出差|不在办公室|外出|假期自动|年假`)
	automatic   = regexp.MustCompile(`(?i)^\s*(自动回复|自动答复|自動回覆|automatic reply|auto[- ]?reply|autoreply|auto response|auto:|out of office|休假自动回复|不在办公室)|（自动回复）|【自动回复】|\[自动回复\]`)
	undelivered = regexp.MustCompile(`(?i)^(undeliver(ed|able)|returned mail|mail delivery (failed|failure|subsystem)|delivery status notification|failure notice|delivery (failure|has failed)|退信|系统退信|邮件投递失败|投递失败|投递状态通知)|系统退信|退信通知`)
	receipt     = regexp.MustCompile(`(?i)^\s*(已读|read|read receipt|delivered|已送达|阅读回执)\s*[:：]`)
	daemon      = regexp.MustCompile(`(?i)^(mailer-daemon|postmaster|mail-daemon|mdaemon|no-?reply-bounce)(@|$)`)
)

// autoOf tells a machine's mail from a person's by its header, its form and, as
// the last resort, its subject.
func autoOf(h header, m Mail, report string) Auto {
	subject := strings.TrimSpace(m.Subject)
	submitted, _, _ := strings.Cut(strings.ToLower(h.raw("auto-submitted")), ";")
	submitted = strings.TrimSpace(submitted)
	precedence := strings.ToLower(strings.TrimSpace(h.raw("precedence")))
	returnPath, hasPath := h.raw("return-path"), len(h.all("return-path")) > 0
	switch {
	case h.raw("x-faultline-incident") != "":
		return AutoOwn
	case report == "delivery-status", m.Bounce != nil, daemon.MatchString(m.From.Address), undelivered.MatchString(subject) && (hasPath && emptyPath(returnPath) || submitted != "" && submitted != "no"):
		return AutoBounce
	case report == "disposition-notification", receipt.MatchString(subject) && (submitted != "" || report != ""):
		return AutoReceipt
	case h.raw("list-id") != "" && h.raw("list-unsubscribe") != "", precedence == "bulk" && submitted == "" && h.raw("list-unsubscribe") != "":
		return AutoBulk
	}
	marked := submitted != "" && submitted != "no" || precedence == "auto_reply" || precedence == "bulk" || precedence == "junk" || automatic.MatchString(subject)
	for _, name := range []string{"x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-reply", "x-autoreply-from", "x-mail-autoreply", "x-qq-auto-reply"} {
		marked = marked || h.raw(name) != ""
	}
	marked = marked || strings.Contains(strings.ToLower(h.raw("x-auto-response-suppress")), "all") && submitted != "no" && h.raw("x-ms-exchange-generated-message-source") != ""
	switch {
	case !marked:
		return ""
	case undelivered.MatchString(subject):
		return AutoBounce
	case absent.MatchString(subject) || absent.MatchString(shorten(m.New, 400)):
		return AutoAbsence
	}
	return AutoReply
}

func emptyPath(s string) bool { return s == "" || s == "<>" }

// bounce reads a delivery status notification (RFC 3464).
func bounce(status []byte, original header, report string) *Bounce {
	if report != "delivery-status" {
		return nil
	}
	b := &Bounce{}
	for rest := status; len(rest) > 0; {
		var h header
		before := len(rest)
		h, rest = splitHeader(rest)
		if len(rest) == before {
			break
		}
		action := strings.ToLower(strings.TrimSpace(h.raw("action")))
		if action == "" {
			continue
		}
		b.Failed = b.Failed || action == "failed"
		for _, name := range []string{"final-recipient", "original-recipient"} {
			_, addr, ok := strings.Cut(h.raw(name), ";")
			if ok && len(b.Recipients) < 20 {
				b.Recipients = append(b.Recipients, strings.ToLower(oneLine(addr)))
				break
			}
		}
		if b.Status == "" {
			b.Status = shorten(oneLine(h.raw("status")), 20)
			_, diag, _ := strings.Cut(h.text("diagnostic-code"), ";")
			b.Diagnosis = shorten(oneLine(diag), 300)
		}
	}
	if got := ids(original.raw("message-id")); len(got) > 0 {
		b.Original = got[0]
	}
	return b
}
