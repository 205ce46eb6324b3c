package lint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faultline/faultline/collector/sla"
)

func calendars(t testing.TB) *sla.Calendars {
	t.Helper()
	cals, err := sla.Load(os.DirFS("../../../rules/calendars"))
	if err != nil {
		t.Fatal(err)
	}
	return cals
}

func read(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../../rules/processes", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestShippedProcessesAreClean(t *testing.T) {
	files, err := filepath.Glob("../../../rules/processes/*.yaml")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d processes, %v", len(files), err)
	}
	cals := calendars(t)
	for _, file := range files {
		list, _ := Check(filepath.Base(file), []byte(read(t, filepath.Base(file))), Options{Calendars: cals})
		for _, f := range list {
			t.Error(f)
		}
	}
}

// TestFindings changes a shipped process in one place and wants it found there:
// rule, line of the change, and the caret below it.
func TestFindings(t *testing.T) {
	cals := calendars(t)
	for name, c := range map[string]struct{ file, old, new, rule, want string }{
		"missing timeout":      {"network.yaml", "    timeout:\n      - {after: 1h, calendar: work, to: hq_assist}\n", "", "timeout", "triage may take for ever"},
		"told to itself only":  {"change.yaml", "notify: [hq_network, hq_it_manager]}\n    next:\n      - {when: done, to: prepare", "notify: [hq_network]}\n    next:\n      - {when: done, to: prepare", "timeout", "nobody but its own role"},
		"verify without end":   {"network.yaml", "- {after: 1h, calendar: always, to: hq_assist}", "- {after: 1h, calendar: always, notify: [hq_network]}", "timeout", "a timeout must lead on"},
		"ladder not in order":  {"network.yaml", "{after: 16h, calendar: work, to", "{after: 6h, calendar: work, to", "timeout", "not later than"},
		"unknown role":         {"service.yaml", "id: user, title: {zh-CN: 用户", "id: cook, title: {zh-CN: 用户", "load", `no role "user"`},
		"role nobody has":      {"network.yaml", "branch_it", "branch_id", "role", "nobody in the company is branch_id"},
		"carrier inside":       {"network.yaml", "en: Carrier}, external: true}", "en: Carrier}}", "role", "external: true elsewhere"},
		"unknown calendar":     {"network.yaml", "work: cn-workday", "work: cn-workdays", "calendar", "not loaded"},
		"calendars exchanged":  {"network.yaml", `{work: cn-workday, always: "24x7"}`, `{work: "24x7", always: cn-workday}`, "calendar", "says otherwise"},
		"24h of working time":  {"network.yaml", "target: 1d", "target: 24h", "calendar", "write 1d"},
		"clock never stops":    {"service.yaml", "stops: [acked]", "stops: [verified]", "clock", "verified never happens"},
		"clock stops too soon": {"change.yaml", "stops: [deploy, plan]", "stops: [plan]", "clock", "never stops once"},
		"clock never starts":   {"service.yaml", "starts: [hq_handle]", "starts: [ticket_opened]", "clock", "ticket_opened never happens"},
		"waits for the wrong":  {"network.yaml", "owner: carrier, reason", "owner: supplier, reason", "clock", "carrier that is waited for"},
		"choice leads back":    {"network.yaml", "to: confirm_restart}", "to: triage}", "load", "nothing leads to confirm_restart"},
		"question and answer":  {"service.yaml", "{zh-CN: 转总公司处理, en: To HQ}, to: hq_handle", "{zh-CN: 转总公司处理, en: To HQ}, to: handle", "decision", "leads back to the question"},
		"approved to nowhere":  {"database.yaml", "      - {when: rejected, to: plan, label: {zh-CN: 不同意, en: rejected}}\n", "", "approval", "rejected leads nowhere"},
		"requester alone":      {"change.yaml", "role: user\n    raci: {A: hq_network, C: [branch_it]}", "role: hq_it_manager\n    raci: {A: hq_network, C: [branch_it]}", "approval", "nobody but the requester may approve"},
		"self approval":        {"resource.yaml", "approve: {by: hq_network, min: 1, deny_self: true}", "approve: {by: user, min: 1, deny_self: false}", "approval", "may approve its own request"},
		"too many approvals":   {"change.yaml", "approve: {by: hq_it_manager, min: 1, deny_self: true}", "approve: {by: hq_it_manager, min: 2, deny_self: true}", "approval", "2 approve, and only 1 may"},
		"no row in the report": {"security.yaml", "produce: [report_row, incident_report, kb_draft]", "produce: [kb_draft]", "report", "no row in the report"},
		"wrong field":          {"network.yaml", "when: vendor.returned", "when: vendor.retuned", "load", "has no field retuned"},
		"evidence not asked":   {"network.yaml", "documents: [config_backup]\n", "documents: [photo]\n", "evidence", "not asked for"},
		"ticket to another":    {"network.yaml", "vendor_kind: carrier", "vendor_kind: equipment supplier", "role", "whose lane is supplier"},
		"no second look":       {"network.yaml", "    reopen: {within: 24h, to: triage}\n", "", "reopen", "cannot be opened again"},
		"no reason":            {"network.yaml", ", reason: outside}", "}", "clock", "reason from the list"},
		"unpausable clock":     {"service.yaml", "    stops: [closed, handed_over]\n", "    stops: [closed, handed_over]\n    asked: [user]\n", "clock", "must not wait"},
		"circle":               {"security.yaml", "when: acked, to: report_up", "when: \"true\", to: alarmed", "path", "leads to itself"},
	} {
		t.Run(name, func(t *testing.T) {
			text := read(t, c.file)
			if !strings.Contains(text, c.old) {
				t.Fatalf("%s has no %q", c.file, c.old)
			}
			changed := strings.ReplaceAll(text, c.old, c.new)
			list, _ := Check(c.file, []byte(changed), Options{Calendars: cals})
			for _, f := range list {
				if f.Rule == c.rule && strings.Contains(f.Text, c.want) {
					if f.Line < 1 || f.Column < 1 || !strings.HasSuffix(f.String(), "^") {
						t.Fatalf("no place: %s", f)
					}
					return
				}
			}
			t.Fatalf("no %s %q among %v", c.rule, c.want, list)
		})
	}
}

// TestPlace: the column is the value's, counted in characters.
func TestPlace(t *testing.T) {
	text := strings.Replace(read(t, "network.yaml"), "owner: carrier, reason", "owner: supplier, reason", 1)
	list, _ := Check("n.yaml", []byte(text), Options{Calendars: calendars(t)})
	if len(list) != 1 {
		t.Fatalf("found %v", list)
	}
	f := list[0]
	line := strings.Split(text, "\n")[f.Line-1]
	if !strings.HasPrefix(string([]rune(line)[f.Column-1:]), "supplier, reason") {
		t.Fatalf("line %d, column %d is in %q", f.Line, f.Column, line)
	}
}
