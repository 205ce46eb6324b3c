package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// cookieLen is how many random bytes mark our packets.
const cookieLen = 8

// echo sends several ICMP echo requests, a little apart, and counts answers.
type echo struct {
	resolver
	count, size, ttl int
	spacing, timeout time.Duration
}

func newICMP(o *options, opts Options) (module, error) {
	return &echo{
		resolver: o.host(opts),
		count:    o.number("count", 3, 1, 100),
		size:     o.number("size", 56, cookieLen, 65_000),
		ttl:      o.number("ttl", 64, 1, 255),
		spacing:  o.duration("spacing", 100*time.Millisecond),
		timeout:  o.duration("timeout", time.Second), // from the last packet
	}, nil
}

func (e *echo) run(ctx context.Context, r *result) error {
	dst, resolved, err := e.lookup(ctx, r)
	r.put("probe_icmp_duration_seconds", resolved.Seconds(), "phase", "resolve")
	if err != nil {
		r.put("faultline_probe_loss_ratio", 1)
		return nil
	}
	start := time.Now()
	c, err := listenEcho(dst, e.ttl, e.size)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	r.put("probe_icmp_duration_seconds", time.Since(start).Seconds(), "phase", "setup")
	got := e.exchange(ctx, c)
	if ctx.Err() != nil && got.sent == 0 { // no time to ask
		return ctx.Err()
	}
	r.put("faultline_probe_loss_ratio", got.loss())
	r.put("faultline_probe_packets_sent", float64(got.sent))
	if r.success = got.received > 0; r.success {
		r.put("probe_icmp_duration_seconds", (got.rtt / time.Duration(got.received)).Seconds(), "phase", "rtt")
		r.put("faultline_probe_rtt_max_seconds", got.longest.Seconds())
		r.put("probe_icmp_reply_hop_limit", float64(got.hops))
	}
	return nil
}

// tally is the outcome of one exchange.
type tally struct {
	sent, received, hops int
	rtt, longest         time.Duration   // sum, maximum
	each                 []time.Duration // by number of the packet; 0: not answered
}

// loss is the share of packets that were not answered.
func (t tally) loss() float64 { return 1 - float64(t.received)/float64(max(t.sent, 1)) }

// shortest is the least round trip.
func (t tally) shortest() time.Duration {
	least := t.longest
	for _, d := range t.each {
		if d > 0 {
			least = min(least, d)
		}
	}
	return least
}

// exchange sends all packets and reads answers until all are in, the timeout
// after the last packet is over, or ctx ends. A packet that ctx left no time to
// be answered does not count.
func (e *echo) exchange(ctx context.Context, c *echoConn) tally {
	t := tally{each: make([]time.Duration, e.count)}
	stop := context.AfterFunc(ctx, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	sent := make([]time.Time, 0, e.count) // zero once answered
	next := time.Now()
	for {
		now := time.Now()
		if t.sent < e.count && !now.Before(next) {
			sent = append(sent, now)
			t.sent++
			next = now.Add(e.spacing)
			_ = c.send(t.sent-1, e.size) // what cannot be sent is lost
		}
		until := next
		if t.sent == e.count {
			until = sent[t.sent-1].Add(e.timeout)
		}
		if t.received == e.count || t.sent == e.count && !now.Before(until) {
			return t
		}
		if ctx.Err() != nil || c.SetReadDeadline(until) != nil || ctx.Err() != nil {
			for _, at := range sent {
				if !at.IsZero() && now.Sub(at) < e.timeout {
					t.sent--
				}
			}
			return t
		}
		seq, hops, err := c.receive()
		if err != nil || seq >= len(sent) || sent[seq].IsZero() {
			continue
		}
		t.answered(seq, time.Since(sent[seq]), hops)
		sent[seq] = time.Time{}
	}
}

// answered notes an answer.
func (t *tally) answered(seq int, took time.Duration, hops int) {
	took = max(took, 1) // 0 is: not answered
	t.each[seq] = took
	t.received++
	t.rtt += took
	t.longest = max(t.longest, took)
	t.hops = hops
}

// echoConn sends echo requests to one address and reads their answers.
type echoConn struct {
	*icmp.PacketConn
	dst     net.Addr
	ip      net.IP
	v6      bool
	id      int
	cookie  [cookieLen]byte
	receipt []byte
}

// listenEcho opens a socket: an unprivileged one, whose answers the kernel
// sorts, or else a raw one.
func listenEcho(dst net.IPAddr, ttl, size int) (*echoConn, error) {
	const headers = 128 // more than any answer has beside its data
	c := &echoConn{ip: dst.IP, v6: dst.IP.To4() == nil, receipt: make([]byte, size+headers)}
	rand.Read(c.cookie[:])
	c.id = int(c.cookie[0])<<8 | int(c.cookie[1])
	simple, raw, any := "udp4", "ip4:icmp", "0.0.0.0"
	if c.v6 {
		simple, raw, any = "udp6", "ip6:ipv6-icmp", "::"
	}
	var err error
	c.dst = &net.UDPAddr{IP: dst.IP, Zone: dst.Zone}
	if c.PacketConn, err = icmp.ListenPacket(simple, any); err != nil {
		c.dst = &net.IPAddr{IP: dst.IP, Zone: dst.Zone}
		if c.PacketConn, err = icmp.ListenPacket(raw, any); err != nil {
			if errors.Is(err, os.ErrPermission) {
				return nil, fmt.Errorf("may not send ICMP: %w (give the agent CAP_NET_RAW, or set net.ipv4.ping_group_range)", err)
			}
			return nil, err
		}
		c.filter()
	}
	if c.v6 {
		p := c.IPv6PacketConn()
		return c, errors.Join(p.SetHopLimit(ttl), p.SetControlMessage(ipv6.FlagHopLimit, true))
	}
	p := c.IPv4PacketConn()
	err = p.SetTTL(ttl)
	_ = p.SetControlMessage(ipv4.FlagTTL, true) // where it is not offered the hop limit stays 0
	return c, err
}

// filter spares a raw socket the answers to others' requests, where the system
// can; without it they are read and dropped.
func (c *echoConn) filter() {
	if c.v6 {
		return
	}
	program, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadMemShift{Off: 0}, // length of the IP header
		bpf.LoadIndirect{Off: 0, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(ipv4.ICMPTypeEchoReply), SkipTrue: 3},
		bpf.LoadIndirect{Off: 4, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(c.id), SkipTrue: 1},
		bpf.RetConstant{Val: 1 << 18},
		bpf.RetConstant{Val: 0},
	})
	if err == nil {
		_ = c.IPv4PacketConn().SetBPF(program)
	}
}

func (c *echoConn) send(seq, size int) error {
	data := make([]byte, size)
	copy(data, c.cookie[:])
	m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: c.id, Seq: seq, Data: data}}
	if c.v6 {
		m.Type = ipv6.ICMPTypeEchoRequest
	}
	b, err := m.Marshal(nil)
	if err != nil {
		return err
	}
	_, err = c.WriteTo(b, c.dst)
	return err
}

// receive returns the sequence number of one answer to us; any other packet
// gives an error, as does the end of the read deadline.
func (c *echoConn) receive() (seq, hops int, err error) {
	var n int
	var from net.Addr
	protocol, reply := 1, icmp.Type(ipv4.ICMPTypeEchoReply)
	if c.v6 {
		protocol, reply = 58, ipv6.ICMPTypeEchoReply
		var cm *ipv6.ControlMessage
		if n, cm, from, err = c.IPv6PacketConn().ReadFrom(c.receipt); cm != nil {
			hops = cm.HopLimit
		}
	} else {
		var cm *ipv4.ControlMessage
		if n, cm, from, err = c.IPv4PacketConn().ReadFrom(c.receipt); cm != nil {
			hops = cm.TTL
		}
	}
	if err != nil {
		return 0, 0, err
	}
	m, err := icmp.ParseMessage(protocol, c.receipt[:n])
	if err != nil {
		return 0, 0, err
	}
	body, ok := m.Body.(*icmp.Echo)
	if !ok || m.Type != reply || !bytes.HasPrefix(body.Data, c.cookie[:]) || !sameIP(from, c.ip) {
		return 0, 0, errors.New("not an answer to us")
	}
	return body.Seq, hops, nil
}

func sameIP(a net.Addr, ip net.IP) bool {
	switch x := a.(type) {
	case *net.UDPAddr:
		return x.IP.Equal(ip)
	case *net.IPAddr:
		return x.IP.Equal(ip)
	}
	return false
}
