package web

import (
	"context"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/account/accounttest"
	"github.com/faultline/faultline/collector/api"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/sitemap"
	"github.com/faultline/faultline/collector/truth"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/rules"
)

// testNow is when the fixture's incidents are looked at; it is real time, since
// the browser counts on from its own clock.
var testNow = time.Now().UTC().Truncate(time.Second)

// fixture is a console over an estate in memory.
type fixture struct {
	t        *testing.T
	srv      *httptest.Server
	hub      *Hub
	accounts *account.Service
	store    *accounttest.Memory
	quiets   *engine.Quiets
	wait     atomic.Int64 // holds back the load event, so that scripts have run when a picture is taken

	mu        sync.Mutex // guards the fields below
	incidents []incident.Incident
	acts      []api.Action
	refuse    error
	broken    []string
	exprs     []string
}

// listeners is how many live connections the fixture's hub takes.
const listeners = 20

const testPassword = "winter morning 7"

func newFixture(t *testing.T, change ...func(*Options)) *fixture {
	t.Helper()
	f := &fixture{t: t, store: &accounttest.Memory{}, incidents: sampleIncidents()}
	now := func() time.Time { return testNow }
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	var err error
	if f.accounts, err = account.New(account.Options{Store: f.store, Params: accounttest.Cheap(), Now: now, Logger: log}); err != nil {
		t.Fatal(err)
	}
	for name, u := range map[string]account.User{
		"chen": {Roles: []string{account.RoleHQNetwork}}, "li": {Roles: []string{account.RoleBranchIT}, Sites: []string{"shanghai"}},
		"guest": {Roles: []string{account.RoleViewer}}, "new": {Roles: []string{account.RoleAdmin}},
	} {
		u.ID, u.Name, u.MustChange, u.PasswordHash = "u-"+name, name, name == "new", accounttest.Cheap().Hash(testPassword)
		if err := f.store.PutUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	if f.hub, err = NewHub(listeners, nil); err != nil {
		t.Fatal(err)
	}
	sessions := account.NewSessions(f.accounts, accounttest.NewSessionStore(), false, log)
	inv := sampleInventory()
	h, err := Handler(changed(Options{Accounts: f.accounts, Sessions: sessions, Incidents: f, Engine: f, Hub: f.hub, Inventory: func() *inventory.Inventory { return inv },
		Offers: sampleOffers, Estate: sampleEstate, StepTitle: sampleStep, Diagram: sampleDiagram(t), SiteMap: sampleSiteMap(inv), Board: sampleBoard, Charts: f, Practice: f, Quiet: f.quietGate(inv), Register: sampleRegister(t), Inspections: sampleInspections(t), Scoreboard: sampleScoreboard(t, sampleRegisterInventory(t)), Things: sampleThings(t), Now: now, Logger: log}, change))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if f.wait.Load() == 0 || r.URL.Path == "/events" || !strings.Contains(r.Header.Get("Accept"), "text/html") {
			h.ServeHTTP(w, r)
			return
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		maps.Copy(w.Header(), rec.Header())
		w.WriteHeader(rec.Code)
		io.WriteString(w, strings.Replace(rec.Body.String(), "</main>", `<img src="/test-wait" alt=""></main>`, 1))
	})
	mux.HandleFunc("/test-wait", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(time.Duration(f.wait.Load())):
		case <-r.Context().Done():
		}
	})
	mux.Handle("/test-sign-in", sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		u, err := f.accounts.User(r.Context(), q.Get("as"))
		if err == nil {
			err = sessions.Start(r.Context(), u)
		}
		if err != nil {
			http.Error(w, err.Error(), 500)
			return
		}
		for name, v := range map[string]string{cookieLang: q.Get("lang"), cookieTheme: q.Get("theme")} {
			http.SetCookie(w, &http.Cookie{Name: name, Value: v, Path: "/"})
		}
		http.Redirect(w, r, q.Get("next"), http.StatusSeeOther)
	})))
	f.srv = httptest.NewServer(mux)
	t.Cleanup(func() { f.hub.Close(); f.srv.Close() })
	return f
}

func (f *fixture) Incident(_ context.Context, id string) (incident.Incident, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, i := range f.incidents {
		if i.ID == id {
			return i, nil
		}
	}
	return incident.Incident{}, engine.ErrNotFound
}

func (f *fixture) Incidents(_ context.Context, q api.Query) (out []incident.Incident, next string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, i := range f.incidents {
		if (len(q.States) == 0 || slices.Contains(q.States, i.State)) && (len(q.Sites) == 0 || slices.Contains(q.Sites, i.Diagnosis.Site)) && (q.Class == "" || q.Class == i.Diagnosis.Class) {
			out = append(out, i)
		}
	}
	return out, "", nil
}

func (f *fixture) Events(_ context.Context, id string) ([]incident.Event, error) {
	return sampleEvents(id), nil
}

func (f *fixture) Act(_ context.Context, a api.Action) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse == nil {
		f.acts = append(f.acts, a)
		f.hub.Publish(Change{ID: a.IncidentID, Site: "shanghai"})
	}
	return f.refuse
}

func (f *fixture) Report(context.Context, api.Report) (api.Reported, error) {
	return api.Reported{}, engine.ErrNotFound
}

func (f *fixture) Faults() []string { return []string{"line", "router", "ups", "heat"} }

func (f *fixture) Broken() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.broken)
}

func (f *fixture) Break(_ context.Context, fault string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = append(f.broken, fault)
	return nil
}

func (f *fixture) Mend(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = nil
	return nil
}

// Range draws what an engine would answer: good until the fault, bad after it.
func (f *fixture) Range(_ context.Context, expr string, start, end time.Time, step, _ time.Duration) ([]metricstore.Series, error) {
	f.mu.Lock()
	f.exprs = append(f.exprs, expr)
	f.mu.Unlock()
	var out []metricstore.Series
	for n, agent := range []string{"agent-shanghai", "agent-hq"} {
		s := metricstore.Series{Labels: base.LabelsFrom("", map[string]string{"agent": agent, "instance": "10.255.2.1", "device": "unicom:line-2"})}
		for t := start; !t.After(end); t = t.Add(step) {
			v := 2 + float64(n) + math.Sin(float64(t.Unix())/200)
			if strings.Contains(expr, "loss") {
				v = 0
			}
			if fault := testNow.Add(-14 * time.Minute); t.After(fault) {
				if strings.Contains(expr, "probe_icmp") {
					continue
				}
				v = 100
			}
			s.Points = append(s.Points, metricstore.Point{T: t.UnixMilli(), V: v})
		}
		out = append(out, s)
	}
	return out, nil
}

func sampleInventory() *inventory.Inventory {
	name := func(zh, en string) lang.Text { return lang.Text{ZH: zh, EN: en} }
	return &inventory.Inventory{
		Sites: []inventory.Site{{ID: "hq", Name: name("总公司", "Head office"), Kind: "hq"}, {ID: "shanghai", Name: name("上海分公司", "Shanghai branch"), Kind: "branch"},
			{ID: "chengdu", Name: name("成都分公司", "Chengdu branch"), Kind: "branch"}, {ID: "practice", Name: name("演练分公司", "Practice branch"), Kind: "branch", Practice: true}},
		Devices: []inventory.Device{{ID: "sh-rtr-1", Name: name("出口路由器", "WAN router"), Site: "shanghai"}, {ID: "cd-ups-1", Name: name("机房 UPS", "machine-room UPS"), Site: "chengdu"}},
		Lines:   []inventory.Line{{ID: "unicom:line-2", Name: name("联通专线 A", "Unicom line A"), Site: "shanghai", Circuit: "SH-0231"}},
	}
}

func sampleEstate() []SiteState {
	inv := sampleInventory()
	heard := func(id string, ago time.Duration, t truth.Truth) []AgentState {
		return []AgentState{{ID: id, Truth: t, Heard: testNow.Add(-ago)}}
	}
	out := []SiteState{}
	for n, s := range inv.Sites {
		out = append(out, SiteState{ID: s.ID, Name: s.Name, Kind: s.Kind, Practice: s.Practice, OK: 12 - n, Bad: map[string]int{"shanghai": 2}[s.ID], Unknown: n % 2, Agents: heard("agent-"+s.ID, 3*time.Second, truth.OK)})
	}
	out[2].Agents = heard("agent-chengdu", 4*time.Minute, truth.Unknown)
	return out
}

func sampleOffers(i incident.Incident, roles []string) []api.Offer {
	if i.State == incident.StateClosed || !(slices.Contains(roles, account.RoleAdmin) || slices.Contains(roles, i.StepRole)) {
		return nil
	}
	return []api.Offer{{Kind: api.ActAck}, {Kind: api.ActDecide, Choice: "circuit", Suggested: true, Prompt: lang.Text{ZH: "是专线故障还是设备故障？", EN: "Is it the line or a device?"}, Title: lang.Text{ZH: "专线故障", EN: "Line fault"}},
		{Kind: api.ActDecide, Choice: "device", Title: lang.Text{ZH: "设备故障", EN: "Device fault"}, NeedsComment: true}, {Kind: "attach"}, {Kind: api.ActComment}}
}

func sampleStep(_ incident.Incident, step string) lang.Text {
	return map[string]lang.Text{"triage": {ZH: "故障原因分析判断", EN: "Find the cause"}, "reported": {ZH: "网络故障上报", EN: "Fault reported"},
		"carrier_repair": {ZH: "联系电信运营商解决", EN: "Carrier repairs"}, "confirm": {ZH: "服务确认", EN: "Confirm service"}, "repair": {ZH: "供应商维修", EN: "Supplier repairs"}, "closed": {ZH: "已关闭", EN: "Closed"}}[step]
}

func sampleDiagram(t *testing.T) func(i incident.Incident, language string) ([]byte, error) {
	t.Helper()
	fsys, err := fs.Sub(rules.FS(), "processes")
	if err != nil {
		t.Fatal(err)
	}
	set, err := process.Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return func(i incident.Incident, language string) ([]byte, error) {
		d, ok := set.Latest(i.Process)
		if !ok {
			return nil, engine.ErrNotFound
		}
		return []byte(process.SVG(d, i.Step, language)), nil
	}
}

func sampleSiteMap(inv *inventory.Inventory) func(i incident.Incident, language string) ([]byte, error) {
	g := inventory.NewGraph(inv)
	return func(i incident.Incident, language string) ([]byte, error) {
		d := i.Diagnosis
		return sitemap.Of(g, d.Site, nil, &sitemap.Fault{Device: d.Device, Component: d.Component, Circuit: d.Circuit, Affected: d.Affected}).SVG(language), nil
	}
}

func sampleIncidents() []incident.Incident {
	ago := func(d time.Duration) time.Time { return testNow.Add(-d) }
	value := func(v float64) *float64 { return &v }
	t := func(zh, en string) lang.Text { return lang.Text{ZH: zh, EN: en} }
	line := incident.Incident{
		ID: "01line", Number: "20261121-0042", Version: 9, State: incident.StateOpen, OpenedAt: ago(13 * time.Minute), FaultAt: ago(14 * time.Minute),
		Severity: incident.SeverityMajor, Process: "network", Step: "triage", StepRole: account.RoleBranchIT, VendorName: "中国联通上海", FirstClass: incident.ClassCarrierLine,
		Diagnosis: incident.Diagnosis{Class: incident.ClassCarrierLine, Site: "shanghai", Device: "unicom:line-2", Component: "line-2", Circuit: "SH-0231", VendorKind: incident.VendorCarrier, Provisional: true,
			Title:   t("上海分公司联通专线 A（SH-0231）中断", "Unicom line A of Shanghai branch (SH-0231) is cut"),
			Proof:   t("专线 A（电路 SH-0231）两端端口正常，跨线路双向丢包 100 % 已持续 22 秒，线路 B 承载流量，12 秒前 UPS 为市电供电，路由器未重启。", "Line A (circuit SH-0231): both ends' ports up, 100 % loss across it for 22 s from both sides, line B carries the traffic, UPS on mains 12 s before, router not restarted."),
			Decides: t("分公司自身的记录到达后确认。", "the branch's own record, once it arrives."), Rule: "line_across", RunnerUp: incident.ClassDevice, Against: t("路由器经线路 B 仍可达。", "The router answers over line B."),
			Affected: []string{"sh-rtr-1:wan-2", "sh-backup"},
			Evidence: []incident.Observation{
				{Element: "P", Subject: "unicom:line-2", Vantage: "agent-hq", Truth: "bad", Value: value(100), Unit: "percent", At: ago(4 * time.Second), Since: ago(14 * time.Minute), Text: t("跨线路丢包 100 %", "100 % loss across the line")},
				{Element: "N", Subject: "sh-rtr-1:GigabitEthernet0/0/2", Vantage: "agent-shanghai", Truth: "ok", At: ago(6 * time.Second), Text: t("端口为 up", "the port is up")},
				{Element: "U", Subject: "sh-ups-1", Vantage: "agent-shanghai", Truth: "ok", At: ago(14*time.Minute + 12*time.Second), Last: true, Text: t("市电供电", "on mains")},
				{Element: "R", Subject: "sh-rtr-1", Vantage: "agent-shanghai", Truth: "unknown", At: ago(15 * time.Minute), Text: t("尚未收到重启信息", "nothing heard about a restart")}}},
		Alerts: []incident.AlertRef{{Fingerprint: "a1", Name: "LineLoss", Summary: t("线路丢包", "loss across the line"), Firing: true, Since: ago(14 * time.Minute), Times: 2}},
		Clocks: []incident.Clock{
			{Name: "respond", Title: t("响应", "Respond"), Target: "10m", Calendar: "work", Role: "branch_it", State: "running", DueAt: ago(3 * time.Minute), Breached: true, Elapsed: 13 * time.Minute},
			{Name: "handle", Title: t("分公司处理", "Branch handles"), Target: "4h", Calendar: "work", Role: "branch_it", State: "paused", Elapsed: 5 * time.Minute, Marks: []incident.ClockMark{{At: ago(time.Minute), What: "pause", Reason: "等待运营商 / waits for the carrier", Owner: "carrier"}}},
			{Name: "vendor", Title: t("运营商修复", "Carrier repairs"), Target: "8h", Calendar: "always", Role: "carrier", State: "running", DueAt: testNow.Add(7*time.Hour + 47*time.Minute), Elapsed: 13 * time.Minute},
			{Name: "x", Title: t("升级", "Escalate"), Target: "1d", Calendar: "work", State: "unknown", Problem: "no calendar for 2027"}},
		Tickets: []incident.Ticket{{Key: "k", VendorKind: incident.VendorCarrier, Vendor: "unicom-sh", VendorName: "中国联通上海", Desk: "email", State: "sent", OpenedAt: ago(13 * time.Minute), Messages: []incident.TicketMessage{
			{Key: "m1", At: ago(13 * time.Minute), Subject: "[FL#20261121-0042] 专线 SH-0231 中断", State: "sent"}, {Key: "m2", At: ago(2 * time.Minute), Subject: "[FL#20261121-0042] 更新：补充证据", State: "failed", Problem: "smtp: connection refused", Repeat: true}}}},
	}
	ups := incident.Incident{ID: "02ups", Number: "20261121-0041", State: incident.StateVerified, OpenedAt: ago(3 * time.Hour), VerifiedAt: ago(20 * time.Minute), Severity: incident.SeverityMinor, Process: "infrastructure", Step: "confirm", StepRole: account.RoleHQFacility, Acked: true,
		AckedBy:   incident.Actor{Kind: "person", Name: "wang"},
		Diagnosis: incident.Diagnosis{Class: incident.ClassPower, Site: "chengdu", Device: "cd-ups-1", VendorKind: incident.VendorUPS, Title: t("成都分公司市电中断，UPS 供电", "Chengdu branch runs on UPS: mains lost"), Proof: t("UPS 报告电池供电，剩余 38 分钟。", "The UPS reports battery, 38 minutes left.")}}
	practice := incident.Incident{ID: "03practice", Number: "20261121-0040", State: incident.StateOpen, OpenedAt: ago(40 * time.Second), Severity: incident.SeverityCritical, Process: "infrastructure", Step: "triage", StepRole: account.RoleBranchIT, Practice: true,
		Diagnosis: incident.Diagnosis{Class: incident.ClassEnvironment, Site: "practice", Device: "p-sensor-1", Component: "rack 1", VendorKind: incident.VendorNone, Title: t("演练分公司机房温度 41 ℃", "Machine room of the practice branch at 41 °C"), Proof: t("传感器 rack 1 连续 30 秒高于 35 ℃。", "Sensor rack 1 above 35 °C for 30 s.")}}
	closed := incident.Incident{ID: "04closed", Number: "20260930-0007", State: incident.StateClosed, OpenedAt: ago(52 * 24 * time.Hour), VerifiedAt: ago(52*24*time.Hour - time.Hour), ClosedAt: ago(52*24*time.Hour - 2*time.Hour), Severity: incident.SeverityMajor, Process: "network", Step: "closed",
		Diagnosis: incident.Diagnosis{Class: incident.ClassDevice, Site: "shanghai", Device: "sh-rtr-1", VendorKind: incident.VendorSupplier, Title: t("<b>路由器</b> 失效", "<b>Router</b> failed"), Proof: t("路由器不应答。", "The router does not answer.")}}
	return []incident.Incident{practice, line, ups, closed}
}

func sampleEvents(id string) []incident.Event {
	ago := func(d time.Duration) time.Time { return testNow.Add(-d) }
	li := incident.Actor{Kind: "person", ID: "u-li", Name: "li", Role: account.RoleBranchIT}
	es := []incident.Event{
		{Kind: incident.Opened, At: ago(13 * time.Minute), Actor: incident.System, Diagnosis: &incident.Diagnosis{Title: lang.Text{ZH: "上海分公司联通专线 A 中断", EN: "Unicom line A of Shanghai branch is cut"}}},
		{Kind: incident.Entered, At: ago(13 * time.Minute), Actor: incident.System, Step: "reported", Role: account.RoleBranchIT},
		{Kind: incident.ClockStarted, At: ago(13 * time.Minute), Actor: incident.System, Clock: &incident.Clock{Name: "respond", Title: lang.Text{ZH: "响应", EN: "Respond"}}},
		{Kind: incident.EffectQueued, At: ago(13 * time.Minute), Actor: incident.System, Effect: &incident.Effect{Kind: incident.EffectTicket}},
		{Kind: incident.TicketChanged, At: ago(13*time.Minute - 2*time.Second), Actor: incident.System, Ticket: &incident.Ticket{VendorName: "中国联通上海", State: "sent"}},
		{Kind: incident.Acked, At: ago(6 * time.Minute), Actor: li},
		{Kind: incident.Decided, At: ago(5 * time.Minute), Actor: li, Choice: "circuit", Comment: "两端端口都正常 <script>alert(1)</script>"},
		{Kind: incident.VendorReported, At: ago(3 * time.Minute), Actor: incident.Actor{Kind: "vendor", Name: "中国联通上海"}, Choice: "accepted"},
		{Kind: incident.ClockBreached, At: ago(2 * time.Minute), Actor: incident.System, Clock: &incident.Clock{Name: "respond"}},
	}
	for n := range es {
		es[n].IncidentID, es[n].Seq = id, int64(n+1)
	}
	return es
}
