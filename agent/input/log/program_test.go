package log

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/agent/input/inputtest"
)

// standIn writes a program that answers as journalctl does, so that a journal can go
// wrong. It logs its arguments. Entries are those after the cursor that it is given,
// or the last.
func standIn(t *testing.T, entries string) (program, args string) {
	t.Helper()
	dir := t.TempDir()
	args = filepath.Join(dir, "args")
	script := `#!/bin/sh
echo "$@" >>` + args + `
for a; do case $a in --after-cursor=*) c=${a#*=};; esac; done
case $c in
gone) echo 'Failed to seek to cursor: Invalid argument' >&2; exit 1;;
'') tail -n 1 ` + filepath.Join(dir, "entries") + `;;
*) sed "0,/\"__CURSOR\":\"$c\"/d" ` + filepath.Join(dir, "entries") + `;;
esac
`
	for name, text := range map[string]string{"journalctl": script, "entries": entries} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "journalctl"), args
}

// Entries in the form of systemd 252's journalctl --output=json.
const first = `{"__CURSOR":"c1","__REALTIME_TIMESTAMP":"1700000000000000","MESSAGE":"old","PRIORITY":"6","SYSLOG_IDENTIFIER":"cron"}
`

const later = `{"__CURSOR":"c2","__REALTIME_TIMESTAMP":"1700000001000000","MESSAGE":"nginx.service: Failed with result 'exit-code'.","PRIORITY":"5","SYSLOG_FACILITY":"3","SYSLOG_IDENTIFIER":"systemd","_PID":"1","_HOSTNAME":"srv"}
{"__CURSOR":"c3","__REALTIME_TIMESTAMP":"1700000002000000","MESSAGE":[233,148,153,32,69,82,82,79,82],"PRIORITY":"3","_COMM":"shop"}
not JSON
{"__CURSOR":"c4","__REALTIME_TIMESTAMP":"1700000003000000","MESSAGE":null,"SYSLOG_IDENTIFIER":["a","b"]}
`

func TestJournal(t *testing.T) {
	program, args := standIn(t, first)
	entries, stateFile := filepath.Join(filepath.Dir(program), "entries"), filepath.Join(t.TempDir(), "state.json")
	var h heard
	in := New(Options{Hear: h.hear, Journalctl: program, State: stateFile})
	tg := target("journal", "true", "units", "nginx.service", "level", "5")
	inputtest.Up(t, in, tg)
	if got := h.took(); got != "" {
		t.Errorf("the past is told: %q", got)
	}
	write(t, entries, later)
	r := inputtest.Up(t, in, tg)
	if got, want := h.took(), "systemd: nginx.service: Failed with result 'exit-code'.|shop: 错 ERROR|a: "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	r.Want(t, "faultline_log_lines_total{log=journal}", 3)
	r.Want(t, "faultline_log_cut_lines_total{log=journal}", 1)

	in = New(Options{Hear: h.hear, Journalctl: program, State: stateFile})
	write(t, entries, strings.ReplaceAll(first, "c1", "c5"))
	inputtest.Up(t, in, tg)
	if got := h.took(); got != "cron: old" {
		t.Errorf("after a restart: %q", got)
	}
	b, err := os.ReadFile(args)
	if err != nil || !strings.Contains(string(b), "--priority=5") || !strings.Contains(string(b), "--unit=nginx.service") {
		t.Errorf("asked with %s %v", b, err)
	}

	in.state.Cursors["l"] = "gone"
	inputtest.Down(t, in, tg, "status")
	inputtest.Up(t, in, tg)
	if in.state.Cursors["l"] != "c5" {
		t.Errorf("after the journal was emptied: cursor %q", in.state.Cursors["l"])
	}
}

func TestJournalIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString(first)
	for range 5000 {
		b.WriteString(strings.ReplaceAll(first, `"c1"`, `"cx"`))
	}
	program, _ := standIn(t, b.String())
	var h heard
	in := New(Options{Hear: h.hear, Journalctl: program})
	in.state.Cursors["l"] = "c1"
	inputtest.Up(t, in, target("journal", "true", "max_lines", "100"))
	if len(h.lines) != 100 {
		t.Errorf("%d lines of at most 100", len(h.lines))
	}
	in = New(Options{Hear: h.hear, Journalctl: filepath.Join(t.TempDir(), "none")})
	inputtest.Down(t, in, target("journal", "true"), "missing")
}

func TestRealJournalctl(t *testing.T) {
	var h heard
	in := New(Options{Hear: h.hear, Journalctl: inputtest.Program(t, "journalctl", "systemd")})
	r, err := inputtest.Gather(t, in, target("journal", "true")) // an empty journal, where no journald runs
	if err != nil {
		t.Fatal(err)
	}
	r.Want(t, "faultline_log_lines_total{log=journal}", 0)
}

// In the form that wevtutil prints, after the event schema; not recorded.
const windows = `<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='Service Control Manager' Guid='{555908d1}'/><EventID Qualifiers='49152'>7031</EventID><Version>0</Version><Level>2</Level><TimeCreated SystemTime='2026-11-22T02:11:12.5Z'/><EventRecordID>41</EventRecordID><Execution ProcessID='812' ThreadID='1'/><Channel>System</Channel><Computer>br1</Computer><Security/></System><EventData><Data Name='param1'>Print Spooler</Data></EventData><RenderingInfo Culture='en-US'><Message>The Print Spooler service terminated unexpectedly &amp; was restarted.</Message><Level>Error</Level></RenderingInfo></Event>
<Event xmlns='x'><System><Provider Name='disk'/><EventID>7</EventID><Level>3</Level><EventRecordID>42</EventRecordID></System><EventData><Data>\Device\Harddisk0</Data><Data>0E</Data></EventData></Event> <Event cut`

func TestWindowsEvents(t *testing.T) {
	in := bufio.NewScanner(strings.NewReader("noise " + windows))
	in.Split(splitEvents)
	var got []string
	for in.Scan() {
		e, err := windowsEvent(in.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.cursor, e.message.Subject(), e.message.Host)
	}
	want := []string{"41", "Service Control Manager: 7031 The Print Spooler service terminated unexpectedly & was restarted.", "br1", "42", `disk: 7 \Device\Harddisk0 0E`, ""}
	if d := cmp.Diff(want, got); d != "" || in.Err() != nil {
		t.Error(d, in.Err())
	}
}

func FuzzEntries(f *testing.F) {
	f.Add([]byte(later))
	f.Add([]byte(windows))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = journalEntry(b)
		_, _ = windowsEvent(b)
		in := bufio.NewScanner(strings.NewReader(string(b)))
		in.Split(splitEvents)
		for in.Scan() {
			if len(in.Bytes()) > len(b) {
				t.Fatal("more than there was")
			}
		}
	})
}
