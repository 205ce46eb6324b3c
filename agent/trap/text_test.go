package trap

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/rules"
)

func gbk(t testing.TB, s string) []byte {
	t.Helper()
	b, err := simplifiedchinese.GBK.NewEncoder().Bytes([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestText(t *testing.T) {
	str := func(b ...byte) snmp.Value { return snmp.Value{Type: snmp.OctetString, Raw: b} }
	tests := []struct {
		name   string
		v      snmp.Value
		format string
		want   string
	}{
		{"number", snmp.Value{Type: snmp.Integer, Raw: []byte{0xff}}, "", "-1"},
		{"large number", snmp.Value{Type: snmp.Counter64, Raw: []byte{0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}, "", "18446744073709551615"},
		{"fraction", snmp.Value{Type: snmp.Opaque, Raw: []byte{0x9f, 0x78, 4, 0x41, 0xbc, 0, 0}}, "", "23.5"},
		{"OID", snmp.Value{Type: snmp.ObjectID, Raw: oid("1.3.6.1.4.1.9")}, "", "1.3.6.1.4.1.9"},
		{"address", snmp.Value{Type: snmp.IPAddress, Raw: []byte{10, 0, 0, 1}}, "", "10.0.0.1"},
		{"nothing", snmp.Value{Type: snmp.Null}, "", ""},
		{"words", str([]byte(" 机房\r\n温度 \x00")...), "", "机房 温度"},
		{"GBK", str(gbk(t, "机房温度过高")...), "", "机房温度过高"},
		{"GBK with padding", str(append(gbk(t, "电源 A 故障"), 0, 0)...), "", "电源 A 故障"},
		{"MAC", str(0, 0x1b, 0x54, 0xff, 0x10, 2), "mac", "00:1b:54:ff:10:02"},
		{"octets", str(0, 0x1b, 0x54, 0xff, 0x10, 2), "", "00:1b:54:ff:10:02"},
		{"octets that GBK has characters for", str(0x88, 0x86, 0xc2, 0x55, 0x90, 0x91), "", "88:86:c2:55:90:91"},
		{"letters in hex", str('A', 'B'), "hex", "41:42"},
		{"address in octets", str(10, 0, 0, 1), "ip", "10.0.0.1"},
		{"IPv6 address in octets", str(0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), "ip", "2001:db8::1"},
		{"date", str(0x07, 0xea, 11, 22, 1, 2, 3, 0, '+', 8, 0), "date", "2026-11-22 01:02:03 +08:00"},
		{"no date", str('n', 'o'), "date", "no"},
		{"empty", str(), "", ""},
		{"Latin 1", str('c', 'a', 'f', 0xe9), "", "63:61:66:e9"},
	}
	for _, tt := range tests {
		if got := text(tt.v, tt.format); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	for name, b := range map[string][]byte{"ASCII": []byte(strings.Repeat("x", 5000)), "UTF-8": []byte(strings.Repeat("故障", 1000)), "GBK": gbk(t, "故"+strings.Repeat("a故障", 1000)), "octets": make([]byte, 5000)} {
		got := text(str(b...), "")
		if n := utf8.RuneCountInString(got); n > longestText+1 || !strings.HasSuffix(got, "…") || strings.ContainsRune(got, utf8.RuneError) {
			t.Errorf("%s: %d characters, %q", name, n, got)
		}
	}
}

// TestChineseTrap: what a device says in GBK is read, over the network too.
func TestChineseTrap(t *testing.T) {
	x := run(t, Options{Communities: []secret.String{"public"}})
	c := dial(t, "127.0.0.2", x.addr)
	write(t, c, v1("public", "1.3.6.1.4.1.318", [4]byte{127, 0, 0, 2}, 6, 5, 4711, bind0("1.3.6.1.4.1.318.2.3.3.0", 4, gbk(t, "市电中断，转电池供电"))))
	if e := x.next(t); e.Text != "UPS on battery: 市电中断，转电池供电" || e.Attrs["mtrapargsString"] != "市电中断，转电池供电" {
		t.Errorf("event %+v", e)
	}
	var binds [][]byte
	for i := range 100 {
		binds = append(binds, element(0x30, element(6, append(oid("1.3.6.1.4.1.99999.1"), byte(i))), element(4, []byte(strings.Repeat("长", 400)))))
	}
	write(t, c, v2c("public", 0xa7, 1, 5000, "1.3.6.1.4.1.99999.0.1", binds[:10]...))
	if e := x.next(t); utf8.RuneCountInString(e.Text) > 400 || utf8.RuneCountInString(e.Attrs["1.3.6.1.4.1.99999.1.3"]) > longestText+1 {
		t.Errorf("event %+v", e)
	}
	for i := range binds {
		binds[i] = element(0x30, element(6, append(oid("1.3.6.1.4.1.99999.1"), byte(i))), element(4, []byte("x")))
	}
	write(t, c, v2c("public", 0xa7, 2, 6000, "1.3.6.1.4.1.99999.0.1", binds...))
	if e := x.next(t); len(e.Attrs) > mostVarbinds+10 || e.Attrs["omitted"] != "68" {
		t.Errorf("%d attributes, %s omitted", len(e.Attrs), e.Attrs["omitted"])
	}
	write(t, c, make([]byte, largestDatagram+1))
	cut := v2c("public", 0xa6, 3, 7000, "1.3.6.1.4.1.99999.0.1", binds[:3]...)
	write(t, c, cut[:len(cut)-4])
	if e := x.next(t); e.Attrs["incomplete"] != "true" || e.Attrs["1.3.6.1.4.1.99999.1.1"] != "x" {
		t.Errorf("event %+v", e)
	}
	x.stop()
	if got := x.rejected(reasonSize); got != 1 {
		t.Errorf("%v rejected for their size, want 1", got)
	}
	if got := count(x.metrics.acknowledged); got != 0 {
		t.Errorf("an inform that came in parts was acknowledged")
	}
}

// TestNames: directories of one's own add to what is shipped, and a faulty one
// takes nothing away.
func TestNames(t *testing.T) {
	dir, err := fs.Sub(rules.FS(), "profiles")
	if err != nil {
		t.Fatal(err)
	}
	own := func(text string) fs.FS { return fstest.MapFS{"notifications-own.yaml": {Data: []byte(text)}} }
	good := own("profile: notifications-own\nnotifications: [{oid: 1.3.6.1.4.1.99999.0.1, name: doorOpen, severity: warning, text: the door is open}]\n")
	for name, tt := range map[string]struct {
		dirs       []fs.FS
		door, link string
	}{
		"own": {[]fs.FS{dir, good}, "the door is open", "interface 7 is down"}, "faulty": {[]fs.FS{dir, own("notifications: [{}]")}, "notification 1.3.6.1.4.1.99999.0.1", "interface 7 is down"},
		"none": {nil, "notification 1.3.6.1.4.1.99999.0.1", "notification 1.3.6.1.6.3.1.1.5.3: 7"},
	} {
		r := receiver(t, Options{Communities: []secret.String{"public"}, Profiles: tt.dirs})
		for i, datagram := range [][]byte{v2c("public", 0xa7, 1, 1, "1.3.6.1.4.1.99999.0.1"), v2c("public", 0xa7, 2, 2, ifDown, ifIndex(7))} {
			r.receive(datagram, answer{})
			if got, want := (<-r.queue).event.Text, []string{tt.door, tt.link}[i]; got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
}
