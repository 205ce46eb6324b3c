package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"net"
	"time"
)

// ntpProbe asks a time server once, as a simple client (RFC 4330), and reports
// by how much its clock is ahead of ours.
type ntpProbe struct {
	resolver
	port    string
	timeout time.Duration
}

func newNTP(o *options, opts Options) (module, error) {
	p := &ntpProbe{timeout: o.duration("timeout", 2*time.Second)}
	p.resolver, p.port = o.hostPort(123, opts)
	return p, nil
}

func (p *ntpProbe) run(ctx context.Context, r *result) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	ip, _, err := p.lookup(ctx, r)
	if err != nil {
		r.failed(err)
		return nil
	}
	a, err := askNTP(ctx, net.JoinHostPort(ip.String(), p.port))
	if err != nil {
		r.failed(err)
		return nil
	}
	r.put("faultline_ntp_stratum", float64(a.stratum))
	r.put("faultline_ntp_leap", float64(a.leap))
	r.put("faultline_ntp_rtt_seconds", a.rtt.Seconds())
	r.put("faultline_ntp_root_distance_seconds", a.distance.Seconds())
	if r.success = a.usable(); r.success {
		r.put("faultline_ntp_offset_seconds", a.offset.Seconds())
	}
	return nil
}

// ntpAnswer is what a time server said.
type ntpAnswer struct {
	leap, stratum int
	offset, rtt   time.Duration
	distance      time.Duration // how far the server may itself be off: half its delay to the root and its dispersion
}

// usable tells whether the server itself trusts its clock.
func (a ntpAnswer) usable() bool { return a.leap != 3 && a.stratum > 0 && a.stratum < 16 }

func askNTP(ctx context.Context, addr string) (ntpAnswer, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "udp", addr)
	if err != nil {
		return ntpAnswer{}, err
	}
	defer c.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(deadline); err != nil {
			return ntpAnswer{}, err
		}
	}
	q := make([]byte, 48)
	q[0] = 4<<3 | 3   // version 4, client
	rand.Read(q[40:]) // the server sends it back: a nonce instead of our clock
	sent := time.Now()
	if _, err := c.Write(q); err != nil {
		return ntpAnswer{}, err
	}
	b := make([]byte, 512)
	for {
		n, err := c.Read(b)
		if err != nil {
			return ntpAnswer{}, err
		}
		took := time.Since(sent)
		if a, ok := parseNTP(b[:n], q[40:48], sent, took); ok {
			return a, nil
		}
	}
}

// parseNTP reads an answer to the question with the nonce.
func parseNTP(b, nonce []byte, sent time.Time, took time.Duration) (ntpAnswer, bool) {
	if len(b) < 48 || b[0]&7 != 4 || !bytes.Equal(b[24:32], nonce) {
		return ntpAnswer{}, false
	}
	received, answered := ntpTime(b[32:40], sent), ntpTime(b[40:48], sent)
	back := sent.Add(took)
	return ntpAnswer{
		leap: int(b[0] >> 6), stratum: int(b[1]),
		offset:   (received.Sub(sent) + answered.Sub(back)) / 2,
		rtt:      max(took-answered.Sub(received), 0),
		distance: short(b[4:8])/2 + short(b[8:12]),
	}, true
}

// short reads 16 bits of seconds and 16 of fractions.
func short(b []byte) time.Duration {
	return time.Duration(int64(binary.BigEndian.Uint32(b)) * int64(time.Second) >> 16)
}

// ntpTime reads 32 bits of seconds since 1900 and 32 of fractions; the era is
// the one nearest to near.
func ntpTime(b []byte, near time.Time) time.Time {
	const from1900 = 2_208_988_800
	seconds := int64(binary.BigEndian.Uint32(b)) - from1900
	for near.Unix()-seconds > 1<<31 {
		seconds += 1 << 32
	}
	fraction := int64(binary.BigEndian.Uint32(b[4:]))
	return time.Unix(seconds, fraction*1_000_000_000>>32)
}
