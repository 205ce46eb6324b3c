package config

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"
)

// applied is what a difference makes of the old text.
func applied(t interface{ Fatalf(string, ...any) }, old string, d difference) string {
	lines := linesOf(old)
	var out []string
	at := 0
	for line := range strings.SplitSeq(strings.TrimSuffix(d.text, "\n"), "\n") {
		switch {
		case line == "":
		case strings.HasPrefix(line, "@@ "):
			var from, n, to, m int
			if _, err := fmt.Sscanf(line, "@@ -%d,%d +%d,%d @@", &from, &n, &to, &m); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			for at < from-1 {
				out = append(out, lines[at])
				at++
			}
			if len(out) != to-1 {
				t.Fatalf("%s: stands at new line %d", line, len(out)+1)
			}
		case line[0] == '+':
			out = append(out, line[1:])
		default:
			if at >= len(lines) || lines[at] != line[1:] {
				t.Fatalf("line %d of the old text is not %q", at+1, line[1:])
			}
			at++
			if line[0] == ' ' {
				out = append(out, line[1:])
			}
		}
	}
	out = append(out, lines[at:]...)
	if len(out) == 0 {
		return ""
	}
	return strings.Join(out, "\n") + "\n"
}

func TestDiffLeadsFromOldToNew(t *testing.T) {
	line := rapid.SampledFrom([]string{"a", "b", "c", " d", "interface x", "!", "e f"})
	rapid.Check(t, func(r *rapid.T) {
		text := func(name string) string {
			lines := rapid.SliceOfN(line, 0, 60).Draw(r, name)
			if len(lines) == 0 {
				return ""
			}
			return strings.Join(lines, "\n") + "\n"
		}
		old, recent := text("old"), text("new")
		d := diff(old, recent)
		if got := applied(r, old, d); got != recent {
			r.Fatalf("got %q, want %q by\n%s", got, recent, d.text)
		}
		if (d.text == "") != (old == recent) || d.added-d.removed != len(linesOf(recent))-len(linesOf(old)) {
			r.Fatalf("%+v", d)
		}
	})
}

// TestDiffIsAsShortAsDiff compares with the program that everybody knows.
func TestDiffIsAsShortAsDiff(t *testing.T) {
	if _, err := exec.LookPath("diff"); err != nil {
		t.Skip("no diff here")
	}
	old := strings.Repeat("interface Gi0/1\n ip address 10.0.0.1 255.255.255.0\n no shutdown\n!\n", 50)
	recent := strings.Replace(strings.Replace(old, " no shutdown\n", " shutdown\n", 3), "10.0.0.1", "10.0.0.2", 1) + "end\n"
	dir := t.TempDir()
	for name, text := range map[string]string{"old": old, "new": recent} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, _ := exec.Command("diff", "-d", "-U3", filepath.Join(dir, "old"), filepath.Join(dir, "new")).Output()
	lines := strings.Split(string(out), "\n")
	theirs := 0
	for _, l := range lines[2:] {
		if strings.HasPrefix(l, "+") || strings.HasPrefix(l, "-") {
			theirs++
		}
	}
	d := diff(old, recent)
	if d.added+d.removed != theirs {
		t.Errorf("%d lines differ, diff says %d\n%s", d.added+d.removed, theirs, d.text)
	}
	if !strings.Contains(d.text, "@@ interface Gi0/1\n") {
		t.Errorf("no section is named:\n%s", d.text)
	}
}

func TestDiffIsBounded(t *testing.T) {
	var a, b strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&a, "old %d\n", i)
		fmt.Fprintf(&b, "new %d\n", i)
	}
	d := diff(a.String(), b.String())
	if !d.cut || len(d.text) > diffLimit || d.added != 20_000 || d.removed != 20_000 || !strings.HasSuffix(d.text, "\n") {
		t.Errorf("cut %v, %d bytes, +%d -%d", d.cut, len(d.text), d.added, d.removed)
	}
}

func TestTerminal(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain", "a\r\nb\r\n", "a\nb\n"},
		{"backspaces", "  --More-- \b\b\b\b\b\b\b\b\b\b\b           \b\b\b\b\b\b\b\b\b\b\binterface x\n", "interface x\n"},
		{"cursor left", "  ---- More ----\x1b[16D                \x1b[16D#\n", "#               \n"},
		{"return and erase", "--More--\r\x1b[Kline\n", "line\n"},
		{"colours", "\x1b[1;32mgreen\x1b[0m\x1b]0;title\x07!\n", "green!\n"},
		{"characters", "机房\n", "机房\n"},
		{"not UTF-8", "\xbb\xfa\n", "\ufffd\ufffd\n"},
		{"charset", "\x1b(Bx\n", "x\n"},
	} {
		for size := 1; size <= len(c.in); size++ { // however the packets are cut
			s := &terminal{}
			for i := 0; i < len(c.in); i += size {
				s.Write([]byte(c.in[i:min(i+size, len(c.in))]))
			}
			if got := s.take(); got != c.want {
				t.Fatalf("%s in pieces of %d: %q, want %q", c.name, size, got, c.want)
			}
		}
	}
}

func FuzzTerminal(f *testing.F) {
	f.Add([]byte("a\x1b[999Db\x1b[5C\x1b[K\x1b]x\x07\b\r\n\x1b("))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &terminal{}
		s.Write(b)
		if s.at > len(s.line) || s.at < 0 || len(s.esc) > 64 {
			t.Errorf("cursor %d in a line of %d", s.at, len(s.line))
		}
	})
}

// TestVendors reads what vendors' devices show.
func TestVendors(t *testing.T) {
	in, err := New(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ vendor, text, normal, author string }{
		{"cisco-ios", "Building configuration...\n\nCurrent configuration : 99 bytes\n!\n! Last configuration change at 10:11:12 CST Sun Nov 22 2026 by bob\n!\nversion 15.2\nntp clock-period 36028797 \nend\n", "!\n!\nversion 15.2\nend\n", "bob"},
		{"cisco-iosxr", "Sun Nov 22 10:11:12.123 CST\nBuilding configuration...\n!! IOS XR Configuration 7.1\n!! Last configuration change at Sun Nov 22 10:11:12 2026 by eve\n!\nhostname r1\nend\n", "!! IOS XR Configuration 7.1\n!\nhostname r1\nend\n", "eve"},
		{"huawei", "!Software Version V200R019C10SPC500\n!Last configuration was updated at 2026-11-22 10:11:12 UTC by bob\n!Last configuration was saved at 2026-11-22 10:11:12 UTC by amy\n#\nsysname CORE\n#\nreturn\n", "#\nsysname CORE\n#\nreturn\n", "bob"},
		{"h3c", "#\n version 7.1.070, Release 6326\n#\n sysname SW\n#\nreturn\n", "#\n version 7.1.070, Release 6326\n#\n sysname SW\n#\nreturn\n", ""},
		{"junos", "## Last commit: 2026-11-22 10:11:12 UTC by bob\nversion 21.4R1;\nsystem {\n    host-name mx1;\n}\n\n{master:0}\n", "version 21.4R1;\nsystem {\n    host-name mx1;\n}\n", "bob"},
		{"fortios", "#config-version=FGT60F-7.2.5-FW-build1517-230606:opmode=0\n#conf_file_ver=123\nconfig system admin\n    set password ENC SH2abc=\nend\n", "#config-version=FGT60F-7.2.5-FW-build1517-230606:opmode=0\nconfig system admin\n    set password ENC *\nend\n", ""},
		{"mikrotik", "# 2026-11-22 10:11:12 by RouterOS 7.16\n# software id = ABCD-1234\n#\n/interface bridge\nadd name=b\n", "#\n/interface bridge\nadd name=b\n", ""},
		{"frr", "Building configuration...\n\nCurrent configuration:\n!\nfrr version 8.4.4\nhostname r1\n!\nend\n", "!\nfrr version 8.4.4\nhostname r1\n!\nend\n", ""},
		{"cisco-asa", ": Saved\n: Written by bob at 10:11:12.1 UTC Sun Nov 22 2026\n!\nASA Version 9.8(2)\nhostname fw\nCryptochecksum:abc\n: end\n", "!\nASA Version 9.8(2)\nhostname fw\n: end\n", "bob"},
		{"cisco-nxos", "\n!Command: show running-config\n!Time: Sun Nov 22 10:11:12 2026\n\nversion 9.3(8)\nhostname n\n", "version 9.3(8)\nhostname n\n", ""},
	} {
		v := in.vendors[c.vendor]
		if v == nil {
			t.Errorf("no vendor %s", c.vendor)
			continue
		}
		if err := v.check(c.text); err != nil {
			t.Errorf("%s: %v", c.vendor, err)
		}
		if got := v.normal(c.text); got != c.normal {
			t.Errorf("%s: normal %q, want %q", c.vendor, got, c.normal)
		}
		if a, ok := v.author(c.text); a.User != c.author || ok != (c.author != "") {
			t.Errorf("%s: author %+v, want %q", c.vendor, a, c.author)
		}
	}
	for _, c := range []struct{ vendor, text, want string }{
		{"cisco-ios", "          ^\n% Invalid input detected at '^' marker.\n", "refuses"},
		{"huawei", "          ^\nError: Unrecognized command found at '^' position.\n", "refuses"},
		{"cisco-ios", "!\nhostname r1\ninterface x\n", "cut off"},
		{"h3c", "", "says nothing"},
	} {
		if err := in.vendors[c.vendor].check(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q: %v, want %q", c.vendor, c.text, err, c.want)
		}
	}
}

func TestVendorFaults(t *testing.T) {
	_, err := loadVendors(fstest.MapFS{
		"a.yaml": {Data: []byte("names: [x]\nmode: telnet\nprompt: '('\nenable: {command: en}\nvolatile: [')']\n")},
		"b.yaml": {Data: []byte("names: [x]\nmode: shell\ncommand: show\n")},
		"c.yaml": {Data: []byte("nmaes: [x]\n")},
	})
	for _, want := range []string{`a.yaml:2: mode: mode "telnet"`, "a.yaml:3: prompt: error parsing", "a.yaml:4: enable: command, ask and done", "a.yaml:5: volatile[0]", "command is missing", `"x" is also in a.yaml`, "prompt is missing", "c.yaml:1: unknown key"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}
