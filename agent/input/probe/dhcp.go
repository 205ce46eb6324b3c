package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// mostOffers bounds how many servers are told apart.
const mostOffers = 8

// dhcpProbe asks a network for an address and counts who offers one; it takes
// none. It hears for the whole time, since a server that should not be there
// answers too.
type dhcpProbe struct {
	iface   string       // "": the only one there is
	servers []netip.Addr // expected; none: anybody may offer
	wait    time.Duration
}

func newDHCP(o *options, _ Options) (module, error) {
	p := &dhcpProbe{iface: o.text("interface", o.address), wait: o.duration("wait", 2*time.Second)}
	for s := range strings.FieldsFuncSeq(o.text("servers", ""), func(r rune) bool { return r == ',' || r == ' ' }) {
		a, err := netip.ParseAddr(s)
		if err != nil || !a.Is4() {
			o.fault("servers %q: want IPv4 addresses", s)
		}
		p.servers = append(p.servers, a)
	}
	return p, nil
}

// offer is what one server offers.
type offer struct {
	server  netip.Addr // by its own word
	mac     net.HardwareAddr
	address netip.Addr
	gateway netip.Addr // zero: none
	after   time.Duration
}

func (p *dhcpProbe) run(ctx context.Context, r *result) error {
	ctx, cancel := context.WithTimeout(ctx, p.wait)
	defer cancel()
	iface, err := broadcastInterface(p.iface)
	if err != nil {
		return err
	}
	offers, err := discover(ctx, iface)
	if err != nil {
		return err
	}
	expected, strangers := 0, 0
	var first time.Duration
	for _, o := range offers {
		known := len(p.servers) == 0 || slices.Contains(p.servers, o.server)
		if known {
			if expected++; expected == 1 || o.after < first {
				first = o.after
			}
		} else {
			strangers++
		}
		gateway := ""
		if o.gateway.IsValid() {
			gateway = o.gateway.String()
		}
		r.put("faultline_dhcp_offer_info", 1, "server", o.server.String(), "mac", o.mac.String(), "gateway", gateway, "expected", fmt.Sprint(known))
	}
	r.put("faultline_dhcp_servers", float64(len(offers)))
	if len(p.servers) > 0 {
		r.put("faultline_dhcp_unexpected_servers", float64(strangers))
	}
	if r.success = expected > 0; r.success {
		r.put("faultline_dhcp_offer_seconds", first.Seconds())
	} else {
		r.failed(context.DeadlineExceeded)
	}
	return nil
}

// broadcastInterface finds the interface by its name, or the only one that may
// be meant.
func broadcastInterface(name string) (*net.Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	var found []net.Interface
	for _, i := range all {
		fit := i.Flags&(net.FlagUp|net.FlagBroadcast) == net.FlagUp|net.FlagBroadcast && i.Flags&net.FlagLoopback == 0 && len(i.HardwareAddr) == 6
		if name != "" && i.Name == name {
			if !fit {
				return nil, fmt.Errorf("interface %s is down or no Ethernet", name)
			}
			return &i, nil
		}
		if fit && name == "" {
			found = append(found, i)
		}
	}
	switch {
	case name != "":
		return nil, fmt.Errorf("no interface %q", name)
	case len(found) != 1:
		return nil, fmt.Errorf("%d interfaces could ask for an address: name one in option interface", len(found))
	}
	return &found[0], nil
}

// discoverMessage is a DHCPDISCOVER (RFC 2131) that asks for a broadcast answer.
func discoverMessage(xid uint32, mac net.HardwareAddr) []byte {
	b := make([]byte, 240, 300)
	b[0], b[1], b[2] = 1, 1, 6 // request, Ethernet, length of its addresses
	binary.BigEndian.PutUint32(b[4:], xid)
	b[10] = 0x80 // broadcast flag
	copy(b[28:], mac)
	copy(b[236:], magicCookie)
	b = append(b, 53, 1, 1)                   // DISCOVER
	b = append(b, 61, 7, 1)                   // client identifier: its Ethernet address
	b = append(b, mac...)                     //
	b = append(b, 55, 6, 1, 3, 6, 15, 51, 54) // wanted: mask, gateway, name servers, domain, lease, server
	b = append(b, 12, 9)                      // host name
	b = append(b, "faultline"...)             //
	return append(b, append([]byte{255}, make([]byte, max(0, 299-len(b)))...)...)
}

var magicCookie = []byte{99, 130, 83, 99}

// parseOffer reads a DHCPOFFER to the exchange.
func parseOffer(b []byte, xid uint32) (offer, bool) {
	if len(b) < 240 || b[0] != 2 || binary.BigEndian.Uint32(b[4:]) != xid || !slices.Equal(b[236:240], magicCookie) {
		return offer{}, false
	}
	o := offer{address: netip.AddrFrom4([4]byte(b[16:20])), server: netip.AddrFrom4([4]byte(b[20:24]))}
	kind := byte(0)
	for options := b[240:]; len(options) > 0 && options[0] != 255; {
		if options[0] == 0 {
			options = options[1:]
			continue
		}
		if len(options) < 2 || len(options) < 2+int(options[1]) {
			break
		}
		value := options[2 : 2+int(options[1])]
		switch {
		case options[0] == 53 && len(value) == 1:
			kind = value[0]
		case options[0] == 54 && len(value) == 4:
			o.server = netip.AddrFrom4([4]byte(value))
		case options[0] == 3 && len(value) >= 4:
			o.gateway = netip.AddrFrom4([4]byte(value[:4]))
		}
		options = options[2+len(value):]
	}
	return o, kind == 2
}

// datagram wraps a payload into UDP and IPv4, from no address to all.
func datagram(payload []byte) []byte {
	const ip, udp = 20, 8
	b := make([]byte, ip+udp+len(payload))
	b[0] = 0x45
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	binary.BigEndian.PutUint16(b[4:], uint16(rand.Uint32()))
	b[8], b[9] = 64, 17
	copy(b[16:20], []byte{255, 255, 255, 255})
	binary.BigEndian.PutUint16(b[10:], checksum(b[:ip], 0))
	u := b[ip:]
	binary.BigEndian.PutUint16(u, 68)
	binary.BigEndian.PutUint16(u[2:], 67)
	binary.BigEndian.PutUint16(u[4:], uint16(len(u)))
	copy(u[udp:], payload)
	pseudo := uint32(0xffff+0xffff) + 17 + uint32(len(u))
	binary.BigEndian.PutUint16(u[6:], checksum(u, pseudo))
	return b
}

// checksum is that of the Internet (RFC 1071) over b and a sum so far.
func checksum(b []byte, sum uint32) uint16 {
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// payload returns the data of an IPv4 UDP packet to port 68.
func payload(b []byte) ([]byte, error) {
	if len(b) < 28 || b[0]>>4 != 4 || b[9] != 17 {
		return nil, errors.New("not UDP")
	}
	header := int(b[0]&15) * 4
	if header < 20 || len(b) < header+8 || binary.BigEndian.Uint16(b[header+2:]) != 68 {
		return nil, errors.New("not for a DHCP client")
	}
	return b[header+8:], nil
}
