package systemd

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/input/inputtest"
)

const busConf = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/><allow receive_sender="*"/></policy></busconfig>`

// daemon runs a bus of its own below a new root, which it returns.
func daemon(t *testing.T) string {
	t.Helper()
	program := inputtest.Program(t, "dbus-daemon", "dbus-daemon")
	root, err := os.MkdirTemp("", "bus") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	socket := filepath.Join(root, BusSocket)
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(root, "bus.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, busConf, socket), 0o644); err != nil {
		t.Fatal(err)
	}
	inputtest.Start(t, exec.Command(program, "--nofork", "--nopidfile", "--config-file="+conf))
	inputtest.Until(t, "a bus", func() bool {
		b, err := connect(t.Context(), socket, true)
		if err == nil {
			_ = b.conn.Close()
		}
		return err == nil
	})
	return root
}

// standIn answers on the bus in systemd's name until the test ends: there is no
// systemd where these tests run. Refuse makes it answer ListUnits with an error.
func standIn(t *testing.T, root string, units [][3]string, refuse bool) {
	t.Helper()
	b, err := connect(t.Context(), filepath.Join(root, BusSocket), true)
	if err != nil {
		t.Fatal(err)
	}
	w := writer{}
	w.text(manager)
	w.number(0)
	if _, err := b.call(message{path: "/org/freedesktop/DBus", iface: "org.freedesktop.DBus", member: "RequestName", destination: "org.freedesktop.DBus", signature: "su", body: w.b}); err != nil {
		t.Fatal(err)
	}
	if err := b.conn.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.answer(units, refuse)
	}()
	t.Cleanup(func() { _ = b.conn.Close(); <-done })
}

func (b *bus) answer(units [][3]string, refuse bool) {
	for {
		raw, err := readWithSender(b.conn)
		if err != nil {
			return
		}
		if raw.kind != kindCall {
			continue
		}
		b.serial++
		a := message{kind: kindReturn, serial: b.serial, replyTo: raw.serial, destination: raw.errorName}
		w := writer{}
		switch {
		case bytes.Contains(raw.body, []byte("NRestarts")): // it is older than 235
			a.kind, a.errorName, a.signature = kindError, unknownProperty, "s"
			w.text("Unknown property or interface.")
		case raw.member == "Get":
			a.signature = "v"
			w.sign("s")
			w.text("degraded")
		case refuse:
			a.kind, a.errorName, a.signature = kindError, "org.freedesktop.DBus.Error.AccessDenied", "s"
			w.text("not for you")
		default:
			a.signature, w.b = "a(ssssssouso)", listOf(units)
		}
		a.body = w.b
		if _, err := b.conn.Write(a.encode()); err != nil {
			return
		}
	}
}

// readWithSender reads a message and puts its sender, which callers have no use
// for, in the place of the error's name.
func readWithSender(in interface{ Read([]byte) (int, error) }) (message, error) {
	var copied bytes.Buffer
	m, err := readMessage(tee{in, &copied})
	if err != nil {
		return m, err
	}
	b := copied.Bytes()
	r := reader{b: b[16 : 16+binary.LittleEndian.Uint32(b[12:])], order: binary.LittleEndian}
	for r.at < len(r.b) && r.err == nil {
		r.align(8)
		code := r.take(1)
		switch r.sign() {
		case "u":
			r.number()
		case "g":
			r.sign()
		default:
			if s := string(r.text()); code[0] == 7 {
				m.errorName = s
			}
		}
	}
	return m, r.err
}

type tee struct {
	in  interface{ Read([]byte) (int, error) }
	out *bytes.Buffer
}

func (t tee) Read(b []byte) (int, error) {
	n, err := t.in.Read(b)
	t.out.Write(b[:n])
	return n, err
}

func listOf(units [][3]string) []byte {
	w := writer{}
	w.number(0)
	w.align(8)
	start := len(w.b)
	for _, u := range units {
		w.align(8)
		w.text(u[0])
		w.text("what " + u[0] + " is for")
		w.text(u[1])
		w.text(u[2])
		w.text("running")
		w.text("")
		w.text("/org/freedesktop/systemd1/unit/x")
		w.number(0)
		w.text("")
		w.text("/")
	}
	binary.LittleEndian.PutUint32(w.b, uint32(len(w.b)-start))
	return w.b
}

func TestListOverARealBus(t *testing.T) {
	root := daemon(t)
	if _, err := List(t.Context(), root, func(_, _, _ []byte) {}); err == nil {
		t.Error("a bus without systemd gives units")
	}
	var want [][3]string
	for i := range 700 {
		want = append(want, [3]string{fmt.Sprintf("unit-%d.service", i), "loaded", "active"})
	}
	want = append(want, [3]string{"坏.service", "loaded", "failed"})
	standIn(t, root, want, false)
	var got [][3]string
	state, err := List(t.Context(), root, func(name, load, active []byte) {
		got = append(got, [3]string{string(name), string(load), string(active)})
	})
	if err != nil || state != "degraded" || len(got) != len(want) || got[700] != want[700] || got[3] != want[3] {
		t.Errorf("%d units, state %q, %v; want %d", len(got), state, err, len(want))
	}
}

func TestListRefused(t *testing.T) {
	root := daemon(t)
	standIn(t, root, nil, true)
	if _, err := List(t.Context(), root, func(_, _, _ []byte) {}); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("refused: %v", err)
	}
}

func TestNoSystemd(t *testing.T) {
	if _, err := List(t.Context(), t.TempDir(), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a socket: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := List(ctx, t.TempDir(), nil); err == nil {
		t.Error("nothing is asked once nobody waits, and yet there is an answer")
	}
}

func FuzzMessage(f *testing.F) {
	f.Add(message{kind: kindReturn, serial: 1, replyTo: 2, signature: "a(ssssssouso)", body: listOf([][3]string{{"a.service", "loaded", "failed"}})}.encode())
	f.Add(message{kind: kindError, replyTo: 2, errorName: "x.y", signature: "s", body: []byte{1, 0, 0, 0, 'x', 0}}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := readMessage(bytes.NewReader(b))
		if err != nil {
			return
		}
		m.signature = "a(ssssssouso)"
		_ = units(m, func(name, load, active []byte) {
			if len(name)+len(load)+len(active) > len(b) {
				t.Fatal("more than there was")
			}
		})
	})
}
