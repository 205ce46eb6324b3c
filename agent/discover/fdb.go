package discover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/faultline/faultline/agent/discover/topology"
	"github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/internal/secret"
)

// bridgePortIndex is dot1dBasePortIfIndex.
const bridgePortIndex = "1.3.6.1.2.1.17.1.4.1.2"

// mostVLANs is how many VLANs of a Cisco device are asked for one by one.
const mostVLANs = 32

// readFDB reads behind which port a bridge has learned whom.
func (r *reader) readFDB(ctx context.Context) error {
	if r.noFDB || !r.has[fdbTable] && !r.has[qFDBTable] && !r.has[vlanTable] {
		return nil
	}
	ports, err := r.bridgePorts(ctx, r.session)
	if err != nil {
		return err
	}
	for port, index := range ports {
		if _, known := r.places[index]; known {
			r.at(index).Bridge = port
		}
	}
	if r.has[qFDBTable] {
		err := r.walk(ctx, "dot1qTpFdbTable", qFDBTable, []string{".2"}, func(_ int, index []uint32, v snmp.Value) {
			if len(index) == 7 {
				r.learn(ports, int(index[0]), index[1:], v)
			}
		})
		if err != nil || len(r.facts.FDB) > 0 {
			return err
		}
	}
	if r.has[fdbTable] {
		if err := r.readPlainFDB(ctx, r.session, 0, ports); err != nil {
			return err
		}
	}
	if r.has[vlanTable] && strings.HasPrefix(r.facts.SysObjectID, "1.3.6.1.4.1.9.") {
		return r.readVLANs(ctx)
	}
	return nil
}

func (r *reader) bridgePorts(ctx context.Context, s *snmp.Session) (map[int]int, error) {
	ports := map[int]int{}
	err := r.walkOn(ctx, s, "dot1dBasePortTable", []snmp.OID{snmp.MustParseOID(bridgePortIndex)}, func(_ int, index []uint32, v snmp.Value) {
		if len(index) == 1 {
			ports[int(index[0])] = number(v)
		}
	})
	return ports, err
}

func (r *reader) readPlainFDB(ctx context.Context, s *snmp.Session, vlan int, ports map[int]int) error {
	return r.walkOn(ctx, s, "dot1dTpFdbTable", []snmp.OID{snmp.MustParseOID(fdbTable + ".2")}, func(_ int, index []uint32, v snmp.Value) {
		if len(index) == 6 {
			r.learn(ports, vlan, index, v)
		}
	})
}

// learn takes one entry: the value is the bridge's number of the port, 0 for one
// that is not known.
func (r *reader) learn(ports map[int]int, vlan int, mac []uint32, v snmp.Value) {
	port := number(v)
	if port <= 0 {
		return
	}
	index, known := ports[port]
	if !known { // a device without dot1dBasePortTable numbers as its interfaces
		if _, is := r.places[port]; !is || len(ports) > 0 {
			return
		}
		index = port
	}
	var m topology.MAC
	for i, n := range mac {
		m[i] = byte(n)
	}
	r.facts.FDB = append(r.facts.FDB, topology.FDBEntry{Interface: index, VLAN: vlan, MAC: m})
}

// readVLANs reads the forwarding table of each VLAN of a Cisco device, which
// shows them as contexts: community@10, or the context vlan-10 of version 3.
func (r *reader) readVLANs(ctx context.Context) error {
	var vlans []int
	err := r.walk(ctx, "vtpVlanTable", vlanTable, []string{""}, func(_ int, index []uint32, v snmp.Value) {
		const operational = 1
		if n := len(index); n == 2 && number(v) == operational && index[1] > 1 && (index[1] < 1002 || index[1] > 1005) {
			vlans = append(vlans, int(index[1]))
		}
	})
	if err != nil {
		return err
	}
	slices.Sort(vlans)
	if len(vlans) > mostVLANs {
		r.problem("forwarding table: only the first %d of %d VLANs were read", mostVLANs, len(vlans))
		vlans = vlans[:mostVLANs]
	}
	for _, vlan := range vlans {
		if err := r.readVLAN(ctx, vlan); err != nil {
			if ctx.Err() != nil {
				return err
			}
			if snmp.Silent(err) || errors.As(err, new(snmp.Refusal)) { // it does not show VLANs so, the next one neither
				return nil
			}
			r.problem("forwarding table of VLAN %d: %v", vlan, err)
		}
	}
	return nil
}

func (r *reader) readVLAN(ctx context.Context, vlan int) error {
	c := r.config
	if c.Version == snmp.V3 {
		c.Context = fmt.Sprintf("vlan-%d", vlan)
	} else {
		c.Community = secret.String(fmt.Sprintf("%s@%d", c.Community.Reveal(), vlan))
	}
	s, err := r.net.Open(ctx, c)
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.Do(ctx, snmp.Next, []snmp.OID{snmp.MustParseOID(bridgePortIndex)}, 0, 0); err != nil { // one that is not shown costs one time-out
		return err
	}
	ports, err := r.bridgePorts(ctx, s)
	if err != nil || len(ports) == 0 {
		return err
	}
	return r.readPlainFDB(ctx, s, vlan, ports)
}
