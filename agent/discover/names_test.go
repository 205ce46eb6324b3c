package discover

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/faultline/faultline/agent/discover/topology"
)

func TestChassisAndPortIDs(t *testing.T) {
	const sixOctets = "\x48\x8e\xef\x71\x66\xe0"
	tests := []struct {
		name    string
		id      topology.ID
		kind    topology.IDKind
		text    string
		withMAC bool
	}{
		{"chassis by hardware address", chassisID(4, []byte(sixOctets)), topology.IDMAC, "48:8e:ef:71:66:e0", true},
		{"chassis by hardware address in words", chassisID(4, []byte("48-8E-EF-71-66-E0")), topology.IDMAC, "48:8e:ef:71:66:e0", true},
		{"Huawei's way to write them", portID(3, []byte("488e-ef71-66e0")), topology.IDMAC, "48:8e:ef:71:66:e0", true},
		{"chassis by address", chassisID(5, []byte{1, 10, 0, 0, 7}), topology.IDAddress, "10.0.0.7", false},
		{"chassis by address without family", chassisID(5, []byte{10, 0, 0, 7}), topology.IDAddress, "10.0.0.7", false},
		{"chassis by address in words", chassisID(5, []byte("10.0.0.7")), topology.IDAddress, "10.0.0.7", false},
		{"chassis by IPv6", chassisID(5, append([]byte{2}, netip.MustParseAddr("2001:db8::1").AsSlice()...)), topology.IDAddress, "2001:db8::1", false},
		{"chassis by name", chassisID(7, []byte("core-1\x00")), topology.IDName, "core-1", false},
		{"chassis by a name that is none", chassisID(7, []byte(sixOctets)), topology.IDMAC, "48:8e:ef:71:66:e0", true},
		{"port by interface", portID(5, []byte("GigabitEthernet0/0/1")), topology.IDName, "GigabitEthernet0/0/1", false},
		{"port by alias", portID(1, []byte("to core")), topology.IDAlias, "to core", false},
		{"port by address", portID(4, []byte{1, 10, 0, 0, 7}), topology.IDAddress, "10.0.0.7", false},
		{"six letters are a name", portID(7, []byte("port12")), topology.IDName, "port12", false},
		{"a name in GB 18030", portID(7, []byte{0xc9, 0xcf, 0xc1, 0xaa}), topology.IDName, "上联", false},
		{"nothing", portID(7, nil), topology.IDNone, "", false},
	}
	for _, tt := range tests {
		if tt.id.Kind != tt.kind || tt.id.Text != tt.text || (tt.id.MAC != topology.MAC{}) != tt.withMAC {
			t.Errorf("%s: %+v", tt.name, tt.id)
		}
	}
}

func TestCapabilities(t *testing.T) {
	if got, want := lldpCaps([]byte{0x28}), topology.CapBridge|topology.CapRouter; got != want {
		t.Errorf("LLDP %08b, want %08b", got, want)
	}
	if got, want := lldpCaps([]byte{0x01, 0}), topology.CapStation; got != want {
		t.Errorf("LLDP %08b, want %08b", got, want)
	}
	if got, want := cdpCaps([]byte{0, 0, 0, 0x29}), topology.CapRouter|topology.CapBridge; got != want {
		t.Errorf("CDP %08b, want %08b", got, want)
	}
	if got := cdpCaps([]byte("too long")); got != 0 {
		t.Errorf("CDP %08b", got)
	}
}

func TestIndexAddress(t *testing.T) {
	for _, tt := range []struct {
		index []uint32
		want  string
	}{
		{[]uint32{1, 4, 10, 0, 0, 7}, "10.0.0.7"},
		{[]uint32{1, 10, 0, 0, 7}, "10.0.0.7"},
		{[]uint32{2, 16, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, "2001:db8::1"},
		{[]uint32{1, 4, 10, 0, 0, 300}, "invalid IP"},
		{[]uint32{1, 4, 10, 0}, "invalid IP"},
		{[]uint32{6, 6, 1, 2, 3, 4, 5, 6}, "invalid IP"},
		{nil, "invalid IP"},
	} {
		if got := indexAddress(tt.index).String(); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.index, got, tt.want)
		}
	}
}

func TestDefaultHop(t *testing.T) {
	for _, tt := range []struct {
		name  string
		index []uint32
		want  string
	}{
		{"default", []uint32{1, 4, 0, 0, 0, 0, 0, 2, 0, 0, 1, 4, 10, 0, 0, 1}, "10.0.0.1"},
		{"another network", []uint32{1, 4, 10, 0, 0, 0, 8, 2, 0, 0, 1, 4, 10, 0, 0, 1}, "invalid IP"},
		{"0.0.0.0/8", []uint32{1, 4, 0, 0, 0, 0, 8, 2, 0, 0, 1, 4, 10, 0, 0, 1}, "invalid IP"},
		{"cut off", []uint32{1, 4, 0, 0, 0, 0, 0, 2, 0, 0, 1, 4, 10}, "invalid IP"},
		{"no policy", []uint32{1, 4, 0, 0, 0, 0, 0, 0, 1, 4, 10, 0, 0, 1}, "10.0.0.1"},
	} {
		if got := defaultHop(tt.index).String(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// FuzzNames: whatever a device sends, names are printable and nothing crashes.
func FuzzNames(f *testing.F) {
	f.Add(int64(4), []byte("\x48\x8e\xef\x71\x66\xe0"))
	f.Add(int64(5), []byte{1, 10, 0, 0, 7})
	f.Add(int64(5), append([]byte{2}, make([]byte, 16)...))
	f.Add(int64(7), []byte("Gi1/0/1\x00"))
	f.Add(int64(3), []byte("aa:bb:cc:dd:ee:ff"))
	f.Add(int64(-1), []byte{0xc9, 0xcf, 0xff, 0x00})
	f.Fuzz(func(t *testing.T, subtype int64, b []byte) {
		for _, id := range []topology.ID{chassisID(subtype, b), portID(subtype, b)} {
			if !utf8.ValidString(id.Text) || strings.ContainsAny(id.Text, "\x00\n\r\x1b") {
				t.Errorf("text %q", id.Text)
			}
			switch id.Kind {
			case topology.IDMAC:
				if id.MAC == (topology.MAC{}) {
					t.Error("no hardware address")
				}
			case topology.IDAddress:
				if !id.Address.IsValid() {
					t.Error("no address")
				}
			case topology.IDNone:
				if id.Text != "" {
					t.Errorf("text %q without a kind", id.Text)
				}
			}
		}
		lldpCaps(b)
		cdpCaps(b)
		networkAddress(b)
	})
}

// FuzzIndexes: whatever an index holds, nothing crashes and no address is made
// of what is none.
func FuzzIndexes(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7})
	f.Add(make([]byte, 4*16))
	f.Fuzz(func(t *testing.T, b []byte) {
		index := make([]uint32, len(b)/4)
		for i := range index {
			index[i] = binary.BigEndian.Uint32(b[4*i:])
		}
		for _, a := range []netip.Addr{indexAddress(index), defaultHop(index)} {
			if a.IsValid() && !a.Is4() && !a.Is6() {
				t.Errorf("address %v", a)
			}
		}
		r := reader{}
		for _, table := range []string{ipRouteTable, ipCidrRouteTable, inetCidrRouteTable} {
			r.firstRoute(table, b, snmpAddress(10, 0, 0, 1))
		}
	})
}
