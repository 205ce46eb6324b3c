package syslog

import (
	"regexp"
	"strings"
	"time"
)

// code finds a vendor's mnemonic: %LINK-3-UPDOWN: of Cisco and its kin,
// %%01IFNET/4/LINK_STATE(l): of Huawei, %%10IFNET/3/PHY_UPDOWN: of H3C.
var (
	ciscoCode  = regexp.MustCompile(`(?:^|[\s:])%([A-Z0-9_]+(?:-[A-Z0-9_]+)*-([0-7])-[A-Z0-9_]+) ?: ?`)
	vrpCode    = regexp.MustCompile(`%%(\d\d)([\w-]+/([0-7])/[\w-]+)(?:\((?:[a-z]+)\))?(?:\[\d+\])?: ?`)
	cid        = regexp.MustCompile(`^CID=0x[0-9a-fA-F]+(?:-alarmID=0x[0-9a-fA-F]+)?; ?`) // of VRP 8
	longHeader = 240                                                                      // bytes of header at most before a mnemonic
)

// mnemonic reads a line that carries a mnemonic, and tells whether it does.
func (m *Message) mnemonic(h *header) bool {
	head := h.rest[:min(len(h.rest), longHeader)]
	if !strings.Contains(head, "%") {
		return false
	}
	if at := vrpCode.FindStringSubmatchIndex(head); at != nil {
		m.setVRP(h.rest, at)
	} else if at := ciscoCode.FindStringSubmatchIndex(head); at != nil {
		m.setCisco(h.rest, at)
	} else {
		return false
	}
	at := strings.IndexByte(h.rest, '%')
	before := header{rest: h.rest[:at] + " ", now: h.now, local: h.local}
	before.read(m)
	if name := strings.Trim(before.rest, " :"); m.Host == "" && hostName.MatchString(name) && !onlyDigits.MatchString(name) {
		m.Host = name
	}
	return true
}

var onlyDigits = regexp.MustCompile(`^\d*$`)

// vendorForm finds a mnemonic at the beginning of an RFC 5424 message's text,
// or in its MSGID with Cisco's form.
func (m *Message) vendorForm(text string) {
	head := text[:min(len(text), longHeader)]
	if at := vrpCode.FindStringSubmatchIndex(head); at != nil && at[0] == 0 {
		m.setVRP(text, at)
	} else if at := ciscoCode.FindStringSubmatchIndex(head); at != nil && at[0] <= 1 {
		m.setCisco(text, at)
	}
}

func (m *Message) setVRP(s string, at []int) {
	m.Vendor = VendorHuawei
	if s[at[2]:at[3]] == "10" {
		m.Vendor = VendorH3C
	}
	m.Code, m.Level = s[at[4]:at[5]], int(s[at[6]]-'0')
	text := strings.TrimLeft(s[at[1]:], " ")
	m.Text = text[len(cid.FindString(text)):]
}

func (m *Message) setCisco(s string, at []int) {
	m.Vendor, m.Code, m.Level = VendorCisco, s[at[2]:at[3]], int(s[at[4]]-'0')
	m.Text = strings.TrimLeft(s[at[1]:], " ")
}

// keyValues reads a line of key=value pairs as FortiOS writes it, and tells
// whether it is one.
func (m *Message) keyValues(s string, now time.Time, local *time.Location) bool {
	if !strings.HasPrefix(s, "date=") && !strings.HasPrefix(s, "devname=") && !strings.HasPrefix(s, "timestamp=") {
		return false
	}
	m.Vendor, m.Text = VendorFortinet, s
	m.Host = pair(s, "devname")
	if m.Host == "" {
		m.Host = pair(s, "devid")
	}
	m.Code = pair(s, "logid")
	h := header{now: now, local: local}
	var zone *time.Location
	if tz := pair(s, "tz"); tz != "" {
		zone, _ = h.zone(tz)
	}
	m.Sent, m.Zoned = h.place(pair(s, "date")+" "+pair(s, "time"), "2006-01-02 15:04:05", zone)
	return true
}

// pair returns the value of a key in key=value or key="value".
func pair(s, key string) string {
	for from := 0; ; {
		i := strings.Index(s[from:], key+"=")
		if i < 0 {
			return ""
		}
		i += from
		if i > 0 && s[i-1] != ' ' && s[i-1] != ',' {
			from = i + len(key)
			continue
		}
		v := s[i+len(key)+1:]
		if quoted, ok := strings.CutPrefix(v, `"`); ok {
			v, _, _ = strings.Cut(quoted, `"`)
			return v
		}
		if end := strings.IndexAny(v, " ,"); end >= 0 {
			v = v[:end]
		}
		return v
	}
}
