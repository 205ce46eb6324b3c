package imap_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/emersion/go-smtp"
	"github.com/jhillyerd/enmime/v2"
	gomail "github.com/wneessen/go-mail"

	"github.com/faultline/faultline/collector/effect/ticket/mail"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/mailin"
	"github.com/faultline/faultline/collector/mailin/imap"
	"github.com/faultline/faultline/collector/mailin/shelf"
	"github.com/faultline/faultline/plugins/ticket"
)

var errNotFound = errors.New("not found")

// post is a mail server for two: SMTP in, IMAP out, over real sockets. Mail to
// *@example.com goes to our mailbox, all other to the vendor's.
type post struct {
	t          *testing.T
	users      map[string]*imapmemserver.User
	smtp, imap string

	mu  sync.Mutex
	srv *imapserver.Server
}

func startPost(t *testing.T) *post {
	t.Helper()
	p := &post{t: t, users: map[string]*imapmemserver.User{}}
	for _, u := range []string{"ours", "vendor"} {
		p.users[u] = imapmemserver.NewUser(u, "password")
		if err := p.users[u].Create("INBOX", nil); err != nil {
			t.Fatal(err)
		}
	}
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{p: p}, nil }))
	s.Domain = "mx.test"
	ln := listen(t, "127.0.0.1:0")
	p.smtp = ln.Addr().String()
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(ln) }()
	// Close may come before Serve knows the listener.
	t.Cleanup(func() { _, _ = s.Close(), ln.Close(); <-done })
	p.startIMAP("127.0.0.1:0")
	t.Cleanup(p.stopIMAP)
	return p
}

func listen(t *testing.T, addr string) net.Listener {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		ln, err := net.Listen("tcp", addr)
		if err == nil {
			return ln
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (p *post) startIMAP(addr string) {
	mem := imapmemserver.New()
	for _, u := range p.users {
		mem.AddUser(u)
	}
	srv := imapserver.New(&imapserver.Options{InsecureAuth: true, Caps: goimap.CapSet{goimap.CapIMAP4rev1: {}, goimap.CapIMAP4rev2: {}},
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return mem.NewSession(), nil, nil
		}})
	ln := listen(p.t, addr)
	p.mu.Lock()
	p.srv, p.imap = srv, ln.Addr().String()
	p.mu.Unlock()
	go func() { _ = srv.Serve(ln) }()
}

func (p *post) stopIMAP() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.srv.Close()
}

// put lays a mail into a mailbox as delivery does.
func (p *post) put(user string, raw []byte) {
	if _, err := p.users[user].Append("INBOX", literal{bytes.NewReader(raw), int64(len(raw))}, &goimap.AppendOptions{}); err != nil {
		p.t.Error(err)
	}
}

type literal struct {
	io.Reader
	n int64
}

func (l literal) Size() int64 { return l.n }

type session struct {
	p  *post
	to []string
}

func (s *session) Mail(string, *smtp.MailOptions) error      { return nil }
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error { s.to = append(s.to, to); return nil }
func (s *session) Reset()                                    { s.to = nil }
func (s *session) Logout() error                             { return nil }

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	for _, to := range s.to {
		user := "vendor"
		if strings.HasSuffix(to, "@example.com") {
			user = "ours"
		}
		s.p.put(user, append([]byte("Delivered-To: "+to+"\r\n"), raw...))
	}
	return nil
}

// keeper is a store in memory.
type keeper struct {
	mu sync.Mutex
	kv map[string]string
	i  incident.Incident
}

func (k *keeper) KVGet(_ context.Context, name string) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if v, ok := k.kv[name]; ok {
		return v, nil
	}
	return "", errNotFound
}

func (k *keeper) KVPut(_ context.Context, name, value string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kv[name] = value
	return nil
}

func (k *keeper) KVInit(ctx context.Context, name, value string) (string, error) {
	if v, err := k.KVGet(ctx, name); err == nil {
		return v, nil
	}
	return value, k.KVPut(ctx, name, value)
}

func (k *keeper) Incident(_ context.Context, id string) (incident.Incident, error) {
	if id != k.i.ID {
		return incident.Incident{}, errNotFound
	}
	return k.i, nil
}

func (k *keeper) IncidentByNumber(_ context.Context, n string) (incident.Incident, error) {
	if n != k.i.Number {
		return incident.Incident{}, errNotFound
	}
	return k.i, nil
}

func (k *keeper) OpenIncidents(context.Context) ([]incident.Incident, error) {
	return []incident.Incident{k.i}, nil
}

// run starts a watcher and returns how to end it.
func run(t *testing.T, o imap.Options) (stop func()) {
	t.Helper()
	o.TLS, o.User, o.Password, o.NotFound, o.First = imap.TLSNone, "ours", "password", errNotFound, 20*time.Millisecond
	if o.Idle == 0 {
		o.Idle = 2 * time.Second // the server forgets mail that comes just before IDLE
	}
	o.Logger = slog.New(slog.DiscardHandler)
	w, err := imap.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

func wait[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

// TestThereAndBack sends a ticket by SMTP, reads it in the vendor's mailbox,
// answers as a mail program does, and sees the facts come out.
func TestThereAndBack(t *testing.T) {
	p := startPost(t)
	m, err := mail.New(mail.Options{Addr: p.smtp, From: "noc@example.com", ReplyTo: "faultline@example.com", TLS: mail.TLSNone, Secret: []byte("0123456789abcdef")})
	if err != nil {
		t.Fatal(err)
	}
	k := &keeper{kv: map[string]string{}, i: incident.Incident{ID: "ab12", Number: "20261121-0042", State: incident.StateOpen,
		Tickets: []incident.Ticket{{Key: "ab12/carrier-a", Vendor: "carrier-a"}}}}
	ref, err := m.Desk().Send(t.Context(), ticket.Ticket{Key: "ab12/carrier-a", MessageKey: "ab12/7/ticket", Number: "20261121-0042", To: []string{"noc@carrier-a.example"},
		Subject: "[FL#20261121-0042] 专线中断", Body: "请派单\n"})
	if err != nil {
		t.Fatal(err)
	}
	k.i.Tickets[0].Messages = []incident.TicketMessage{{Key: "ab12/7/ticket", Ref: ref.ID}}

	facts := make(chan incident.Event, 10)
	papers := make(keptPapers, 5)
	files, err := shelf.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	box, err := mailin.New(mailin.Options{Papers: papers, Queue: files.Queue(), Handle: func(_ context.Context, e incident.Event) error { facts <- e; return nil },
		Matcher: &mailin.Matcher{Incidents: k, KV: k, NotFound: errNotFound, Token: m.ReplyToken, ReplyTo: "faultline@example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	take := func(ctx context.Context, raw []byte, at time.Time) error {
		_, _, err := box.Take(ctx, raw, at)
		return err
	}
	run(t, imap.Options{Addr: p.imap, Take: take, Give: box.Give, Store: k})

	letter := vendorMail(t, p)
	sent := time.Now()
	answer(t, p, letter, "已派单,预计14:30", "")
	first := wait(t, facts, "the answer")
	t.Logf("from the vendor's SMTP to the fact: %s", time.Since(sent))
	if first.Kind != incident.VendorReported || first.Choice != "accepted" || first.IncidentID != "ab12" || !strings.Contains(first.Comment, "已派单,预计14:30") {
		t.Fatalf("got %+v", first)
	}
	answer(t, p, letter, "已修复，报告见附件", "故障检测报告.pdf")
	second, third := wait(t, facts, "the second answer"), wait(t, facts, "its file")
	if second.Choice != "reported_fixed" || third.Kind != incident.Attached || third.Attachment.Kind != "inspection_report" {
		t.Fatalf("got %+v, %+v", second, third)
	}
	if got := <-papers; got.IncidentID != "ab12" || got.Hash != third.Attachment.Hash || !bytes.HasPrefix(got.Data, []byte("%PDF-")) {
		t.Fatalf("the file: %+v", got)
	}
}

// keptPapers takes files.
type keptPapers chan mailin.Paper

func (k keptPapers) Keep(_ context.Context, p mailin.Paper) error {
	k <- p
	return nil
}

// vendorMail is the mail in the vendor's mailbox.
func vendorMail(t *testing.T, p *post) *enmime.Envelope {
	t.Helper()
	mails := make(chan []byte, 5)
	w, err := imap.New(imap.Options{Addr: p.imap, User: "vendor", Password: "password", TLS: imap.TLSNone, NotFound: errNotFound, Store: &keeper{kv: map[string]string{}},
		Take: func(_ context.Context, raw []byte, _ time.Time) error { mails <- raw; return nil }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = w.Run(ctx) }()
	raw := wait(t, mails, "the ticket")
	cancel()
	<-done
	env, err := enmime.ReadEnvelope(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return env
}

// answer sends what a mail program makes of "reply".
func answer(t *testing.T, p *post, to *enmime.Envelope, text, file string) {
	t.Helper()
	msg := gomail.NewMsg(gomail.WithCharset(gomail.Charset("UTF-8")))
	msg.Subject("回复：" + to.GetHeader("Subject"))
	msg.SetGenHeader(gomail.HeaderInReplyTo, to.GetHeader("Message-ID"))
	msg.SetBodyString(gomail.TypeTextPlain, text+"\r\n\r\n在 2026年11月21日，Faultline 写道：\r\n> "+strings.ReplaceAll(to.Text, "\n", "\n> "))
	if file != "" {
		if err := msg.AttachReader(file, strings.NewReader("%PDF-1.4\n%%EOF\n")); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(msg.From("duty@carrier-a.example"), msg.To(to.GetHeader("Reply-To"))); err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(p.smtp)
	n := 0
	for _, c := range port {
		n = n*10 + int(c-'0')
	}
	c, err := gomail.NewClient(host, gomail.WithPort(n), gomail.WithTLSPolicy(gomail.NoTLS))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.DialAndSendWithContext(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
}

func mailOf(n string) []byte {
	return []byte("From: a@b.example\r\nSubject: " + n + "\r\nMessage-ID: <" + n + "@b>\r\n\r\n" + n + "\r\n")
}

// TestReconnect: the server dies and comes back, mails come meanwhile, taking
// one fails at first: each is taken, in order, none twice.
func TestReconnect(t *testing.T) {
	p := startPost(t)
	k := &keeper{kv: map[string]string{}}
	taken := make(chan string, 20)
	failed := false
	stop := run(t, imap.Options{Addr: p.imap, Store: k, Take: func(_ context.Context, raw []byte, _ time.Time) error {
		s := subject(raw)
		if s == "three" && !failed {
			failed = true
			return errors.New("the store is away")
		}
		taken <- s
		return nil
	}})
	p.put("ours", mailOf("one"))
	if s := wait(t, taken, "one"); s != "one" {
		t.Fatal(s)
	}
	addr := p.imap
	p.stopIMAP()
	p.put("ours", mailOf("two"))
	p.put("ours", mailOf("three"))
	p.startIMAP(addr)
	p.put("ours", mailOf("four"))
	got := []string{wait(t, taken, "two"), wait(t, taken, "three"), wait(t, taken, "four")}
	if !slices.Equal(got, []string{"two", "three", "four"}) {
		t.Fatalf("took %q", got)
	}
	stop()
	p.put("ours", mailOf("five"))
	run(t, imap.Options{Addr: p.imap, Store: k, Take: func(_ context.Context, raw []byte, _ time.Time) error { taken <- subject(raw); return nil }})
	if s := wait(t, taken, "five after a restart"); s != "five" {
		t.Fatalf("after a restart %q", s)
	}
}

// TestNewValidity: the mailbox was made anew; its mails are handed over again.
func TestNewValidity(t *testing.T) {
	p := startPost(t)
	k := &keeper{kv: map[string]string{}}
	name := "mailin/place/ours@" + p.imap + "/INBOX"
	k.kv[name] = `{"validity":4294967295,"uid":900}`
	p.put("ours", mailOf("again"))
	taken := make(chan string, 5)
	run(t, imap.Options{Addr: p.imap, Store: k, Take: func(_ context.Context, raw []byte, _ time.Time) error { taken <- subject(raw); return nil }})
	if s := wait(t, taken, "the mail"); s != "again" {
		t.Fatal(s)
	}
}

// TestPoison: a mail that can never be filed goes to people and holds up none.
func TestPoison(t *testing.T) {
	p := startPost(t)
	p.put("ours", mailOf("poison"))
	p.put("ours", mailOf("good"))
	taken, given := make(chan string, 5), make(chan string, 5)
	run(t, imap.Options{Addr: p.imap, Store: &keeper{kv: map[string]string{}}, Tries: 2,
		Take: func(_ context.Context, raw []byte, _ time.Time) error {
			if subject(raw) == "poison" {
				return errors.New("cannot be filed")
			}
			taken <- subject(raw)
			return nil
		},
		Give: func(_ context.Context, raw []byte, _ time.Time, problem string) error {
			given <- subject(raw) + ": " + problem
			return nil
		}})
	if s := wait(t, given, "the poison"); s != "poison: cannot be filed" {
		t.Fatal(s)
	}
	if s := wait(t, taken, "the good mail"); s != "good" {
		t.Fatal(s)
	}
}

func subject(raw []byte) string {
	env, err := enmime.ReadEnvelope(bytes.NewReader(raw))
	if err != nil {
		return err.Error()
	}
	return env.GetHeader("Subject")
}

func TestOptions(t *testing.T) {
	take := func(context.Context, []byte, time.Time) error { return nil }
	good := imap.Options{Addr: "imap.example.com:993", User: "u", Take: take, Store: &keeper{}, NotFound: errNotFound}
	if _, err := imap.New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*imap.Options){"no port": func(o *imap.Options) { o.Addr = "x" }, "no user": func(o *imap.Options) { o.User = "" },
		"bad tls": func(o *imap.Options) { o.TLS = "maybe" }, "no take": func(o *imap.Options) { o.Take = nil }} {
		o := good
		change(&o)
		if _, err := imap.New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
