package database

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// FuzzGreeting has a server say anything: whatever is let through, the driver
// reads without a panic.
func FuzzGreeting(f *testing.F) {
	f.Add([]byte("\x4a\x00\x00\x00\x0a8.0.36\x00\x0b\x00\x00\x00aaaaaaaa\x00\xff\xff\xff\x02\x00\xff\xdf\x15\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00bbbbbbbbbbbb\x00caching_sha2_password\x00"))
	f.Add([]byte("\x17\x00\x00\x00\xff\x10\x04Too many connections"))
	f.Add([]byte("\x05\x00\x00\x00HTTP/"))
	f.Add([]byte("\x04\x00\x00\x00\x0a\x00\x00\x00"))
	f.Add([]byte("\x04\x00\x00\x00\xff\x01\x01#"))
	f.Fuzz(func(t *testing.T, said []byte) {
		guarded, err := greet(&saying{Reader: bytes.NewReader(said)})
		if err != nil {
			return
		}
		cfg := mysql.NewConfig()
		cfg.Logger = &mysql.NopLogger{}
		cfg.DialFunc = func(context.Context, string, string) (net.Conn, error) { return guarded, nil }
		c, err := mysql.NewConnector(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if conn, err := c.Connect(context.Background()); err == nil {
			_ = conn.Close()
		}
	})
}

// saying is a connection on which one side says something and listens to all.
type saying struct {
	net.Conn
	io.Reader
}

func (s *saying) Read(p []byte) (int, error)       { return s.Reader.Read(p) }
func (s *saying) Write(p []byte) (int, error)      { return len(p), nil }
func (s *saying) Close() error                     { return nil }
func (s *saying) SetDeadline(time.Time) error      { return nil }
func (s *saying) SetReadDeadline(time.Time) error  { return nil }
func (s *saying) SetWriteDeadline(time.Time) error { return nil }

func TestGuardedConnIsBounded(t *testing.T) {
	g := &guardedConn{Conn: &saying{Reader: neverending{}}, left: answerMost}
	n, err := io.Copy(io.Discard, g)
	if n != answerMost || !errors.Is(err, errTooMuch) {
		t.Errorf("%d bytes came in: %v", n, err)
	}
	g.allow()
	if n, err := g.Read(make([]byte, 10)); n != 10 || err != nil {
		t.Errorf("after more was allowed: %d %v", n, err)
	}
}

type neverending struct{}

func (neverending) Read(p []byte) (int, error) { return len(p), nil }
