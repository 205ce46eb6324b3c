package trap

import (
	"net/netip"
	"testing"
	"unicode/utf8"

	"github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/internal/secret"
)

// FuzzTrap: whatever arrives, nothing panics, no event is without bounds or no
// text, nothing that is remembered grows, and only an inform is acknowledged.
func FuzzTrap(f *testing.F) {
	f.Add(v2c("public", 0xa7, 1, 2, ifDown, ifIndex(3)))
	f.Add(v2c("public", 0xa6, 1, 2, ifDown, ifIndex(3), bind0("1.3.6.1.2.1.31.1.1.1.1.3", 4, []byte("eth0"))))
	f.Add(v2c("other", 0xa7, 1, 2, ifDown))
	f.Add(v2c("public", 0xa0, 1, 2, ifDown))
	f.Add(v1("public", "1.3.6.1.4.1.318", [4]byte{10, 0, 0, 1}, 6, 5, 9, bind0("1.3.6.1.4.1.318.2.3.3.0", 4, gbk(f, "电池"))))
	f.Add(v1("public", "1.3", [4]byte{127, 0, 0, 1}, 2, 0, 0))
	f.Add(discoverEngine())
	f.Add(plainV3("plain", "engine-1", 0xa7))
	f.Add(plainV3("plain", "engine-1", 0xa6))
	f.Add([]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff})
	names := shipped(f)
	user := snmp.User{Name: "plain"}
	strong := snmp.User{Name: "strong", Auth: snmp.SHA256, AuthPassword: authPassword, Priv: snmp.AES256C, PrivPassword: privPassword}
	r := receiver(f, Options{Communities: []secret.String{"public"}, Users: []snmp.User{user, strong}, Notifications: names, Sources: 8, Queue: 4,
		SourceRate: 1e9, GlobalRate: 1e9, DatagramRate: 1e9})
	f.Fuzz(func(t *testing.T, b []byte) {
		from := netip.AddrFrom4([4]byte{10, 0, 0, byte(len(b))})
		r.receive(append([]byte(nil), b...), answer{to: netip.AddrPortFrom(from, 162)})
		again := append([]byte(nil), b...)
		r.receive(again, answer{to: netip.AddrPortFrom(from, 162)})
		for len(r.queue) > 0 {
			a := <-r.queue
			if a.answer.message != nil && a.event.Attrs["inform"] != "true" {
				t.Errorf("acknowledges what is no inform: %+v", a.event)
			}
			if a.answer.message != nil {
				if m, err := snmp.ParseMessage(a.answer.message); err != nil || m.Version != snmp.V3 && m.PDU.Tag != 0xa2 {
					t.Errorf("acknowledges with %x: %v", a.answer.message, err)
				}
			}
			if len(a.event.Attrs) > mostVarbinds+12 || !utf8.ValidString(a.event.Text) || a.event.Text == "" || utf8.RuneCountInString(a.event.Text) > 600 {
				t.Errorf("event %+v", a.event)
			}
			for k, v := range a.event.Attrs {
				if utf8.RuneCountInString(k) > 2*longestText || utf8.RuneCountInString(v) > 2*longestText || !utf8.ValidString(k) || !utf8.ValidString(v) {
					t.Errorf("attribute %q: %q", k, v)
				}
			}
		}
		if r.sources.len() > 8 || r.usm.keys.len() > mostEngines || r.usm.clocks.len() > mostEngines || len(r.complained) > mostComplaints {
			t.Errorf("%d sources, %d keys, %d clocks, %d complaints", r.sources.len(), r.usm.keys.len(), r.usm.clocks.len(), len(r.complained))
		}
	})
}
