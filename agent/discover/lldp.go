package discover

import (
	"context"
	"net/netip"
	"slices"

	"github.com/faultline/faultline/agent/discover/topology"
	"github.com/faultline/faultline/agent/snmp"
)

// row is a neighbour being read, in the order in which rows came.
type row struct {
	topology.Neighbour
	chassisKind, portKind int64
	chassis, port         []byte
}

// rows are neighbours by their index.
type rows struct {
	by    map[[3]uint32]*row
	order []*row
}

func newRows() *rows { return &rows{by: map[[3]uint32]*row{}} }

func (t *rows) at(key [3]uint32) *row {
	if t.by[key] == nil {
		t.by[key] = &row{}
		t.order = append(t.order, t.by[key])
	}
	return t.by[key]
}

// neighbours returns what was read. A row that names nobody is none.
func (t *rows) neighbours() []topology.Neighbour {
	var all []topology.Neighbour
	for _, r := range t.order {
		n := r.Neighbour
		if n.Chassis.Kind == topology.IDNone {
			n.Chassis = chassisID(r.chassisKind, r.chassis)
		}
		if n.PortID.Kind == topology.IDNone {
			n.PortID = portID(r.portKind, r.port)
		}
		if n.Chassis.Kind != topology.IDNone || n.Name != "" {
			all = append(all, n)
		}
	}
	return all
}

// lldpLayout is where a version of the LLDP MIB has its columns.
type lldpLayout struct {
	name, entry string
	columns     []string // chassis' subtype and id, port's subtype and id, port's description, system's name and description, capabilities
	manAddress  string   // a column of the table of management addresses
	portAt      int      // place of the local port in the index
	lastAt      int      // place of lldpRemIndex
	indexes     int      // numbers before a management address in its index
	byLLDP      bool     // the local port is LLDP's number and no ifIndex
}

// Layouts of LLDP-MIB (IEEE 802.1AB-2005) and LLDP-V2-MIB (IEEE 802.1AB-2009).
// The index is time mark, port, number; in version 2 the destination's number
// stands before the last.
var lldpLayouts = []lldpLayout{
	{"lldpRemTable", lldpTable, []string{".4", ".5", ".6", ".7", ".8", ".9", ".10", ".12"}, "1.0.8802.1.1.2.1.4.2.1.3", 1, 2, 3, true},
	{"lldpV2RemTable", lldpV2Table, []string{".5", ".6", ".7", ".8", ".9", ".10", ".11", ".13"}, "1.3.111.2.802.1.1.13.1.4.2.1.3", 1, 3, 4, false},
}

func (r *reader) readLLDP(ctx context.Context) error {
	for _, l := range lldpLayouts {
		if !r.has[l.entry] {
			continue
		}
		found, err := r.readLayout(ctx, l)
		r.facts.Neighbours = append(r.facts.Neighbours, found...)
		if err != nil {
			return err
		}
		if len(found) > 0 && l.byLLDP {
			if err := r.readLLDPPorts(ctx); err != nil {
				return err
			}
		}
		if len(found) > 0 {
			return nil
		}
	}
	return nil
}

func (r *reader) readLayout(ctx context.Context, l lldpLayout) ([]topology.Neighbour, error) {
	t := newRows()
	key := func(index []uint32) [3]uint32 { return [3]uint32{index[0], index[l.portAt], index[l.lastAt]} }
	err := r.walk(ctx, l.name, l.entry, l.columns, func(column int, index []uint32, v snmp.Value) {
		if l.byLLDP && len(index) == 2 { // some leave out the time mark
			index = []uint32{0, index[0], index[1]}
		}
		if len(index) <= l.lastAt {
			return
		}
		n := t.at(key(index))
		n.Protocol, n.Port, n.ByLLDP = "lldp", int(index[l.portAt]), l.byLLDP
		n.set(column, v)
	})
	if err == nil && len(t.order) > 0 {
		err = r.walk(ctx, l.name+" addresses", l.manAddress, []string{""}, func(_ int, index []uint32, _ snmp.Value) {
			if len(index) <= l.indexes {
				return
			}
			a := indexAddress(index[l.indexes:])
			if n := t.by[key(index)]; n != nil && a.IsValid() && !slices.Contains(n.Addresses, a) {
				n.Addresses = append(n.Addresses, a)
			}
		})
	}
	return t.neighbours(), err
}

// set takes one column of lldpLayout's.
func (n *row) set(column int, v snmp.Value) {
	switch column {
	case 0:
		n.chassisKind, _ = v.Int64()
	case 1:
		n.chassis = slices.Clone(v.Bytes())
	case 2:
		n.portKind, _ = v.Int64()
	case 3:
		n.port = slices.Clone(v.Bytes())
	case 4:
		n.PortDescr = text(v)
	case 5:
		n.Name = text(v)
	case 6:
		n.Descr = text(v)
	case 7:
		n.Caps = lldpCaps(v.Bytes())
	}
}

// readLLDPPorts reads how LLDP calls the device's own ports: its numbers need
// not be those of interfaces.
func (r *reader) readLLDPPorts(ctx context.Context) error {
	type local struct {
		kind int64
		id   []byte
		desc string
	}
	ports := map[int]*local{}
	var order []int
	err := r.walk(ctx, "lldpLocPortTable", "1.0.8802.1.1.2.1.3.7.1", []string{".2", ".3", ".4"}, func(column int, index []uint32, v snmp.Value) {
		if len(index) != 1 {
			return
		}
		p := ports[int(index[0])]
		if p == nil {
			p = &local{}
			ports[int(index[0])] = p
			order = append(order, int(index[0]))
		}
		switch column {
		case 0:
			p.kind, _ = v.Int64()
		case 1:
			p.id = slices.Clone(v.Bytes())
		case 2:
			p.desc = text(v)
		}
	})
	for _, n := range order {
		r.facts.LLDPPorts = append(r.facts.LLDPPorts, topology.LLDPPort{Number: n, ID: portID(ports[n].kind, ports[n].id), Descr: ports[n].desc})
	}
	return err
}

// readCDP reads CISCO-CDP-MIB, which others than Cisco have too. Its index is
// ifIndex and a number.
func (r *reader) readCDP(ctx context.Context) error {
	if !r.has[cdpTable] {
		return nil
	}
	t := newRows()
	err := r.walk(ctx, "cdpCacheTable", cdpTable, []string{".4", ".6", ".7", ".8", ".9"}, func(column int, index []uint32, v snmp.Value) {
		if len(index) != 2 {
			return
		}
		n := t.at([3]uint32{0, index[0], index[1]})
		n.Protocol, n.Port = "cdp", int(index[0])
		n.setCDP(column, v)
	})
	r.facts.Neighbours = append(r.facts.Neighbours, t.neighbours()...)
	return err
}

// setCDP takes address, device's id, its port, its platform or capabilities.
func (n *row) setCDP(column int, v snmp.Value) {
	switch column {
	case 0:
		if a := networkAddress(v.Bytes()); a.IsValid() && !a.IsUnspecified() {
			n.Addresses = []netip.Addr{a}
		}
	case 1:
		if n.Chassis = textID(topology.IDName, v.Bytes()); n.Chassis.Kind == topology.IDName {
			n.Name = n.Chassis.Text
		}
	case 2:
		n.PortID = textID(topology.IDName, v.Bytes())
	case 3:
		n.Descr = text(v)
	case 4:
		n.Caps = cdpCaps(v.Bytes())
	}
}
