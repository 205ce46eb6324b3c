package discover

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"

	"github.com/faultline/faultline/agent/discover/topology"
	"github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/internal/profile"
)

// reader reads what one device says of itself and its neighbours.
type reader struct {
	net      *snmp.Transport
	session  *snmp.Session
	config   snmp.Config
	profiles *profile.Set
	noFDB    bool

	learned snmp.Learned
	has     map[string]bool // tables of which there is an instance
	facts   topology.Facts
	places  map[int]int // of interfaces, by ifIndex
}

// read asks the device within ctx. Facts are good even when the error says that
// the device was lost on the way. known is given what the device says of itself
// and returns all the facts where they are known already, or nil.
func (r *reader) read(ctx context.Context, known func(*topology.Facts) *topology.Facts) (*topology.Facts, error) {
	r.facts.Asked = r.session.Address()
	r.places = map[int]int{}
	if err := r.readSystem(ctx); err != nil {
		return r.lost("system", err)
	}
	if f := known(&r.facts); f != nil {
		return f, nil
	}
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"tables", r.probe}, {"identity", r.identify}, {"interfaces", r.readInterfaces}, {"addresses", r.readAddresses},
		{"LLDP", r.readLLDP}, {"CDP", r.readCDP}, {"ARP", r.readARP}, {"forwarding table", r.readFDB},
	} {
		if err := step.do(ctx); err != nil {
			return r.lost(step.what, err)
		}
	}
	return &r.facts, nil
}

// lost notes that the device was lost.
func (r *reader) lost(what string, err error) (*topology.Facts, error) {
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.New("the time for one device was over")
	}
	r.problem("%s: %v; what comes after it was not read", what, err)
	return &r.facts, err
}

// problem notes what could not be read.
func (r *reader) problem(format string, args ...any) {
	const most = 12
	if len(r.facts.Problems) < most {
		r.facts.Problems = append(r.facts.Problems, fmt.Sprintf(format, args...))
	}
}

// scalar is one object and what becomes of it.
type scalar struct {
	oid  string
	take func(v snmp.Value)
}

// get reads scalars in as few requests as the device takes.
func (r *reader) get(ctx context.Context, all []scalar) error {
	oids := make([]snmp.OID, len(all))
	for i := range all {
		oids[i] = snmp.MustParseOID(all[i].oid)
	}
	_, err := r.session.Get(ctx, oids, func(i int, v snmp.Value) { all[i].take(v) })
	return err
}

func into(s *string) func(snmp.Value) { return func(v snmp.Value) { *s = text(v) } }

func number(v snmp.Value) int {
	n, _ := v.Int64()
	return int(n)
}

func (r *reader) readSystem(ctx context.Context) error {
	f := &r.facts
	var kind int64
	chassis := func(v snmp.Value) {
		if id := chassisID(kind, v.Bytes()); id.Kind != topology.IDNone {
			f.Chassis = id
		}
	}
	subtype := func(v snmp.Value) { kind, _ = v.Int64() }
	routes := func(v snmp.Value) {
		if a := v.IP(); a.IsValid() && !a.IsUnspecified() {
			f.Routes = true
		}
	}
	return r.get(ctx, []scalar{
		{"1.3.6.1.2.1.1.1.0", into(&f.SysDescr)},
		{"1.3.6.1.2.1.1.2.0", into(&f.SysObjectID)},
		{"1.3.6.1.2.1.1.5.0", into(&f.SysName)},
		{"1.3.6.1.2.1.1.6.0", into(&f.Location)},
		{"1.3.6.1.2.1.1.7.0", func(v snmp.Value) { f.Services = number(v) }},
		{"1.3.6.1.2.1.4.1.0", func(v snmp.Value) { f.Forwards = number(v) == 1 }},
		{"1.3.6.1.2.1.17.1.1.0", func(v snmp.Value) { f.BridgeMAC = topology.MACOf(v.Bytes()) }},
		{"1.3.6.1.2.1.17.1.2.0", func(v snmp.Value) { f.BridgePorts = number(v) }},
		{"1.0.8802.1.1.2.1.3.1.0", subtype}, // lldpLocChassisIdSubtype, and the id
		{"1.0.8802.1.1.2.1.3.2.0", chassis},
		{"1.3.111.2.802.1.1.13.1.3.1.0", subtype}, // lldpV2Loc…
		{"1.3.111.2.802.1.1.13.1.3.2.0", chassis},
		{"1.3.6.1.6.3.10.2.1.1.0", func(v snmp.Value) { f.EngineID = hex.EncodeToString(v.Bytes()) }},
		{"1.3.6.1.2.1.14.1.1.0", routes}, // ospfRouterId
		{"1.3.6.1.2.1.15.4.0", routes},   // bgpIdentifier
	})
}

// Tables that are read where they have a row.
const (
	ifTable            = "1.3.6.1.2.1.2.2.1"
	ipAddrTable        = "1.3.6.1.2.1.4.20.1"
	ipAddressTable     = "1.3.6.1.2.1.4.34.1"
	ipRouteTable       = "1.3.6.1.2.1.4.21.1.7"
	ipCidrRouteTable   = "1.3.6.1.2.1.4.24.4.1.4"
	inetCidrRouteTable = "1.3.6.1.2.1.4.24.7.1.7"
	arpTable           = "1.3.6.1.2.1.4.22.1"
	physicalTable      = "1.3.6.1.2.1.4.35.1"
	lldpTable          = "1.0.8802.1.1.2.1.4.1.1"
	lldpV2Table        = "1.3.111.2.802.1.1.13.1.4.1.1"
	cdpTable           = "1.3.6.1.4.1.9.9.23.1.2.1.1"
	fdbTable           = "1.3.6.1.2.1.17.4.3.1"
	qFDBTable          = "1.3.6.1.2.1.17.7.1.2.2.1"
	bundleTable        = "1.2.840.10006.300.43.1.2.1.1.13" // dot3adAggPortAttachedAggID
	vlanTable          = "1.3.6.1.4.1.9.9.46.1.3.1.1.2"    // vtpVlanState
)

// probe finds out in one or two requests which tables there are. Of what an
// agent could not say it is found out by reading.
func (r *reader) probe(ctx context.Context) error {
	names := []string{ifTable, ipAddrTable, ipAddressTable, ipRouteTable, ipCidrRouteTable, inetCidrRouteTable, arpTable, physicalTable,
		lldpTable, lldpV2Table, cdpTable, fdbTable, qFDBTable, bundleTable, vlanTable}
	r.has = map[string]bool{}
	oids := make([]snmp.OID, len(names))
	for i, n := range names {
		oids[i] = snmp.MustParseOID(n)
	}
	faults, err := r.session.Next(ctx, oids, func(i int, oid []byte, v snmp.Value) {
		if snmp.OID(oid).Below(oids[i]) {
			r.has[names[i]] = true
			r.firstRoute(names[i], oid[len(oids[i]):], v)
		}
	})
	for _, f := range faults {
		for i := range oids {
			r.has[names[i]] = r.has[names[i]] || f.OID == oids[i]
		}
	}
	return err
}

// firstRoute notes the next hop of a default route, which stands first in the
// tables of routes.
func (r *reader) firstRoute(table string, rest []byte, v snmp.Value) {
	index := snmp.IndexNumbers(nil, rest)
	zero := func(n int) bool {
		for _, x := range index[:min(n, len(index))] {
			if x != 0 {
				return false
			}
		}
		return len(index) >= n
	}
	switch table {
	case ipRouteTable: // by destination
		if zero(4) {
			r.gateway(v.IP())
		}
	case ipCidrRouteTable: // by destination, mask, type of service and next hop
		if zero(8) {
			r.gateway(v.IP())
		}
	case inetCidrRouteTable:
		r.gateway(defaultHop(index))
	}
}

// defaultHop returns the next hop in an index of inetCidrRouteTable (RFC 4292:
// destination as type, length and octets; prefix length; policy as an OID; next
// hop as type, length and octets) if it is of an IPv4 default route.
func defaultHop(index []uint32) netip.Addr {
	const dest = 1 + 1 + 4 + 1
	if len(index) < dest+1 || index[0] != familyIPv4 || index[1] != 4 || index[2]|index[3]|index[4]|index[5]|index[6] != 0 {
		return netip.Addr{}
	}
	rest := index[dest:]
	policy := int(rest[0])
	if len(rest) < 1+policy+2+4 || policy > 120 {
		return netip.Addr{}
	}
	hop := rest[1+policy:]
	if hop[0] != familyIPv4 || hop[1] != 4 {
		return netip.Addr{}
	}
	return octets(hop[2:6])
}

func (r *reader) gateway(a netip.Addr) {
	if !a.IsValid() || a.IsUnspecified() || a == netip.AddrFrom4([4]byte{127, 0, 0, 1}) {
		return
	}
	for _, g := range r.facts.Gateways {
		if g == a {
			return
		}
	}
	r.facts.Gateways = append(r.facts.Gateways, a)
}

// walk reads columns side by side. What is missing becomes a problem; the error
// says that the device was lost or the time is over.
func (r *reader) walk(ctx context.Context, what, entry string, columns []string, visit func(column int, index []uint32, v snmp.Value)) error {
	oids := make([]snmp.OID, len(columns))
	for i, c := range columns {
		oids[i] = snmp.MustParseOID(entry + c)
	}
	return r.walkOn(ctx, r.session, what, oids, visit)
}

func (r *reader) walkOn(ctx context.Context, s *snmp.Session, what string, oids []snmp.OID, visit func(column int, index []uint32, v snmp.Value)) error {
	r.learned.Rows = nil
	var index []uint32
	out, err := s.Walk(ctx, &r.learned, oids, func(column int, encoded []byte, v snmp.Value) {
		index = snmp.IndexNumbers(index[:0], encoded)
		visit(column, index, v)
	})
	if err != nil {
		return err
	}
	for _, c := range out.Columns {
		if !c.Whole {
			r.problem("%s: %v (%d rows kept)", what, c.Fault, c.Rows)
			break
		}
	}
	return nil
}
