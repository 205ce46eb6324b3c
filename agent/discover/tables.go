package discover

import (
	"context"
	"math/bits"
	"net/netip"

	"github.com/faultline/faultline/agent/discover/topology"
	"github.com/faultline/faultline/agent/snmp"
)

// at returns the interface of an ifIndex; the first time it makes it. It is
// valid until the next call.
func (r *reader) at(index int) *topology.Interface {
	i, known := r.places[index]
	if !known {
		i = len(r.facts.Interfaces)
		r.places[index] = i
		r.facts.Interfaces = append(r.facts.Interfaces, topology.Interface{Index: index})
	}
	return &r.facts.Interfaces[i]
}

func (r *reader) readInterfaces(ctx context.Context) error {
	if !r.has[ifTable] {
		return nil
	}
	const ifXTable = "1.3.6.1.2.1.31.1.1.1"
	oids := []snmp.OID{snmp.MustParseOID(ifTable + ".2"), snmp.MustParseOID(ifTable + ".3"), snmp.MustParseOID(ifTable + ".6"), snmp.MustParseOID(ifTable + ".8"),
		snmp.MustParseOID(ifXTable + ".1"), snmp.MustParseOID(ifXTable + ".18")}
	err := r.walkOn(ctx, r.session, "ifTable", oids, func(column int, index []uint32, v snmp.Value) {
		if len(index) != 1 {
			return
		}
		i := r.at(int(index[0]))
		switch column {
		case 0:
			i.Descr = text(v)
		case 1:
			i.Type = number(v)
		case 2:
			if i.MAC = topology.MACOf(v.Bytes()); i.MAC == (topology.MAC{}) {
				i.MAC = macText(string(v.Bytes()))
			}
		case 3:
			i.Up = number(v) == 1
		case 4:
			i.Name = text(v)
		case 5:
			i.Alias = text(v)
		}
	})
	if err != nil || !r.has[bundleTable] {
		return err
	}
	return r.walk(ctx, "dot3adAggPortTable", bundleTable, []string{""}, func(_ int, index []uint32, v snmp.Value) {
		if n := number(v); len(index) == 1 && n > 0 && n != int(index[0]) {
			if _, known := r.places[int(index[0])]; known {
				r.at(int(index[0])).Bundle = n
			}
		}
	})
}

// ownRows are the device's own addresses while they are read.
type ownRows struct {
	by    map[netip.Addr]*ownRow
	order []netip.Addr
}

type ownRow struct{ index, bits int }

func (t *ownRows) at(a netip.Addr) *ownRow {
	if t.by[a] == nil {
		t.by[a] = &ownRow{bits: a.BitLen()}
		t.order = append(t.order, a)
	}
	return t.by[a]
}

// readAddresses reads the device's own addresses, from the old table and, for
// IPv6 and for those without the old one, from the new.
func (r *reader) readAddresses(ctx context.Context) error {
	t := &ownRows{by: map[netip.Addr]*ownRow{}}
	var err error
	if r.has[ipAddrTable] {
		err = r.walk(ctx, "ipAddrTable", ipAddrTable, []string{".2", ".3"}, func(column int, index []uint32, v snmp.Value) {
			if len(index) < 4 {
				return
			}
			a := octets(index[:4])
			switch {
			case !a.IsValid():
			case column == 0:
				t.at(a).index = number(v)
			case v.IP().IsValid():
				t.at(a).bits = maskBits(v.IP())
			}
		})
	}
	if err == nil && r.has[ipAddressTable] {
		err = r.walk(ctx, "ipAddressTable", ipAddressTable, []string{".3", ".5"}, func(column int, index []uint32, v snmp.Value) {
			a := indexAddress(index)
			switch {
			case !a.IsValid():
			case column == 0:
				t.at(a).index = number(v)
			default:
				if n := prefixBits(v.OID(), a); n > 0 {
					t.at(a).bits = n
				}
			}
		})
	}
	for _, a := range t.order {
		r.facts.Addresses = append(r.facts.Addresses, topology.OwnAddress{Interface: t.by[a].index, Prefix: netip.PrefixFrom(a, t.by[a].bits)})
	}
	return err
}

// maskBits is the length of a network's mask.
func maskBits(mask netip.Addr) int {
	n := 0
	for _, b := range mask.AsSlice() {
		n += bits.OnesCount8(b)
	}
	return n
}

// prefixBits reads ipAddressPrefix: a row of ipAddressPrefixTable, the index of
// which ends with the length.
func prefixBits(o snmp.OID, a netip.Addr) int {
	var prefixTable = snmp.MustParseOID("1.3.6.1.2.1.4.32.1")
	if !o.Below(prefixTable) {
		return 0
	}
	index := snmp.IndexNumbers(nil, o[len(prefixTable):])
	if n := int(index[len(index)-1]); n <= a.BitLen() {
		return n
	}
	return 0
}

// readARP reads what the device knows of others' hardware addresses; the new
// table only where the old one has nothing.
func (r *reader) readARP(ctx context.Context) error {
	add := func(port uint32, a netip.Addr, v snmp.Value) {
		if m := topology.MACOf(v.Bytes()); a.IsValid() && m != (topology.MAC{}) {
			r.facts.ARP = append(r.facts.ARP, topology.ARPEntry{Interface: int(port), Address: a, MAC: m})
		}
	}
	if r.has[arpTable] {
		err := r.walk(ctx, "ipNetToMediaTable", arpTable, []string{".2"}, func(_ int, index []uint32, v snmp.Value) {
			if len(index) == 5 {
				add(index[0], octets(index[1:]), v)
			}
		})
		if err != nil || len(r.facts.ARP) > 0 {
			return err
		}
	}
	if !r.has[physicalTable] {
		return nil
	}
	return r.walk(ctx, "ipNetToPhysicalTable", physicalTable, []string{".4"}, func(_ int, index []uint32, v snmp.Value) {
		if len(index) > 2 {
			add(index[0], indexAddress(index[1:]), v)
		}
	})
}
