package ticket

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/effect"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/outbox"
	"github.com/faultline/faultline/internal/lang"
	desk "github.com/faultline/faultline/plugins/ticket"
)

var update = flag.Bool("update", false, "write the expected messages anew")

var t0 = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

// estate is an inventory with one of everything a ticket tells of.
func estate() *inventory.Graph {
	return inventory.NewGraph(&inventory.Inventory{
		Sites: []inventory.Site{
			{ID: "hq", Name: lang.Text{ZH: "总公司", EN: "Head office"}, Kind: "hq"},
			{ID: "branch-2", Name: lang.Text{ZH: "上海分公司", EN: "Shanghai branch"}, Kind: "branch", Address: "上海市浦东新区世纪大道 1 号 12 层", Contact: "王工 021-5555 0102"},
			{ID: "branch-p", Name: lang.Text{ZH: "演练分公司", EN: "Practice branch"}, Kind: "branch", Practice: true},
		},
		Devices: []inventory.Device{
			{ID: "hq-rtr", Site: "hq", Kind: "router", Addresses: []string{"10.0.0.1"}},
			{ID: "b2-rtr", Site: "branch-2", Kind: "router", Name: lang.Text{ZH: "上海出口路由器", EN: "Shanghai edge router"}, Vendor: "Huawei", Model: "AR651",
				Serial: "2102350XYZ", Addresses: []string{"10.2.0.1"}},
			{ID: "b2-ups", Site: "branch-2", Kind: "ups", Model: "SMT3000"},
		},
		Lines: []inventory.Line{{ID: "carrier-a:line-2", Name: lang.Text{ZH: "上海主用专线", EN: "Shanghai main line"}, Site: "branch-2", Carrier: "carrier-a",
			Circuit: "SH-0231", Role: "main", Mbps: 100, Respond: "30m", AEnd: inventory.End{Device: "hq-rtr", Interface: "GigabitEthernet0/0/2", Address: "10.255.2.1"},
			BEnd: inventory.End{Device: "b2-rtr", Interface: "GigabitEthernet0/0/0", Address: "10.255.2.2"}}},
		Vendors: []inventory.Vendor{
			{ID: "carrier-a", Kind: incident.VendorCarrier, Name: lang.Text{ZH: "甲运营商", EN: "Carrier A"}, Emails: []string{"noc@carrier-a.example"}, Desk: "email"},
			{ID: "supplier-b", Kind: incident.VendorSupplier, Name: lang.Text{ZH: "乙供应商", EN: "Supplier B"}, Language: "en", Emails: []string{"help@supplier-b.example"}},
			{ID: "ups-c", Kind: incident.VendorUPS, Name: lang.Same("UPS C"), Desk: "webhook", DeskOptions: map[string]string{"url": "https://ups-c.example/hook"}},
			{ID: "db-d", Kind: incident.VendorDB, Name: lang.Same("DB D"), Desk: "telex"},
		},
		Contracts: []inventory.Contract{{ID: "MA-2026-17", Vendor: "supplier-b", Kind: "maintenance", Kinds: []string{"router", "switch"}, Respond: "4h"}},
	})
}

func lineDown() incident.Incident {
	return incident.Incident{ID: "ab12", Number: "20261121-0042", State: incident.StateOpen, Severity: incident.SeverityCritical,
		OpenedAt: t0, FaultAt: t0.Add(-22 * time.Second), FirstClass: incident.ClassCarrierLine, VendorID: "carrier-a",
		Diagnosis: incident.Diagnosis{Class: incident.ClassCarrierLine, Site: "branch-2", Device: "carrier-a:line-2", Circuit: "SH-0231", VendorKind: incident.VendorCarrier,
			Title:    lang.Text{ZH: "上海分公司主用专线中断", EN: "Shanghai branch: main line down"},
			Proof:    lang.Text{ZH: "两端端口正常，线路 22 秒内丢包 100%，备用线路承载业务，UPS 市电正常。", EN: "Both ends' ports up, 100 % loss for 22 s, the second line carries the traffic, UPS on mains."},
			Affected: []string{"b2-sw", "b2-srv"},
			Evidence: []incident.Observation{
				{Element: "U", Subject: "b2-ups", Truth: "ok", At: t0.Add(-12 * time.Second), Text: lang.Text{ZH: "UPS 市电供电（12 秒前）", EN: "UPS on mains (12 s ago)"}},
				{Element: "P", Subject: "carrier-a:line-2", Truth: "bad", At: t0.Add(-2 * time.Second), Text: lang.Text{ZH: "线路丢包 100%（2 秒前）", EN: "100 % loss across the line (2 s ago)"}},
			}}}
}

func routerDead() incident.Incident {
	i := lineDown()
	i.VendorID, i.Severity, i.Reclassified = "supplier-b", incident.SeverityMajor, 1
	i.Diagnosis.Class, i.Diagnosis.Device, i.Diagnosis.Circuit, i.Diagnosis.VendorKind = incident.ClassDevice, "b2-rtr", "", incident.VendorSupplier
	i.Diagnosis.Component = "power supply 1"
	i.Diagnosis.Provisional = true
	i.Diagnosis.Title = lang.Text{ZH: "上海分公司路由器故障", EN: "Shanghai branch: edge router dead"}
	i.Diagnosis.Affected = []string{"d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9", "d10", "d11", "d12"}
	return i
}

// noAnswer is a line that is down, asked of the vendor an hour ago, with one
// contact told in vain.
func noAnswer(vendor, told string) incident.Incident {
	i := lineDown()
	i.VendorID, i.FaultAt = vendor, t0.Add(-time.Hour-22*time.Second)
	i.Alerts = []incident.AlertRef{{Name: "LineDown", Summary: lang.Text{ZH: "线路丢包 100%", EN: "100 % loss across the line"}, Firing: true, Since: i.FaultAt},
		{Name: "Slow", Summary: lang.Text{ZH: "备用线路拥塞", EN: "the second line is full"}, ResolvedAt: t0.Add(-20 * time.Minute)}, {Name: "Old", ResolvedAt: t0.Add(-2 * time.Hour)}}
	i.Tickets = []incident.Ticket{{Key: Key(i.ID, vendor), State: "sent", OpenedAt: t0.Add(-time.Hour), Messages: []incident.TicketMessage{
		{Key: i.ID + "/2/ticket", State: "sent", Ref: "<m1@example.com>", Reason: effect.ReasonOpened, At: t0.Add(-time.Hour)},
		{Key: i.ID + "/5/ticket", State: "sent", Reason: effect.ReasonVendorLate, Level: "2", Contact: told, At: t0.Add(-30 * time.Minute)},
		{Key: i.ID + "/7/ticket", State: "queued", Reason: effect.ReasonVendorLate, Level: "3", Contact: "赵总", At: t0}}}}
	return i
}

func job(i incident.Incident, params ...string) outbox.Job {
	p := map[string]string{}
	for n := 0; n+1 < len(params); n += 2 {
		p[params[n]] = params[n+1]
	}
	return outbox.Job{Effect: incident.Effect{Key: i.ID + "/7/ticket", IncidentID: i.ID, Kind: incident.EffectTicket, Params: p}, Incident: i, Attempt: 1}
}

func TestMessages(t *testing.T) {
	recovered := lineDown()
	recovered.State, recovered.RecoveredAt = incident.StateVerified, t0.Add(17*time.Minute)
	drill := lineDown()
	drill.Practice, drill.Diagnosis.Site = true, "branch-p"
	moved := routerDead() // the carrier's ticket is withdrawn after the diagnosis went elsewhere
	moved.Tickets = []incident.Ticket{{Key: "ab12/carrier-a", Messages: []incident.TicketMessage{
		{Key: "ab12/3/ticket", Subject: "[FL#20261121-0042] 上海分公司主用专线中断 电路 SH-0231", State: "sent"}, {Key: "ab12/7/ticket", State: "queued"}}}}
	ups := routerDead()
	ups.VendorID, ups.Diagnosis.Device, ups.Diagnosis.Class, ups.Diagnosis.Provisional = "ups-c", "b2-ups", incident.ClassPower, false
	silent, silentEN := noAnswer("carrier-a", "王经理"), noAnswer("supplier-b", "Li")
	silentEN.Diagnosis = routerDead().Diagnosis
	late := []string{effect.Reason, effect.ReasonVendorLate, effect.Contact, "3", effect.ContactName, "赵总", effect.AnswerBy, t0.Add(90 * time.Minute).Format(time.RFC3339), effect.Comment, "for our own people"}
	tests := []struct {
		name string
		job  outbox.Job
	}{
		{"carrier-late", job(silent, late...)},
		{"supplier-en-late", job(silentEN, append([]string{effect.Vendor, "supplier-b"}, late...)...)},
		{"carrier-opened", job(lineDown(), effect.Reason, effect.ReasonOpened, effect.Template, "carrier-circuit-fault")},
		{"carrier-recovered", job(recovered, effect.Reason, effect.ReasonRecovered)},
		{"carrier-withdrawn", job(moved, effect.Reason, effect.ReasonWithdrawn, effect.Vendor, "carrier-a")},
		{"carrier-not-confirmed", job(lineDown(), effect.Reason, effect.ReasonNotConfirmed, effect.Comment, "第二次")},
		{"carrier-drill", job(drill)},
		{"supplier-en-opened", job(routerDead())},
		{"supplier-en-reclassified", job(routerDead(), effect.Reason, effect.ReasonReclassified)},
		{"supplier-en-unheard-of", job(routerDead(), effect.Reason, "something new", effect.Template, "no such template")},
		{"ups-opened", job(ups)},
	}
	r, err := NewRenderer()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, ok := estate().Vendor(tt.job.Effect.Params[effect.Vendor])
			if !ok {
				v, _ = estate().Vendor(tt.job.Incident.VendorID)
			}
			m, err := r.Render(Input{Effect: tt.job.Effect, Incident: tt.job.Incident, Vendor: v, Graph: estate(), Now: t0})
			if err != nil {
				t.Fatal(err)
			}
			got := "Subject: " + m.Subject + "\n\n" + m.Body
			path := filepath.Join("testdata", tt.name+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(got, string(want)); d != "" {
				t.Fatalf("message (-got +want), -update writes it anew:\n%s", d)
			}
		})
	}
}

// TestEveryKindAndReason makes sure that no combination fails or leaves marks
// of a template behind, with as little known as there can be.
func TestEveryKindAndReason(t *testing.T) {
	r, err := NewRenderer()
	if err != nil {
		t.Fatal(err)
	}
	bare := incident.Incident{ID: "x", Number: "20261121-0001", Diagnosis: incident.Diagnosis{Title: lang.Same("T"), Device: "unheard-of", Site: "nowhere"}}
	reasons := []string{"", effect.ReasonOpened, effect.ReasonReclassified, effect.ReasonRecovered, effect.ReasonNotConfirmed, effect.ReasonWithdrawn,
		effect.ReasonFolded, effect.ReasonReopened, effect.ReasonClosed, effect.ReasonVendorLate}
	for kind := range kinds {
		for _, l := range []string{"", lang.ZH, lang.EN} {
			for _, reason := range reasons {
				for _, i := range []incident.Incident{bare, lineDown(), routerDead(), noAnswer("carrier-a", "")} {
					m, err := r.Render(Input{Effect: job(i, effect.Reason, reason).Effect, Incident: i, Vendor: inventory.Vendor{Kind: kind, Language: l}, Graph: estate(), Now: t0})
					if err != nil {
						t.Fatal(err)
					}
					if !strings.HasPrefix(m.Subject, "[FL#"+i.Number+"] ") || strings.Contains(m.Subject+m.Body, "<no value>") || strings.Contains(m.Body, "\n\n\n") {
						t.Errorf("%s %s %q: %q\n%s", kind, l, reason, m.Subject, m.Body)
					}
				}
			}
		}
	}
}

func TestSubjectIsOneLine(t *testing.T) {
	r, err := NewRenderer()
	if err != nil {
		t.Fatal(err)
	}
	i := lineDown()
	i.Diagnosis.Title = lang.Same("x\r\nBcc: y@z.example")
	v, _ := estate().Vendor("carrier-a")
	m, err := r.Render(Input{Effect: job(i).Effect, Incident: i, Vendor: v, Graph: estate(), Now: t0})
	if err != nil || strings.ContainsAny(m.Subject, "\r\n") {
		t.Fatalf("%q, %v", m.Subject, err)
	}
}

// fakeDesk records what it is handed.
type fakeDesk struct {
	name    string
	sent    []desk.Ticket
	err     error
	known   desk.Ref
	find    error
	looking int
}

func (d *fakeDesk) Name() string { return d.name }

func (d *fakeDesk) Send(_ context.Context, t desk.Ticket) (desk.Ref, error) {
	if d.err != nil {
		return desk.Ref{}, d.err
	}
	d.sent = append(d.sent, t)
	return desk.Ref{ID: "<m1@x>", URL: "https://desk.example/1"}, nil
}

func (d *fakeDesk) Find(context.Context, string) (desk.Ref, bool, error) {
	d.looking++
	return d.known, d.known.ID != "", d.find
}

func executor(t *testing.T, desks ...desk.Desk) *Executor {
	t.Helper()
	x, err := New(Options{Desks: desks, Graph: estate, Now: func() time.Time { return t0 }})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestExecute(t *testing.T) {
	d := &fakeDesk{name: "email"}
	i := lineDown()
	i.Tickets = []incident.Ticket{
		{Key: "ab12/other", Messages: []incident.TicketMessage{{Key: "ab12/1/ticket", Ref: "<other@x>"}}},
		{Key: "ab12/carrier-a", Messages: []incident.TicketMessage{{Key: "ab12/3/ticket", Ref: "<first@x>"}, {Key: "ab12/5/ticket", State: "failed"}, {Key: "ab12/7/ticket", Ref: "<self@x>"}}},
	}
	out, err := executor(t, d).Execute(t.Context(), job(i, effect.Reason, effect.ReasonReclassified))
	if err != nil || out.Word() != effect.OutcomeSent {
		t.Fatalf("%+v, %v", out, err)
	}
	want := map[string]string{"ticket_key": "ab12/carrier-a", "message_key": "ab12/7/ticket", "reason": "reclassified", "vendor": "carrier-a", "vendor_kind": "carrier",
		"vendor_name": "甲运营商", "desk": "email", "subject": d.sent[0].Subject, "ref": "<m1@x>", "url": "https://desk.example/1"}
	if diff := cmp.Diff(out.Result(), want); diff != "" {
		t.Errorf("result (-got +want):\n%s", diff)
	}
	got := d.sent[0]
	if !slices.Equal(got.Thread, []string{"<first@x>"}) || !slices.Equal(got.To, []string{"noc@carrier-a.example"}) || got.Key != "ab12/carrier-a" ||
		got.MessageKey != "ab12/7/ticket" || got.Repeat || got.Fields["circuit"] != "SH-0231" || got.Fields["language"] != "zh-CN" {
		t.Errorf("ticket %+v", got)
	}
	if _, ok := got.Fields["component"]; ok {
		t.Error("an empty field was sent")
	}
}

func TestAmbiguous(t *testing.T) {
	away := errors.New("desk is away")
	tests := []struct {
		name   string
		desk   fakeDesk
		sent   int
		repeat bool
		err    error
	}{
		{"found", fakeDesk{known: desk.Ref{ID: "CASE-9"}}, 0, false, nil},
		{"surely not there", fakeDesk{}, 1, false, nil},
		{"cannot search", fakeDesk{find: desk.ErrCannotSearch}, 1, true, nil},
		{"search fails", fakeDesk{find: away}, 0, false, away},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := tt.desk
			d.name = "email"
			j := job(lineDown())
			j.Ambiguous = true
			out, err := executor(t, &d).Execute(t.Context(), j)
			if !errors.Is(err, tt.err) || len(d.sent) != tt.sent || d.looking != 1 {
				t.Fatalf("%v, %d sent, looked %d times", err, len(d.sent), d.looking)
			}
			if tt.sent == 1 && d.sent[0].Repeat != tt.repeat {
				t.Fatalf("repeat %v, want %v", d.sent[0].Repeat, tt.repeat)
			}
			if tt.err == nil && out.Word() != effect.OutcomeSent {
				t.Fatalf("outcome %+v", out)
			}
		})
	}
}

func TestAddress(t *testing.T) {
	mail, hook := &fakeDesk{name: "email"}, &fakeDesk{name: "webhook"}
	x := executor(t, mail, hook)
	tests := []struct{ name, vendor, problem string }{
		{"no vendor", "", "no vendor is known for carrier-a:line-2"},
		{"unknown vendor", "nobody", "vendor nobody is not in the inventory"},
		{"unknown desk", "db-d", `the ticket desk "telex", which is not set up (there is: email, webhook)`},
		{"e-mail without a choice", "supplier-b", ""},
		{"webhook", "ups-c", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i := lineDown()
			i.VendorID = ""
			out, err := x.Execute(t.Context(), job(i, effect.Vendor, tt.vendor))
			if err != nil || out.Failed() != (tt.problem != "") || !strings.Contains(out.Word(), tt.problem) {
				t.Fatalf("%+v, %v", out, err)
			}
		})
	}
	if len(hook.sent) != 1 || !slices.Equal(hook.sent[0].To, []string{"https://ups-c.example/hook"}) || len(mail.sent) != 1 {
		t.Fatalf("webhook %+v, mail %d", hook.sent, len(mail.sent))
	}
}

func TestSendErrorKeepsItsMeaning(t *testing.T) {
	d := &fakeDesk{name: "email", err: &desk.Error{Op: "smtp rcpt", Err: errors.New("550 no such user")}}
	_, err := executor(t, d).Execute(t.Context(), job(lineDown()))
	var te *desk.Error
	if !errors.As(err, &te) || te.Retryable {
		t.Fatalf("got %v", err)
	}
}

func TestLasted(t *testing.T) {
	for _, tt := range []struct {
		d      time.Duration
		zh, en string
	}{{0, "0秒", "0 s"}, {-time.Second, "0秒", "0 s"}, {22 * time.Second, "22秒", "22 s"}, {17*time.Minute + 22*time.Second, "17分22秒", "17 min 22 s"},
		{3 * time.Hour, "3小时", "3 h"}, {26*time.Hour + 3*time.Minute, "1天2小时", "1 d 2 h"}, {24*time.Hour + 3*time.Minute, "1天", "1 d"}} {
		if zh, en := lasted(tt.d, lang.ZH), lasted(tt.d, lang.EN); zh != tt.zh || en != tt.en {
			t.Errorf("%s: %q %q, want %q %q", tt.d, zh, en, tt.zh, tt.en)
		}
	}
}
