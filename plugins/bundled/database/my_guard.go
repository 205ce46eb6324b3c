package database

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
)

// answerMost bounds what a server may send during a login or in answer to one
// query, in bytes.
const answerMost = 16 << 20

var (
	errNoGreeting = errors.New("the greeting is not that of MySQL or MariaDB")
	errTooMuch    = errors.New("the server sends more than anything asked for")
)

// guardedConn stands between the driver and a server. The driver trusts servers:
// it panics at a greeting that is cut short and keeps whatever it is sent.
type guardedConn struct {
	net.Conn
	greeting []byte // read, checked and not handed on yet
	left     int    // bytes that may still come in
}

// greet reads the server's first packet and checks that the driver can read it.
// The caller has set a deadline.
func greet(nc net.Conn) (*guardedConn, error) {
	header := make([]byte, 4)
	if _, err := io.ReadFull(nc, header); err != nil {
		return nil, err
	}
	length := int(header[0]) | int(header[1])<<8 | int(header[2])<<16
	if header[3] != 0 || length < 4 || length > 4096 {
		return nil, errNoGreeting
	}
	packet := make([]byte, 4+length)
	copy(packet, header)
	if _, err := io.ReadFull(nc, packet[4:]); err != nil {
		return nil, err
	}
	if !readable(packet[4:]) {
		return nil, errNoGreeting
	}
	return &guardedConn{Conn: nc, greeting: packet, left: answerMost}, nil
}

// readable tells whether a greeting, or an error in its place, is as long as its
// parts say (MySQL's manual, Protocol::HandshakeV10 and ERR_Packet).
func readable(p []byte) bool {
	switch p[0] {
	case 0xff:
		return len(p) > 3 && (p[3] != '#' || len(p) >= 9)
	case 10:
		end := bytes.IndexByte(p, 0)
		if end < 0 {
			return false
		}
		flags := end + 1 + 4 + 8 + 1 // behind version, session and half of the salt
		rest := flags + 2            // behind the lower half of the capabilities
		return len(p) == rest || len(p) >= rest+1+2+2+1+10+13
	default:
		return false
	}
}

// allow lets the server send that much anew.
func (g *guardedConn) allow() { g.left = answerMost }

// Read hands on the greeting first.
func (g *guardedConn) Read(p []byte) (int, error) {
	if len(g.greeting) > 0 {
		n := copy(p, g.greeting)
		g.greeting = g.greeting[n:]
		return n, nil
	}
	if g.left <= 0 {
		return 0, errTooMuch
	}
	n, err := g.Conn.Read(p[:min(len(p), g.left)])
	g.left -= n
	return n, err
}

// caught runs f and turns a panic of the driver into an error.
func caught(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the server's answer cannot be read: %v", p)
		}
	}()
	return f()
}
