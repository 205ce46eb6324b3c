package mail

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/faultline/faultline/plugins/notify"
	"github.com/faultline/faultline/plugins/ticket"
)

var at = time.Date(2026, 11, 21, 8, 0, 20, 0, time.UTC)

func mailer(t *testing.T, s *server, change ...func(*Options)) *Mailer {
	t.Helper()
	o := Options{Addr: s.addr, From: "Faultline 监测 <noc@example.com>", User: "user", Password: "password", RootCAs: s.roots,
		ReplyTo: "faultline@example.com", Secret: []byte("0123456789abcdef"), Timeout: 5 * time.Second, Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&o)
	}
	m, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func plain(o *Options) { o.TLS, o.User = TLSNone, "" }

func example() ticket.Ticket {
	return ticket.Ticket{Key: "ab12/carrier-a", MessageKey: "ab12/7/ticket", Number: "20261121-0042",
		To: []string{"noc@carrier.example", "duty@carrier.example"}, Subject: "[FL#20261121-0042] 专线中断 电路 SH-0231",
		Body: "您好！\n电路编号：SH-0231\n.\n一行以点开头\n", At: at, Fields: map[string]string{"language": "zh-CN"}}
}

func TestTicketMail(t *testing.T) {
	s := start(t)
	d := mailer(t, s).Desk()
	ref, err := d.Send(t.Context(), example())
	if err != nil {
		t.Fatal(err)
	}
	m, env := s.last(t)
	if !m.tls || !slices.Equal(m.to, example().To) {
		t.Errorf("encrypted %v, to %v", m.tls, m.to)
	}
	if !strings.HasPrefix(ref.ID, "<inc.ab12.7.ticket.") || !strings.HasSuffix(ref.ID, "@example.com>") {
		t.Errorf("ref %s", ref.ID)
	}
	want := map[string]string{
		"Message-ID": ref.ID, "Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All", "In-Reply-To": "", "References": "",
		"Subject": example().Subject, "Date": "Sat, 21 Nov 2026 08:00:20 +0000", "X-Faultline-Incident": "20261121-0042", "X-Faultline-Repeat": "",
		"Reply-To": "<faultline+" + d.m.ReplyToken("20261121-0042", "ab12/carrier-a") + "@example.com>",
		"From":     "Faultline 监测 <noc@example.com>",
	}
	for h, v := range want {
		if got := strings.ReplaceAll(env.GetHeader(h), `"`, ""); got != v {
			t.Errorf("%s: %q, want %q", h, got, v)
		}
	}
	if got := strings.ReplaceAll(env.Text, "\r\n", "\n"); got != example().Body {
		t.Errorf("text %q", got)
	}
	for n, line := range strings.Split(string(m.raw), "\r\n") {
		if len(line) > 998 || strings.Contains(line, "\n") {
			t.Errorf("line %d is not as RFC 5322 wants it: %q", n+1, line)
		}
	}
}

// TestPicture: a picture that the HTML names stands within it, a file beside it.
func TestPicture(t *testing.T) {
	s := start(t)
	x := example()
	x.HTML = `<p>电路 SH-0231</p><img src="cid:chart-1.png">`
	x.Attachments = []ticket.Attachment{{Name: "chart-1.png", ContentType: "image/png", Data: []byte("\x89PNG1")}, {Name: "chart-1.svg", ContentType: "image/svg+xml", Data: []byte("<svg/>")}}
	if _, err := mailer(t, s).Desk().Send(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	_, env := s.last(t)
	if len(env.Inlines) != 1 || strings.Trim(env.Inlines[0].ContentID, "<>") != "chart-1.png" || string(env.Inlines[0].Content) != "\x89PNG1" {
		t.Errorf("within: %+v", env.Inlines)
	}
	if len(env.Attachments) != 1 || env.Attachments[0].FileName != "chart-1.svg" {
		t.Errorf("beside: %+v", env.Attachments)
	}
	if env.HTML != x.HTML || strings.ReplaceAll(env.Text, "\r\n", "\n") != x.Body {
		t.Errorf("texts %q, %q", env.HTML, env.Text)
	}
}

func TestThreadAndRepeat(t *testing.T) {
	s := start(t)
	d := mailer(t, s).Desk()
	x := example()
	var refs []string
	for n := range 12 {
		x.Thread = slices.Clone(refs)
		x.MessageKey = fmt.Sprintf("ab12/%d/ticket", n)
		ref, err := d.Send(t.Context(), x)
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, ref.ID)
	}
	_, env := s.last(t)
	if got := env.GetHeader("In-Reply-To"); got != refs[10] {
		t.Errorf("In-Reply-To %q, want %q", got, refs[10])
	}
	if got := strings.Fields(env.GetHeader("References")); !slices.Equal(got, refs[:11]) {
		t.Errorf("References %q, want %q", got, refs[:11])
	}
	x.Repeat = true
	x.Thread = append(x.Thread, "JIRA-17", "<bad id>\r\nBcc: x@y.example") // another desk's
	ref, err := d.Send(t.Context(), x)
	if err != nil || ref.ID != refs[11] {
		t.Fatalf("repeat has the id %s, want %s: %v", ref.ID, refs[11], err)
	}
	_, env = s.last(t)
	if got := env.GetHeader("Subject"); got != "[FL#20261121-0042] [重发] 专线中断 电路 SH-0231" || env.GetHeader("X-Faultline-Repeat") != "yes" {
		t.Errorf("subject of the repeat %q", got)
	}
	if got := env.GetHeader("References"); strings.Contains(got, "JIRA") || env.GetHeader("Bcc") != "" {
		t.Errorf("foreign references %q", got)
	}
	if _, found, err := d.Find(t.Context(), x.MessageKey); found || !errors.Is(err, ticket.ErrCannotSearch) {
		t.Errorf("find: %v %v", found, err)
	}
}

func TestFailures(t *testing.T) {
	busy := &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "greylisted, come back"}
	gone := &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	tests := []struct {
		name             string
		script           func(*server)
		options          func(*Options)
		server           []serverOption
		retry, ambiguous bool
		text             string // "": it succeeds
		mails            int
	}{
		{name: "4xx to both recipients", script: func(s *server) { s.rcpt["noc@carrier.example"], s.rcpt["duty@carrier.example"] = busy, gone },
			retry: true, text: "greylisted"},
		{name: "5xx to both recipients", script: func(s *server) { s.rcpt["noc@carrier.example"], s.rcpt["duty@carrier.example"] = gone, gone },
			text: "is the address in the inventory right?"},
		{name: "one recipient refused", script: func(s *server) { s.rcpt["noc@carrier.example"] = gone }, mails: 1},
		{name: "4xx after the dot", script: func(s *server) { s.data = busy }, retry: true, text: "451"},
		{name: "5xx after the dot", script: func(s *server) { s.data = &smtp.SMTPError{Code: 554, Message: "spam"} }, text: "554"},
		{name: "no answer after the dot", script: func(s *server) { s.hang = make(chan struct{}) },
			options: func(o *Options) { o.Timeout = 3 * time.Second }, retry: true, ambiguous: true, text: "smtp data", mails: 1},
		{name: "cut after the dot", script: func(s *server) { s.drop = true }, retry: true, ambiguous: true, text: "smtp data", mails: 1},
		{name: "wrong password", options: func(o *Options) { o.Password = "secret-guess" }, retry: true, text: "are user and password right?"},
		{name: "untrusted certificate", options: func(o *Options) { o.RootCAs = x509.NewCertPool() }, retry: true, text: "set ca_file"},
		{name: "no STARTTLS though mandatory", server: []serverOption{withoutTLS}, options: func(o *Options) { o.User = "" }, retry: true, text: "set tls to opportunistic"},
		{name: "no STARTTLS, opportunistic", server: []serverOption{withoutTLS}, options: func(o *Options) { o.User, o.TLS = "", TLSOpportunistic }, mails: 1},
		{name: "none", server: []serverOption{withoutTLS}, options: plain, mails: 1},
		{name: "no password in the clear", server: []serverOption{withoutTLS}, options: func(o *Options) { o.TLS = TLSOpportunistic }, retry: true, text: "smtp connect"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, tt.server...)
			if tt.script != nil {
				s.script(tt.script)
			}
			if s.hang != nil {
				defer close(s.hang)
			}
			var change []func(*Options)
			if tt.options != nil {
				change = append(change, tt.options)
			}
			_, err := mailer(t, s, change...).Desk().Send(t.Context(), example())
			if got := len(s.received()); got != tt.mails {
				t.Errorf("%d mails arrived, want %d", got, tt.mails)
			}
			if tt.text == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var te *ticket.Error
			if !errors.As(err, &te) || te.Retryable != tt.retry || te.Ambiguous != tt.ambiguous || !strings.Contains(err.Error(), tt.text) {
				t.Fatalf("got %+v, want retry %v, ambiguous %v, %q", err, tt.retry, tt.ambiguous, tt.text)
			}
			if strings.Contains(err.Error(), "secret-guess") {
				t.Fatalf("password in %v", err)
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{addr: ln.Addr().String()}
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = mailer(t, s).Desk().Send(t.Context(), example())
	var te *ticket.Error
	if !errors.As(err, &te) || !te.Retryable || te.Ambiguous {
		t.Fatalf("got %+v", err)
	}
}

func TestCancelEndsAnAttempt(t *testing.T) {
	s := start(t)
	s.hang = make(chan struct{})
	defer close(s.hang)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	m := mailer(t, s, func(o *Options) { o.Timeout = time.Hour })
	go func() { _, err := m.Desk().Send(ctx, example()); ended <- err }()
	for len(s.received()) == 0 { // the mail is with the server, its answer is not with us
		select {
		case err := <-ended:
			t.Fatal(err)
		case <-time.After(5 * time.Millisecond):
		}
	}
	cancel()
	var te *ticket.Error
	if err := <-ended; !errors.As(err, &te) || !te.Ambiguous {
		t.Fatalf("got %+v", err)
	}
}

func TestBadRecipient(t *testing.T) {
	s := start(t)
	for _, to := range [][]string{nil, {"not an address"}, {"a@b.example\r\nBcc: c@d.example"}} {
		x := example()
		x.To = to
		_, err := mailer(t, s).Desk().Send(t.Context(), x)
		var te *ticket.Error
		if !errors.As(err, &te) || te.Retryable {
			t.Errorf("%q: got %v", to, err)
		}
	}
}

func TestNotice(t *testing.T) {
	s := start(t)
	c := mailer(t, s).Channel()
	n := notify.Notice{Key: "ab12/9/notify/li", To: "li@example.com", Subject: "[FL#20261121-0042] 待处理：专线中断", Body: "请处理。\n",
		URL: "https://noc.example.com/incidents/ab12", Repeat: true}
	if err := c.Deliver(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	_, env := s.last(t)
	if got := env.GetHeader("Subject"); got != "[FL#20261121-0042] [重发] 待处理：专线中断" {
		t.Errorf("subject %q", got)
	}
	if !strings.Contains(env.Text, n.URL) || env.GetHeader("Reply-To") != "" {
		t.Errorf("text %q, reply-to %q", env.Text, env.GetHeader("Reply-To"))
	}
}

func TestIDsCannotBeGuessedNorCollide(t *testing.T) {
	s := &server{addr: "127.0.0.1:25"}
	m, other := mailer(t, s), mailer(t, s, func(o *Options) { o.Secret = []byte("another secret!!") })
	if m.messageID("a/1/ticket") == other.messageID("a/1/ticket") || m.ReplyToken("1", "k") == other.ReplyToken("1", "k") {
		t.Error("ids do not depend on the secret")
	}
	if m.messageID("a/1/b") == m.messageID("a/1.b") || m.messageID("a/1") == m.ReplyToken("a/1", "a/1") {
		t.Error("different keys share an id")
	}
	if got := m.messageID("线路 <x>@/\r\n7"); strings.ContainsAny(got[:strings.Index(got, "@")], "<>\r\n /路") {
		t.Errorf("id %q", got)
	}
}

func TestOptions(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"no port":    func(o *Options) { o.Addr = "mail.example.com" },
		"no from":    func(o *Options) { o.From = "" },
		"bad tls":    func(o *Options) { o.TLS = "perhaps" },
		"no secret":  func(o *Options) { o.Secret = nil },
		"bad answer": func(o *Options) { o.ReplyTo = "nobody" },
	} {
		o := Options{Addr: "mx.example.com:25", From: "a@example.com", Secret: make([]byte, 16)}
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
