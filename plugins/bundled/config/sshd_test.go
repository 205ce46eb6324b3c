package config_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/bundled/config"
)

const iosConfig = `Building configuration...

Current configuration : 1234 bytes
!
! Last configuration change at 10:11:12 CST Sun Nov 22 2026 by bob
!
version 15.2
hostname core1
!
enable secret 9 $9$hunter2hunter2
username admin privilege 15 password 7 0822hunter2
!
interface GigabitEthernet0/1
 description to --More-- places
 ip address 10.0.0.1 255.255.255.0
!
interface GigabitEthernet0/2
 description 机房
 no ip address
 shutdown
!
snmp-server community hunter2 RO
!
end
`

// TestRouter reads a router twice, changes it, and reads again, with paging
// switched off and, where the device has no such command, answered.
func TestRouter(t *testing.T) {
	for _, paging := range []string{"off", "answered"} {
		t.Run("paging "+paging, func(t *testing.T) {
			d := router(t, "cisco", iosConfig)
			if paging == "answered" {
				d.write("no-paging-command", "")
			}
			dir := filepath.Join(t.TempDir(), "config")
			in := open(t, config.Options{Dir: dir})
			tg := d.target("cisco-ios", "enable_password", "en4ble")
			first := mustGather(t, in, tg)
			if len(first.events) > 0 {
				t.Errorf("the first reading told %v", first.events)
			}
			want(t, first, 1, "faultline_config_last_read_success")
			want(t, first, 0, "faultline_config_changed_timestamp_seconds")
			want(t, first, 20, "faultline_config_lines")
			again := strings.Replace(iosConfig, "10:11:12 CST Sun Nov 22 2026", "11:00:00 CST Mon Nov 23 2026", 1)
			d.write("config", again)
			if s := mustGather(t, in, tg); len(s.events) > 0 {
				t.Errorf("nothing changed but a time, and it told %v", s.events)
			}
			changed := strings.Replace(strings.Replace(again, " shutdown\n", "", 1), "community hunter2", "community hunter3", 1)
			d.write("config", strings.Replace(changed, "by bob", "by eve", 1))
			begin := float64(time.Now().Unix())
			s := mustGather(t, in, tg)
			if len(s.events) != 1 {
				t.Fatalf("events %v", s.events)
			}
			checkChange(t, s.events[0])
			if v, _ := s.value("faultline_config_changed_timestamp_seconds"); v < begin {
				t.Errorf("changed at %v, before %v", v, begin)
			}
			// It is told once more, under the same id, in case it did not leave.
			if s := mustGather(t, in, tg); len(s.events) != 1 || s.events[0].ID == "" {
				t.Errorf("events %v", s.events)
			}
			if s := mustGather(t, in, tg); len(s.events) > 0 {
				t.Errorf("events %v", s.events)
			}
			checkFiles(t, dir, 2)
		})
	}
}

func checkChange(t *testing.T, e base.Event) {
	t.Helper()
	if e.Kind != base.EventChange || e.Attrs["author"] != "eve" || e.Attrs["author_by"] != "config" || e.Attrs["added"] != "1" || e.Attrs["removed"] != "2" || e.Attrs["what"] != "configuration" {
		t.Errorf("event %+v", e)
	}
	for _, line := range []string{"\n- shutdown\n", "\n-snmp-server community <secret:", "\n+snmp-server community <secret:", "\n  description 机房\n", "@@ interface GigabitEthernet0/"} {
		if !strings.Contains(e.Text, line) {
			t.Errorf("%q is not in\n%s", line, e.Text)
		}
	}
	if strings.Contains(fmt.Sprint(e), "hunter") {
		t.Errorf("a secret is told:\n%s", e.Text)
	}
}

// checkFiles holds that what is kept is masked, and nobody else's to read.
func checkFiles(t *testing.T, dir string, versions int) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if e.IsDir() {
			return nil
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), "hunter") {
			t.Errorf("%s holds a secret", path)
		}
		if strings.HasSuffix(path, ".txt") {
			n++
		}
		return err
	})
	if err != nil || n != versions {
		t.Errorf("%d versions, want %d; %v", n, versions, err)
	}
}

func TestHuawei(t *testing.T) {
	text := "!Software Version V200R019\n!Last configuration was updated at 2026-11-22 10:11:12 UTC by bob\n#\nsysname core1\n#\ninterface GE0/0/1\n description <core1>\n#\nsnmp-agent community read cipher %^%#hunter2%^%#\n#\nreturn\n"
	d := router(t, "huawei", text)
	d.write("no-paging-command", "")
	in := open(t, config.Options{Author: func(device string, after time.Time) (config.Author, bool) {
		return config.Author{User: "amy", From: "10.0.0.5", At: after.Add(time.Second)}, device == "core1"
	}})
	tg := d.target("huawei")
	want(t, mustGather(t, in, tg), 9, "faultline_config_lines")
	d.write("config", strings.Replace(text, "GE0/0/1\n", "GE0/0/1\n shutdown\n", 1))
	s := mustGather(t, in, tg)
	if len(s.events) != 1 || s.events[0].Attrs["author"] != "amy" || s.events[0].Attrs["author_from"] != "10.0.0.5" || s.events[0].Attrs["author_by"] != "log" || !strings.Contains(s.events[0].Text, "\n+ shutdown\n") {
		t.Errorf("events %+v", s.events)
	}
}

func TestRouterFails(t *testing.T) {
	t.Run("enable refused", func(t *testing.T) {
		d := router(t, "cisco", iosConfig)
		s, err := gather(t, open(t, config.Options{}), d.target("cisco-ios", "enable_password", "wrong"))
		if err == nil || !strings.Contains(err.Error(), "refuses the enable_password") {
			t.Errorf("error %v", err)
		}
		want(t, s, 0, "faultline_config_last_read_success")
	})
	t.Run("cut off", func(t *testing.T) {
		d := router(t, "cisco", strings.TrimSuffix(iosConfig, "end\n"))
		if _, err := gather(t, open(t, config.Options{}), d.target("cisco-ios", "enable_password", "en4ble")); err == nil || !strings.Contains(err.Error(), "its end is missing") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("without end", func(t *testing.T) {
		d := router(t, "cisco", iosConfig)
		d.write("endless", "")
		if _, err := gather(t, open(t, config.Options{MaxBytes: 100_000}), d.target("cisco-ios", "enable_password", "en4ble")); err == nil || !strings.Contains(err.Error(), "larger than 100000") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("stalls", func(t *testing.T) {
		d := router(t, "cisco", iosConfig)
		d.write("stalls", "")
		in := open(t, config.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		begin := time.Now()
		err := in.Gather(ctx, d.target("cisco-ios", "enable_password", "en4ble"), &sink{})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > 8*time.Second {
			t.Errorf("error %v after %v", err, time.Since(begin))
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		d := router(t, "cisco", iosConfig)
		in := open(t, config.Options{})
		tg := d.target("cisco-ios", "enable_password", "en4ble")
		mustGather(t, in, tg)
		d.stop()
		s, err := gather(t, in, tg)
		if err == nil {
			t.Error("no error")
		}
		want(t, s, 0, "faultline_config_last_read_success")
		if v, ok := s.value("faultline_config_last_read_timestamp_seconds"); !ok || v == 0 {
			t.Errorf("last read %v %v", v, ok)
		}
	})
}

// TestHostKey holds that the first key is kept and another is refused.
func TestHostKey(t *testing.T) {
	d := router(t, "cisco", iosConfig)
	dir := filepath.Join(t.TempDir(), "config")
	in := open(t, config.Options{Dir: dir})
	tg := d.target("cisco-ios", "enable_password", "en4ble")
	mustGather(t, in, tg)
	d.stop()
	newKey(t, filepath.Join(d.dir, "host_key"))
	d.run()
	s, err := gather(t, in, tg)
	var changed *config.HostKeyError
	if !errors.As(err, &changed) || !strings.Contains(err.Error(), "remove its line from "+filepath.Join(dir, "known_hosts")) || !strings.HasPrefix(changed.Got, "SHA256:") || changed.Got == changed.Want {
		t.Fatalf("error %v", err)
	}
	want(t, s, 1, "faultline_config_host_key_changed")
	if len(s.events) != 1 || s.events[0].Attrs["what"] != "host_key" || s.events[0].Attrs["new"] != changed.Got {
		t.Errorf("events %+v", s.events)
	}
	if s, _ := gather(t, in, tg); len(s.events) > 0 {
		t.Errorf("it is told again: %v", s.events)
	}
	pinned := d.target("cisco-ios", "enable_password", "en4ble", "host_key", changed.Got)
	mustGather(t, in, pinned)
	pinned.Options["host_key"] = changed.Want
	if _, err := gather(t, in, pinned); !errors.As(err, &changed) || !strings.Contains(err.Error(), "pinned by option") {
		t.Errorf("error %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "known_hosts")); err != nil {
		t.Fatal(err)
	}
	mustGather(t, in, tg)
}

// TestFRR reads a real router: FRR's own vtysh before its zebra.
func TestFRR(t *testing.T) {
	zebra, vtysh := program(t, "zebra", "frr"), program(t, "vtysh", "frr")
	if os.Geteuid() != 0 {
		t.Skip("zebra needs root")
	}
	run, err := os.MkdirTemp("", "flfrr") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(run) })
	conf := filepath.Join(run, "zebra.conf")
	if err := os.WriteFile(conf, []byte("hostname b1rtr\npassword hunter2\nip prefix-list p seq 5 permit 10.9.0.0/16\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(run, 0o777); err != nil {
		t.Fatal(err)
	}
	// A network namespace of its own: zebra must not touch this one's routes.
	cmd := exec.Command("unshare", "-n", zebra, "-f", conf, "-i", filepath.Join(run, "pid"), "-z", filepath.Join(run, "zserv"), "--vty_socket", run, "-P", "0")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for begin := time.Now(); time.Since(begin) < 20*time.Second; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(run, "zebra.vty")); err == nil {
			break
		}
	}
	script := filepath.Join(run, "login.sh")
	// As a router's login would: the vtysh asked for, on this instance's socket.
	text := fmt.Sprintf("#!/bin/sh\nset -- $(printf %%s \"$SSH_ORIGINAL_COMMAND\" | cut -d' ' -f1)\n[ \"$1\" = vtysh ] || exit 1\nexec %s --vty_socket %s -c 'show running-config'\n", vtysh, run)
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	d := start(t, script)
	input := open(t, config.Options{})
	tg := d.target("frr")
	s := mustGather(t, input, tg)
	if v, _ := s.value("faultline_config_lines"); v < 5 {
		t.Errorf("%v lines", v)
	}
	for _, command := range []string{"ip prefix-list p seq 10 permit 10.8.0.0/16", "no ip prefix-list p seq 5 permit 10.9.0.0/16"} {
		if out, err := exec.Command(vtysh, "--vty_socket", run, "-c", "configure terminal", "-c", command).CombinedOutput(); err != nil {
			t.Fatalf("vtysh: %v %s", err, out)
		}
	}
	s = mustGather(t, input, tg)
	if len(s.events) != 1 || !strings.Contains(s.events[0].Text, "+ip prefix-list p seq 10 permit 10.8.0.0/16") || !strings.Contains(s.events[0].Text, "-ip prefix-list p seq 5 permit 10.9.0.0/16") || strings.Contains(s.events[0].Text, "hunter2") {
		t.Errorf("events %+v", s.events)
	}
}
