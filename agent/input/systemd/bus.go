// Package systemd asks systemd which units there are and in what state, over
// D-Bus. It speaks as much of the D-Bus protocol as that takes: one call at a time
// over a socket of this machine, no signals, no other types. It changes nothing:
// listing units is open to every user.
package systemd

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// Sockets at which systemd is asked: the system's bus, which lets everybody ask,
// and systemd's own, which is root's, for machines without a bus.
const (
	BusSocket     = "run/dbus/system_bus_socket"
	PrivateSocket = "run/systemd/private"
)

// patience is how long systemd may take to answer.
const patience = 3 * time.Second

const (
	manager    = "org.freedesktop.systemd1"
	object     = "/org/freedesktop/systemd1"
	properties = "org.freedesktop.DBus.Properties"
)

// bus is one connection.
type bus struct {
	conn   net.Conn
	serial uint32
}

// dial connects to systemd below root. That there is none is fs.ErrNotExist.
func dial(ctx context.Context, root string) (*bus, error) {
	var faults []error
	for _, s := range []string{BusSocket, PrivateSocket} {
		b, err := connect(ctx, strings.TrimSuffix(root, "/")+"/"+s, s == BusSocket)
		if err == nil {
			return b, nil
		}
		theirs := s == PrivateSocket && errors.Is(err, fs.ErrPermission) // root's: for us there is none
		if !errors.Is(err, fs.ErrNotExist) && !theirs {
			faults = append(faults, err)
		}
	}
	if len(faults) == 0 {
		return nil, fmt.Errorf("systemd: %w", fs.ErrNotExist)
	}
	return nil, errors.Join(faults...)
}

func connect(ctx context.Context, path string, hello bool) (*bus, error) {
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("systemd: %w", err)
	}
	deadline := time.Now().Add(patience)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	b := &bus{conn: conn}
	if err = conn.SetDeadline(deadline); err == nil {
		err = b.authenticate()
	}
	if err == nil && hello {
		_, err = b.call(message{path: "/org/freedesktop/DBus", iface: "org.freedesktop.DBus", member: "Hello", destination: "org.freedesktop.DBus"})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("systemd %s: %w", path, err), conn.Close())
	}
	return b, nil
}

// authenticate says who we are; the kernel vouches for it.
func (b *bus) authenticate() error {
	if _, err := fmt.Fprintf(b.conn, "\x00AUTH EXTERNAL %s\r\n", hex.EncodeToString([]byte(strconv.Itoa(os.Getuid())))); err != nil {
		return err
	}
	line, err := b.line()
	if err != nil {
		return err
	}
	if !strings.HasPrefix(line, "OK ") {
		return fmt.Errorf("%w: the bus answers %.80q", fs.ErrPermission, line)
	}
	_, err = io.WriteString(b.conn, "BEGIN\r\n")
	return err
}

// line reads one line of the sign-on, byte by byte so that nothing after it is
// taken along.
func (b *bus) line() (string, error) {
	var s []byte
	for one := make([]byte, 1); len(s) < 512; {
		if _, err := io.ReadFull(b.conn, one); err != nil {
			return "", err
		}
		if one[0] == '\n' {
			return strings.TrimSuffix(string(s), "\r"), nil
		}
		s = append(s, one[0])
	}
	return "", errMalformed
}

// call sends a call and waits for its answer; what comes besides is passed over.
func (b *bus) call(m message) (message, error) {
	b.serial++
	m.kind, m.serial = kindCall, b.serial
	if _, err := b.conn.Write(m.encode()); err != nil {
		return message{}, err
	}
	for range 1000 {
		answer, err := readMessage(b.conn)
		switch {
		case err != nil:
			return answer, err
		case answer.replyTo != m.serial:
		case answer.kind == kindReturn:
			return answer, nil
		case answer.kind == kindError:
			why := ""
			if strings.HasPrefix(answer.signature, "s") {
				r := reader{b: answer.body, order: answer.order}
				why = string(r.text())
			}
			return answer, fmt.Errorf("%s: %s: %.200s", m.member, answer.errorName, why)
		}
	}
	return message{}, fmt.Errorf("%s: a thousand messages and no answer among them", m.member)
}

// List asks systemd below root, "/" as a rule, for its state (running, degraded,
// starting, maintenance, …) and calls each with every unit's name, load state
// (loaded, not-found, masked, error) and active state (active, activating,
// deactivating, inactive, failed), which are valid until the call returns.
// Without systemd the error is fs.ErrNotExist.
func List(ctx context.Context, root string, each func(name, load, active []byte)) (state string, err error) {
	b, err := dial(ctx, root)
	if err != nil {
		return "", err
	}
	defer func() { _ = b.conn.Close() }()
	w := writer{}
	w.text(manager + ".Manager")
	w.text("SystemState")
	answer, err := b.call(message{path: object, iface: properties, member: "Get", destination: manager, signature: "ss", body: w.b})
	if err != nil {
		return "", fmt.Errorf("systemd: %w", err)
	}
	r := reader{b: answer.body, order: answer.order}
	if kind := r.sign(); kind != "s" {
		return "", fmt.Errorf("systemd: SystemState is of type %q", kind)
	}
	state = string(r.text())
	if r.err != nil {
		return "", fmt.Errorf("systemd: SystemState: %w", r.err)
	}
	if answer, err = b.call(message{path: object, iface: manager + ".Manager", member: "ListUnits", destination: manager}); err == nil {
		err = units(answer, each)
	}
	if err != nil {
		return "", fmt.Errorf("systemd: %w", err)
	}
	return state, nil
}

// units reads the answer to ListUnits, a(ssssssouso): name, description, load
// state, active state, sub state, whom it follows, path, job, its type, its path.
func units(m message, each func(name, load, active []byte)) error {
	if m.signature != "a(ssssssouso)" {
		return fmt.Errorf("ListUnits answers %q", m.signature)
	}
	r := reader{b: m.body, order: m.order}
	size := int(r.number())
	r.align(8)
	for end := r.at + size; r.at < end && r.err == nil; {
		r.align(8)
		name := r.text()
		r.text()
		load, active := r.text(), r.text()
		r.text()
		r.text()
		r.text()
		r.number()
		r.text()
		r.text()
		if r.err == nil {
			each(name, load, active)
		}
	}
	if r.err != nil {
		return fmt.Errorf("ListUnits: %w", r.err)
	}
	return nil
}
