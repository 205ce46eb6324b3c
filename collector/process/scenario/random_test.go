package scenario

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/faultline/faultline/collector/process/lint"
)

// TestCleanProcessesLeaveNobodyAlone makes random process files; in those that
// lint clean, no random story ever leaves an incident without a timer or an
// owner, and none goes in circles.
func TestCleanProcessesLeaveNobodyAlone(t *testing.T) {
	w := shipped(t)
	clean, found := 0, map[string]int{}
	for seed := range uint64(400) {
		text := randomProcess(rand.New(rand.NewPCG(seed, 1)))
		list, d := lint.Check("random.yaml", []byte(text), lint.Options{Calendars: w.Calendars})
		if !lint.Clean(list) {
			for _, f := range list {
				found[f.Rule]++
			}
			continue
		}
		clean++
		for story := range uint64(6) {
			l := &life{w: w, d: d, rnd: rand.New(rand.NewPCG(seed, 100+story)), keys: map[string]bool{}}
			if err := l.live(); err != nil {
				t.Fatalf("seed %d, story %d: %v\n%s", seed, story, err, text)
			}
		}
	}
	t.Logf("%d of 400 random processes are clean; found in the others: %v", clean, found)
	if clean < 80 || len(found) < 3 {
		t.Errorf("%d clean processes, %d rules at work: too few to show anything", clean, len(found))
	}
}

// randomProcess writes a process file that may be sound or not.
func randomProcess(rnd *rand.Rand) string {
	var b strings.Builder
	request, steps := rnd.IntN(3) == 0, 3+rnd.IntN(5)
	kind := map[bool]string{true: "request", false: "fault"}[request]
	fmt.Fprintf(&b, "apiVersion: faultline/v1\nkind: Process\nid: p\nversion: 1\ntype: %s\ntitle: &t {zh-CN: 甲, en: A}\ncalendars: {work: cn-workday, always: \"24x7\"}\nowner: hq_network\n", kind)
	b.WriteString("roles:\n  - {id: branch_it, title: *t}\n  - {id: hq_network, title: *t}\n  - {id: hq_it_manager, title: *t}\n  - {id: carrier, title: *t, external: true}\n")
	b.WriteString("reasons: [{id: user, title: *t, owner: user, at_most: 1d, calendar: work}]\nclocks:\n")
	fmt.Fprintf(&b, "  - {id: whole, title: *t, target: 2d, calendar: work, starts: [opened, reopened], stops: [z], report_only: true}\n")
	fmt.Fprintf(&b, "  - {id: c, title: *t, target: %dh, calendar: work, role: branch_it, starts: [opened], stops: [%s], asked: [user], warn: 50%%, breach: {notify: [hq_network], to: s%d}}\nsteps:\n",
		1+rnd.IntN(6), []string{"acked, z", "z", fmt.Sprintf("s%d", steps-1)}[rnd.IntN(3)], rnd.IntN(steps))
	for n := range steps {
		randomStep(&b, rnd, n, steps)
	}
	if !request {
		fmt.Fprintf(&b, "  - {id: v, title: *t, role: branch_it, guard: {hold: 1m, on_no_data: %s, failed: back}, timeout: [{after: 1h, calendar: always, to: s%d}], next: [{when: verified, to: z}]}\n",
			[]string{"unknown", "person"}[rnd.IntN(2)], rnd.IntN(steps))
	}
	fmt.Fprintf(&b, "  - {id: z, title: *t, final: true, notify: [branch_it], produce: [report_row], reopen: {within: 2d, to: s%d}}\n", rnd.IntN(steps))
	return b.String()
}

func randomStep(b *strings.Builder, rnd *rand.Rand, n, steps int) {
	inside := []string{"branch_it", "hq_network", "hq_it_manager"}
	role, next := inside[rnd.IntN(3)], fmt.Sprintf("s%d", n+1)
	if n == steps-1 {
		next = "z"
	}
	any := func() string { return fmt.Sprintf("s%d", rnd.IntN(steps)) }
	fmt.Fprintf(b, "  - id: s%d\n    title: *t\n", n)
	switch shape := rnd.IntN(9); {
	case n == 0:
		fmt.Fprintf(b, "    role: hq_network\n    raci: {C: [branch_it, hq_it_manager, carrier]}\n    next: [{when: acked, to: %s}]\n", next)
	case shape < 2:
		fmt.Fprintf(b, "    role: %s\n    next: [{when: acked, to: %s}]\n", role, next)
	case shape < 5:
		fmt.Fprintf(b, "    role: %s\n    decide: {prompt: *t, choices: [{id: a, title: *t, to: %s}, {id: b, title: *t, to: %s}]}\n", role, next, any())
	case shape < 7:
		fmt.Fprintf(b, "    role: %s\n    done: *t\n    next: [{when: done, to: %s}]\n", role, next)
	case shape < 8:
		fmt.Fprintf(b, "    role: hq_it_manager\n    approve: {by: hq_it_manager, min: %d, deny_self: true}\n    next: [{when: approved, to: %s}, {when: rejected, to: %s}]\n", 1+rnd.IntN(2), next, any())
	default:
		fmt.Fprintf(b, "    role: carrier\n    raci: {A: branch_it}\n    ticket: {vendor_kind: carrier, templates: {carrier: x}}\n    next: [{when: vendor.returned, to: %s}]\n", next)
	}
	switch rnd.IntN(12) {
	case 0: // no deadline: lint refuses it
	case 1, 2, 3, 4, 5:
		fmt.Fprintf(b, "    timeout: [{after: %dm, calendar: always, to: %s}]\n", 10+rnd.IntN(300), next)
	default:
		fmt.Fprintf(b, "    timeout: [{after: 30m, calendar: work, notify: [branch_it, hq_network]}, {after: %dh, calendar: work, to: %s}]\n", 1+rnd.IntN(9), next)
	}
}
