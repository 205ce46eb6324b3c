package plugintest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"
	"github.com/jhillyerd/enmime/v2"

	"github.com/faultline/faultline/agent/input/snmp"
	"github.com/faultline/faultline/collector/effect/ticket/mail"
	"github.com/faultline/faultline/collector/effect/ticket/webhook"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/lab"
	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/plugintest"
	"github.com/faultline/faultline/rules"
)

func TestBuiltInSNMP(t *testing.T) {
	dir, err := fs.Sub(rules.FS(), "profiles")
	if err != nil {
		t.Fatal(err)
	}
	set, err := profile.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	in, err := snmp.New(snmp.Options{Profiles: set})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	branch, err := lab.Start(t.Context(), lab.Options{Network: "127.84.77"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = branch.Close() }()
	c := plugintest.InputCase{Input: in, Targets: practiceTargets(t, branch)}
	quiet, err := net.ListenPacket("udp", "127.0.0.1:0") // takes what is sent and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = quiet.Close() }()
	c.Silent = c.Targets[0]
	c.Silent.ID, c.Silent.Address = "silent", quiet.LocalAddr().String()
	bad := c.Targets[0]
	bad.ID, bad.Options = "bad", map[string]string{"version": "7"}
	c.Bad = []base.Target{bad}
	plugintest.Run(t, plugintest.Input(c))
}

// practiceTargets are the SNMP devices of a practice branch.
func practiceTargets(t *testing.T, b *lab.Branch) (devices []base.Target) {
	t.Helper()
	text, err := b.Inventory()
	if err != nil {
		t.Fatal(err)
	}
	inv, err := inventory.Parse("practice.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	w, _ := inv.Work("practice")
	for _, target := range w.Targets {
		if target.Input == "snmp" {
			devices = append(devices, target)
		}
	}
	if len(devices) < 2 {
		t.Fatalf("%d devices in the practice branch", len(devices))
	}
	return devices
}

// hook is a receiver of signed webhooks.
type hook struct {
	*httptest.Server
	mu    sync.Mutex
	fault plugintest.Fault
	all   []plugintest.Message
	stall chan struct{}
}

func (h *hook) Arrived() []plugintest.Message {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]plugintest.Message(nil), h.all...)
}

func (h *hook) Break(f plugintest.Fault) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fault = f
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	var b webhook.Body
	if err := json.Unmarshal(raw, &b); err != nil || !webhook.Verify(r.Header.Get(webhook.SignatureHeader), raw, hookKey) {
		http.Error(w, "signature", http.StatusUnauthorized)
		return
	}
	h.mu.Lock()
	fault := h.fault
	if fault == plugintest.NoFault || fault == plugintest.Loses || fault == plugintest.Stalls {
		h.all = append(h.all, plugintest.Message{Subject: b.Subject, Body: b.Text})
	}
	h.mu.Unlock()
	switch fault {
	case plugintest.Refuses:
		w.WriteHeader(http.StatusForbidden)
	case plugintest.Busy:
		w.WriteHeader(http.StatusTooManyRequests)
	case plugintest.Loses:
		w.WriteHeader(http.StatusBadGateway)
	case plugintest.Stalls:
		select {
		case <-r.Context().Done():
		case <-h.stall:
		}
	default:
		_, _ = io.WriteString(w, `{"id":"T-1"}`)
	}
}

const hookKey = "0123456789abcdef0123"

func TestBuiltInWebhook(t *testing.T) {
	h := &hook{stall: make(chan struct{})}
	h.Server = httptest.NewServer(h)
	defer h.Close()
	defer close(h.stall)
	d, err := webhook.New(webhook.Options{Keys: []string{hookKey}})
	if err != nil {
		t.Fatal(err)
	}
	plugintest.Run(t, plugintest.Ticket(plugintest.TicketCase{Desk: d, To: []string{h.URL}, World: h}))
}

// postbox is an SMTP server.
type postbox struct {
	mu    sync.Mutex
	fault plugintest.Fault
	all   []plugintest.Message
	stall chan struct{}
}

func (p *postbox) Arrived() []plugintest.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]plugintest.Message(nil), p.all...)
}

func (p *postbox) Break(f plugintest.Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
}

func (p *postbox) now() plugintest.Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault
}

type letter struct {
	box  *postbox
	conn *smtp.Conn
}

func (letter) Mail(string, *smtp.MailOptions) error { return nil }
func (letter) Reset()                               {}
func (letter) Logout() error                        { return nil }

func (l letter) Rcpt(string, *smtp.RcptOptions) error {
	switch l.box.now() {
	case plugintest.Refuses:
		return &smtp.SMTPError{Code: 550, Message: "no such user"}
	case plugintest.Busy:
		return &smtp.SMTPError{Code: 451, Message: "come back later"}
	}
	return nil
}

func (l letter) Data(r io.Reader) error {
	env, err := enmime.ReadEnvelope(r)
	if err != nil {
		return fmt.Errorf("read mail: %w", err)
	}
	m := plugintest.Message{Subject: env.GetHeader("Subject"), Body: strings.TrimSuffix(strings.ReplaceAll(env.Text, "\r\n", "\n"), "\n")}
	for _, a := range env.Attachments {
		m.Attachments = append(m.Attachments, a.FileName)
	}
	l.box.mu.Lock()
	l.box.all = append(l.box.all, m)
	l.box.mu.Unlock()
	switch l.box.now() {
	case plugintest.Loses:
		_ = l.conn.Conn().Close()
		return errors.New("cut")
	case plugintest.Stalls:
		<-l.box.stall
	}
	return nil
}

// postOffice starts the server and a mailer for it.
func postOffice(t *testing.T) (*postbox, *mail.Mailer) {
	t.Helper()
	p := &postbox{stall: make(chan struct{})}
	srv := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return letter{p, c}, nil }))
	srv.Domain = "mx.test"
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(ln) }()
	t.Cleanup(func() { close(p.stall); _, _ = srv.Close(), ln.Close(); <-done }) // Close may come before Serve knows the listener
	m, err := mail.New(mail.Options{Addr: ln.Addr().String(), From: "noc@example.com", TLS: mail.TLSNone, Secret: []byte("0123456789abcdef"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return p, m
}

func TestBuiltInMailDesk(t *testing.T) {
	p, m := postOffice(t)
	plugintest.Run(t, plugintest.Ticket(plugintest.TicketCase{Desk: m.Desk(), To: []string{"noc@carrier.example"}, Fields: map[string]string{"language": "zh-CN"}, World: p}))
}

func TestBuiltInMailChannel(t *testing.T) {
	p, m := postOffice(t)
	checks := plugintest.Notify(plugintest.NotifyCase{Channel: m.Channel(), To: "duty@example.com", World: subjectOnly{p}})
	plugintest.Run(t, checks)
}

// subjectOnly is a postbox of notices, whose bodies have a link below the text.
type subjectOnly struct{ *postbox }

// Arrived cuts off what the channel adds.
func (s subjectOnly) Arrived() []plugintest.Message {
	all := s.postbox.Arrived()
	for i := range all {
		all[i].Body, _, _ = strings.Cut(all[i].Body, "\n")
	}
	return all
}
