package ups

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/faultline/faultline/agent/input/failure"
)

// Bounds of what a server may say.
const (
	maxLine  = 4096 // bytes
	maxLines = 2000 // of one list
)

// conn is one connection to upsd (RFC 9271, Network UPS Tools' protocol). It is
// used by one goroutine.
type conn struct {
	net.Conn
	in *bufio.Reader
}

func dial(ctx context.Context, address string) (*conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(10 * time.Second)
	}
	if err := c.SetDeadline(deadline); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &conn{c, bufio.NewReaderSize(c, maxLine)}, nil
}

// startTLS goes over to TLS on the connection (RFC 9271, 4.2.12). The server's
// certificate is judged before anything else is said or believed.
func (c *conn) startTLS(ctx context.Context, settings *tls.Config, host string) (*conn, error) {
	if _, err := c.Write([]byte("STARTTLS\n")); err != nil {
		return nil, err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	switch words := strings.Fields(string(line)); {
	case len(words) >= 2 && words[0] == "ERR":
		return nil, failure.As(failure.TLS, refusal(words[1]))
	case len(words) != 2 || words[0] != "OK" || words[1] != "STARTTLS" || c.in.Buffered() > 0: // what came with it was not said over TLS
		return nil, failure.As(failure.Malformed, fmt.Errorf("answer to STARTTLS: %.60q", line))
	}
	if settings.ServerName == "" {
		settings.ServerName = host
	}
	t := tls.Client(c.Conn, settings)
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return &conn{t, bufio.NewReaderSize(t, maxLine)}, nil
}

// refusal is an ERR answer: the word that says why.
type refusal string

// Error returns what the word means.
func (r refusal) Error() string {
	switch r {
	case "UNKNOWN-UPS":
		return "the server knows no UPS of this name (UNKNOWN-UPS)"
	case "DATA-STALE":
		return "the driver has heard nothing of the UPS lately (DATA-STALE)"
	case "DRIVER-NOT-CONNECTED":
		return "the driver does not run (DRIVER-NOT-CONNECTED)"
	case "FEATURE-NOT-CONFIGURED", "FEATURE-NOT-SUPPORTED":
		return "the server has no certificate or knows no TLS (" + string(r) + "): see CERTFILE or CERTPATH in upsd.conf"
	case "ACCESS-DENIED":
		return "the server does not let this host in (ACCESS-DENIED)"
	}
	return "the server answers ERR " + string(r)
}

func (r refusal) reason() string {
	switch r {
	case "UNKNOWN-UPS":
		return failure.Missing
	case "ACCESS-DENIED":
		return failure.Denied
	}
	return failure.Status
}

// list asks for a list and returns its rows without their first word, which is
// that of the list.
func (c *conn) list(what ...string) ([][]string, error) {
	query := "LIST " + strings.Join(what, " ")
	if _, err := c.Write([]byte(query + "\n")); err != nil {
		return nil, err
	}
	var rows [][]string
	for n := 0; n < maxLines; n++ {
		line, err := c.in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return nil, failure.As(failure.TooLarge, fmt.Errorf("a line is longer than %d bytes", maxLine))
		}
		if err != nil {
			return nil, err
		}
		words, err := split(string(line))
		switch {
		case err != nil:
			return nil, failure.As(failure.Malformed, err)
		case len(words) >= 2 && words[0] == "ERR":
			return nil, failure.As(refusal(words[1]).reason(), refusal(words[1]))
		case len(words) >= 2 && words[0] == "BEGIN":
		case len(words) >= 2 && words[0] == "END":
			return rows, nil
		case len(words) > len(what) && words[0] == what[0]:
			rows = append(rows, words[len(what):])
		default:
			return nil, failure.As(failure.Malformed, fmt.Errorf("answer to %q: %.60q", query, line))
		}
	}
	return nil, failure.As(failure.TooLarge, fmt.Errorf("%s: more than %d lines", query, maxLines))
}

// split parts a line into words; those in double quotes may hold spaces, and
// \" and \\.
func split(line string) ([]string, error) {
	line = strings.TrimRight(line, "\r\n")
	var words []string
	for i := 0; i < len(line); {
		switch line[i] {
		case ' ', '\t':
			i++
		case '"':
			var w strings.Builder
			for i++; ; i++ {
				if i >= len(line) {
					return nil, fmt.Errorf("no closing quote: %.60q", line)
				}
				if line[i] == '"' {
					i++
					break
				}
				if line[i] == '\\' && i+1 < len(line) {
					i++
				}
				w.WriteByte(line[i])
			}
			words = append(words, w.String())
		default:
			end := strings.IndexAny(line[i:], " \t")
			if end < 0 {
				end = len(line) - i
			}
			words = append(words, line[i:i+end])
			i += end
		}
	}
	return words, nil
}
