package snmp_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/plugins/base"
)

// sightings are the neighbours of a poll: port, neighbour, its port, by.
func (s *sink) sightings() []string {
	var out []string
	for _, sm := range s.find("faultline_neighbour_info") {
		var words []string
		for _, l := range []string{"by", "port", "neighbour", "far_port"} {
			words = append(words, sm.Labels.Get(l))
		}
		out = append(out, strings.TrimSpace(strings.Join(words, " ")))
	}
	slices.Sort(out)
	return out
}

const (
	lldpLocal  = "1.0.8802.1.1.2.1.3.7.1."
	lldpRemote = "1.0.8802.1.1.2.1.4.1.1."
)

// switchWithNeighbours is a switch of two ports that speaks LLDP and has learned
// addresses.
func switchWithNeighbours(t *testing.T) *reader {
	r := newReader(t, "")
	for i, name := range []string{"GigabitEthernet0/1", "GigabitEthernet0/2"} {
		index := "." + string(rune('1'+i))
		r.set("1.3.6.1.2.1.2.2.1.1"+index, i+1)
		r.set("1.3.6.1.2.1.2.2.1.2"+index, name)
		r.set("1.3.6.1.2.1.2.2.1.8"+index, 1)
		r.set("1.3.6.1.2.1.31.1.1.1.1"+index, "Gi0/"+index[1:])
		r.set("1.3.6.1.2.1.17.1.4.1.2.2"+index[1:], i+1) // bridge ports 21, 22
	}
	r.set(lldpLocal+"3.7", name(0))
	r.set(lldpLocal+"4.7", "GigabitEthernet0/1") // LLDP numbers its ports its own way
	r.set(lldpRemote+"4.0.7.1", 4)
	r.set(lldpRemote+"5.0.7.1", []byte{2, 0, 0, 0, 0, 9})
	r.set(lldpRemote+"6.0.7.1", 5)
	r.set(lldpRemote+"7.0.7.1", "p1")
	r.set(lldpRemote+"9.0.7.1", "acc1.example.com")
	return r
}

func name(b byte) []byte { return []byte{2, 0, 0, 0, 0, b} }

func TestNeighbours(t *testing.T) {
	r := switchWithNeighbours(t)
	const lldp = "lldp Gi0/1 acc1.example.com p1"
	if d := cmp.Diff([]string{lldp}, r.poll(t, 0).sightings()); d != "" {
		t.Errorf("by LLDP, the port by its ifName: -want +got\n%s", d)
	}
	r.sinceLast()
	if d := cmp.Diff([]string{lldp}, r.poll(t, 10*time.Second).sightings()); d != "" {
		t.Errorf("told in every poll: -want +got\n%s", d)
	}
	if n := below(r.sinceLast(), "1.0.8802"); n > 0 {
		t.Errorf("read %d times before it was due", n)
	}
	r.set(lldpRemote+"9.0.7.1", "acc2")
	if d := cmp.Diff([]string{"lldp Gi0/1 acc2 p1"}, r.poll(t, 6*time.Minute).sightings()); d != "" {
		t.Errorf("another neighbour: -want +got\n%s", d)
	}
	for _, column := range []string{"4", "5", "6", "7", "9"} {
		r.set(lldpRemote+column+".0.7.1", nil)
	}
	if got := r.poll(t, 6*time.Minute).sightings(); got != nil {
		t.Errorf("a neighbour that left is still told of: %q", got)
	}
}

func TestNeighboursByAddress(t *testing.T) {
	r := switchWithNeighbours(t)
	r.set("1.3.6.1.2.1.17.4.3.1.1.2.0.0.0.0.9", name(9))
	r.set("1.3.6.1.2.1.17.4.3.1.2.2.0.0.0.0.9", 22)
	r.set("1.3.6.1.2.1.17.4.3.1.3.2.0.0.0.0.9", 3)
	r.set("1.3.6.1.2.1.17.4.3.1.1.2.0.0.0.0.1", name(1)) // its own address
	r.set("1.3.6.1.2.1.17.4.3.1.2.2.0.0.0.0.1", 21)
	r.set("1.3.6.1.2.1.17.4.3.1.3.2.0.0.0.0.1", 4)
	r.set("1.3.6.1.2.1.17.7.1.2.2.1.2.5.2.0.0.0.0.10", 22)
	r.set("1.3.6.1.2.1.17.7.1.2.2.1.3.5.2.0.0.0.0.10", 3)
	r.set("1.3.6.1.2.1.4.1.0", 1)
	r.set("1.3.6.1.2.1.4.22.1.2.1.10.0.0.9", name(9))
	r.set("1.3.6.1.2.1.4.22.1.4.1.10.0.0.9", 3)
	r.set("1.3.6.1.2.1.4.35.1.4.2.1.4.10.0.0.8", name(8))
	r.set("1.3.6.1.2.1.4.35.1.7.2.1.4.10.0.0.8", 1)
	lldp := []string{"lldp Gi0/1 acc1.example.com p1"}
	if d := cmp.Diff(lldp, r.poll(t, 0).sightings()); d != "" {
		t.Errorf("address tables that nobody asked for: -want +got\n%s", d)
	}
	r.target = r.fake.target("tables", "dot1dTpFdbTable dot1qTpFdbTable ipNetToMediaTable ipNetToPhysicalTable")
	want := []string{
		"arp Gi0/1 10.0.0.9 02:00:00:00:00:09", "arp Gi0/2 10.0.0.8 02:00:00:00:00:08",
		"fdb Gi0/2 02:00:00:00:00:09", "fdb Gi0/2 02:00:00:00:00:0a", lldp[0],
	}
	if d := cmp.Diff(want, r.poll(t, 0).sightings()); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if d := cmp.Diff(lldp, r.poll(t, 10*time.Second).sightings()); d != "" {
		t.Errorf("addresses between two readings: -want +got\n%s", d)
	}
}

// TestNeighboursRecorded reads recorded switches of several makers: every
// neighbour that the device's description names is told of as a series, at a port
// that the device has.
func TestNeighboursRecorded(t *testing.T) {
	data, bin := recordings(t)
	addr := replay(t, data, bin)
	for dev, least := range map[string]int{"vrp_5720": 5, "ios_2960x": 7, "procurve": 6, "nxos_n3k-3064pq": 3, "edgecos_ecs4610-24f": 20, "arista_eos_vrf": 4} {
		t.Run(dev, func(t *testing.T) {
			awaitAnswer(t, addr, dev)
			in := newInput(t)
			s, err := gather(t, in, device(addr, dev))
			if err != nil {
				t.Fatal(err)
			}
			desc, err := newInput(t).Describe(t.Context(), device(addr, dev))
			if err != nil {
				t.Fatal(err)
			}
			got := s.find("faultline_neighbour_info")
			if len(got) < least || len(got) > len(desc.Neighbours) {
				t.Errorf("%d neighbours, want %d at least and no more than the %d described", len(got), least, len(desc.Neighbours))
			}
			ports := map[string]bool{}
			for _, i := range desc.Interfaces {
				ports[i.Name] = true
			}
			for _, sm := range got {
				if !ports[sm.Labels.Get("port")] {
					t.Errorf("%v: no such port", sm.Labels)
				}
				checkNeighbour(t, sm)
			}
		})
	}
}

func checkNeighbour(t *testing.T, sm base.Sample) {
	t.Helper()
	if sm.Value != 1 || sm.Labels.Get("neighbour") == "" || !slices.Contains([]string{"lldp", "cdp"}, sm.Labels.Get("by")) {
		t.Errorf("%v %v", sm.Labels, sm.Value)
	}
}
