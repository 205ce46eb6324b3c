package snmp_test

import (
	"testing"
	"time"
	"unicode/utf8"
)

// TestTexts: what devices write into names becomes a clean label.
func TestTexts(t *testing.T) {
	tests := []struct {
		name, octets, want string
	}{
		{"plain", "uplink to core", "uplink to core"},
		{"UTF-8", "上联核心", "上联核心"},
		{"GBK", "\xc9\xcf\xc1\xaa\xba\xcb\xd0\xc4", "上联核心"},
		{"GBK among ASCII", "GE1/0/1-\xbb\xfa\xb7\xbf2", "GE1/0/1-机房2"},
		{"GB 18030 of four bytes", "\x82\x35\x8f\x33\xba\xcb", "\u9FA6核"},
		{"UTF-8 cut in the middle of a character", "上联核心"[:10], "上联核"},
		{"UTF-8 among ASCII, cut", "to 机房"[:8], "to 机"},
		{"Latin 1", "B\xfcro", "B\ufffdro"},
		{"octets that are no text", "\xff\xfe\x80", "\ufffd"},
		{"zeros at the end", "eth0\x00\x00", "eth0"},
		{"zero inside", "a\x00b", "a b"},
		{"line breaks", "two\r\nlines\t", "two  lines"},
		{"control characters", "\x01\x1bname\x7f", "name"},
		{"blanks around", "  eth0  ", "eth0"},
		{"nothing but blanks", "   ", ""},
		{"quotes and braces", `a"b{c}`, `a"b{c}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newReader(t, "")
			r.port("1", "eth0", map[int]any{118: tt.octets})
			s := r.poll(t, 0)
			got := s.find("ifOperStatus")
			if len(got) != 1 {
				t.Fatalf("interfaces %v", got)
			}
			if alias := got[0].Labels.Get("ifAlias"); alias != tt.want || !utf8.ValidString(alias) {
				t.Errorf("%q is shown as %q, want %q", tt.octets, alias, tt.want)
			}
		})
	}
}

// TestGBKNames: a device that writes GBK everywhere is read and described like
// others.
func TestGBKNames(t *testing.T) {
	r := newReader(t, "")
	r.set("1.3.6.1.2.1.1.1.0", "\xbb\xaa\xce\xaa\xbd\xbb\xbb\xbb\xbb\xfa")
	r.set("1.3.6.1.2.1.1.5.0", "\xba\xcb\xd0\xc4\xbd\xbb\xbb\xbb\xbb\xfa-1")
	r.port("1", "\xcd\xf2\xd5\xd7\xbf\xda1", nil)
	for range 2 {
		s := r.poll(t, time.Minute)
		if len(s.find("sysName", "sysName", "核心交换机-1")) != 1 || len(s.find("ifOperStatus", "ifName", "万兆口1", "ifDescr", "万兆口1")) != 1 {
			t.Errorf("names %v, interfaces %v", s.find("sysName"), s.find("ifOperStatus"))
		}
	}
	d, err := r.in.Describe(t.Context(), r.target)
	if err != nil {
		t.Fatal(err)
	}
	if d.Device.SysName != "核心交换机-1" || d.Device.SysDescr != "华为交换机" || len(d.Interfaces) != 1 || d.Interfaces[0].Name != "万兆口1" {
		t.Errorf("device %+v, interfaces %+v", d.Device, d.Interfaces)
	}
}
