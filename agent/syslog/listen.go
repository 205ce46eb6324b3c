package syslog

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"time"
)

// receiveBuffer is asked of the system for the UDP socket: a burst waits there.
const receiveBuffer = 4 << 20

// handshake is how long a sender may take until a line can be read of it over TLS.
const handshake = 10 * time.Second

// idle is how long a TCP connection may be silent.
const idle = 2 * time.Hour

func (r *Receiver) listen() error {
	if r.opts.UDP != "" {
		c, err := (&net.ListenConfig{}).ListenPacket(context.Background(), "udp", r.opts.UDP)
		if err != nil {
			return hinted("udp", r.opts.UDP, err)
		}
		r.udp = c.(*net.UDPConn)
		_ = r.udp.SetReadBuffer(receiveBuffer) // the system may give less
	}
	if r.opts.TCP != "" {
		l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", r.opts.TCP)
		if err != nil {
			r.close()
			return hinted("tcp", r.opts.TCP, err)
		}
		r.tcp = l
	}
	if r.opts.TLS != "" {
		l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", r.opts.TLS)
		if err != nil {
			r.close()
			return hinted("tls", r.opts.TLS, err)
		}
		r.tls = tls.NewListener(l, r.opts.TLSConfig)
	}
	return nil
}

// hinted says what helps against the usual refusals.
func hinted(network, address string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, os.ErrPermission):
		hint = " (ports below 1024 need CAP_NET_BIND_SERVICE, or listen at 5514 and redirect)"
	case isInUse(err):
		hint = " (another syslog server has it: let that one forward to the agent at another port)"
	}
	return fmt.Errorf("syslog: listen %s %s: %w%s", network, address, err, hint)
}

// Addrs are the addresses that are listened at; nil where there is none.
func (r *Receiver) Addrs() (udp, tcp net.Addr) {
	if r.udp != nil {
		udp = r.udp.LocalAddr()
	}
	if r.tcp != nil {
		tcp = r.tcp.Addr()
	}
	return udp, tcp
}

// TLSAddr is the address at which lines come over TLS; nil: there is none.
func (r *Receiver) TLSAddr() net.Addr {
	if r.tls == nil {
		return nil
	}
	return r.tls.Addr()
}

func (r *Receiver) close() {
	if r.udp != nil {
		_ = r.udp.Close()
	}
	if r.tcp != nil {
		_ = r.tcp.Close()
	}
	if r.tls != nil {
		_ = r.tls.Close()
	}
}

func (r *Receiver) serveUDP(ctx context.Context) {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := r.udp.ReadFromUDPAddrPort(buf)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			r.pause(ctx, "read syslog datagram", err)
			continue
		}
		r.take(buf[:n], from.Addr().Unmap(), false)
	}
}

// pause logs an error that the next call may not have, and waits a moment.
func (r *Receiver) pause(ctx context.Context, what string, err error) {
	r.opts.Logger.Warn(what, "err", err)
	t := time.NewTimer(time.Second)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// serveTCP takes connections, at most MaxConns of each listener at once.
func (r *Receiver) serveTCP(ctx context.Context, l net.Listener) {
	var conns sync.WaitGroup
	defer conns.Wait()
	free := make(chan struct{}, r.opts.MaxConns)
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			r.pause(ctx, "accept syslog connection", err)
			continue
		}
		select {
		case free <- struct{}{}:
			conns.Go(func() {
				r.serveConn(ctx, c)
				<-free
			})
		default:
			r.meters.dropped.WithLabelValues("too_many_connections").Inc()
			_ = c.Close()
		}
	}
}

// serveConn reads one connection's lines until it ends.
func (r *Receiver) serveConn(ctx context.Context, c net.Conn) {
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	r.meters.conns.Inc()
	defer r.meters.conns.Dec()
	from, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil || !r.shake(ctx, c) {
		return
	}
	f := &frames{r: bufio.NewReaderSize(c, 16<<10), most: r.opts.MaxLine}
	for {
		if c.SetReadDeadline(time.Now().Add(idle)) != nil {
			return
		}
		line, err := f.next()
		if len(line) > 0 {
			r.take(line, from.Addr().Unmap(), true)
		}
		if err != nil {
			return
		}
	}
}

// shake lets a connection over TLS begin; others have begun.
func (r *Receiver) shake(ctx context.Context, c net.Conn) bool {
	t, ok := c.(*tls.Conn)
	if !ok {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, handshake)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		r.meters.dropped.WithLabelValues("tls").Inc()
		r.opts.Logger.Warn("syslog over TLS does not begin", "from", c.RemoteAddr().String(), "err", err)
		return false
	}
	return true
}

// frames cuts a stream into lines: by a count before each, or by line feeds or
// zero bytes (RFC 6587), whichever a line begins with.
type frames struct {
	r    *bufio.Reader
	most int // bytes of a line that are kept
	buf  []byte
}

// next returns a line, which is valid until the next call. With an error it
// returns what had come of it.
func (f *frames) next() ([]byte, error) {
	n, err := f.count()
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return f.terminated()
	}
	f.buf = append(f.buf[:0], make([]byte, min(n, f.most))...)
	if _, err := io.ReadFull(f.r, f.buf); err != nil {
		return nil, err
	}
	_, err = f.r.Discard(n - len(f.buf))
	return f.buf, err
}

// count reads "123 " before a "<", or nothing and returns 0.
func (f *frames) count() (int, error) {
	const digits = 6
	for i := 1; i <= digits+2; i++ {
		b, err := f.r.Peek(i)
		if err != nil {
			if len(b) > 0 && errors.Is(err, io.EOF) {
				return 0, nil
			}
			return 0, err
		}
		switch c := b[i-1]; {
		case c >= '0' && c <= '9' && i <= digits:
		case c == ' ' && i > 1:
			if b, err = f.r.Peek(i + 1); err != nil || b[i] != '<' {
				return 0, nil
			}
			n, err := strconv.Atoi(string(b[:i-1]))
			if err != nil {
				return 0, nil
			}
			_, err = f.r.Discard(i)
			return n, err
		default:
			return 0, nil
		}
	}
	return 0, nil
}

// terminated reads to the next line feed or zero byte and drops what is beyond
// the bound.
func (f *frames) terminated() ([]byte, error) {
	f.buf = f.buf[:0]
	for {
		c, err := f.r.ReadByte()
		if err != nil {
			return f.buf, err
		}
		if c == '\n' || c == 0 {
			return f.buf, nil
		}
		if len(f.buf) < f.most {
			f.buf = append(f.buf, c)
		}
	}
}
