package draft

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/internal/profile"
)

// TestWrite: what is found is written as a profile that passes the check, with
// sensors where names or units tell, and with what was seen.
func TestWrite(t *testing.T) {
	const e = "1.3.6.1.4.1.99999."
	s := Find(parse(
		e+"1.1.0|4|A700", e+"1.2.0|4|V2.10.3", e+"1.3.0|4|SN20231234", e+"1.4.0|65|17", e+"1.5.0|2|231",
		e+"2.1.1.1|2|1", e+"2.1.1.2|2|2", e+"2.1.1.3|2|3", e+"2.1.2.1|4|CPU Temp", e+"2.1.2.2|4|Fan 1", e+"2.1.2.3|4|Room humidity",
		e+"2.1.3.1|66|415", e+"2.1.3.2|66|4200", e+"2.1.3.3|66|48", e+"2.1.4.1|2|1", e+"2.1.4.2|2|1", e+"2.1.4.3|2|2",
		e+"3.1.1.1|4|21.5 C", e+"3.1.1.2|4|40 %RH", e+"3.1.2.1|2|5", e+"3.1.2.2|2|5",
		e+"4.1.1.1|4|a", e+"4.1.1.2|4|b"))
	text := Write(Device{Profile: "acme-draft", Vendor: `Acme "Ltd"`, SysObjectID: "1.3.6.1.4.1.99999.7", SysDescr: "Acme A700\nrev 1: # x", Subtrees: []string{"1.3.6.1.4.1.99999"}, At: time.Unix(0, 0).UTC()}, s)
	p, _, err := profile.Parse("acme-draft.yaml", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if p.Verified != profile.VerifiedNone || len(p.Source) == 0 || len(p.Tables) != 2 || len(p.Scalars) != 2 {
		t.Errorf("verified %s, source %v, %d tables, %d scalars", p.Verified, p.Source, len(p.Tables), len(p.Scalars))
	}
	for _, want := range []string{
		"verified: none\n", `  vendor: "Acme \"Ltd\""`, "    - {oid: .1.1.0} # A700\n", "    - {oid: .1.2.0} # V2.10.3\n", "    - {oid: .1.3.0} # SN20231234\n",
		"{metric: acme_draft_1_4_0, oid: .1.4.0, type: counter} # counter: 17\n", "# gauge: 231 - may be a mains voltage, or a temperature in tenths of °C\n", "    # .1 numbers the rows\n",
		"labels: {name: .2} # text: CPU Temp, Fan 1, Room humidity\n",
		`{oid: .3, class: temperature, name: "{name|index}", scale: 0.1, when: ['name ~ (?i)temp`,
		`{oid: .3, class: fan_speed, name: "{name|index}", when:`, `{oid: .3, class: humidity, name: "{name|index}", when:`,
		`# - {oid: .4, class: state, name: "{name|index}", status: {1: unknown, 2: unknown}}`,
		`{oid: .1, class: temperature, name: "{index}", when: ['value ~ °?\s*(C|Celsius)\s*$']}`, `{oid: .1, class: humidity,`,
		"# table .4.1: 2 rows of texts alone: text: a, b\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// TestWriteGeneric: a device with the sysObjectID of many is known by what it has.
func TestWriteGeneric(t *testing.T) {
	text := Write(Device{Profile: "x", SysObjectID: "1.3.6.1.4.1.8072.3.2.10", Subtrees: []string{"1.3.6.1.4.1.99999"}, Fits: "linux", Covered: 7, Notes: []string{"a\nb"}}, Find(parse("1.3.6.1.4.1.99999.1.1.0|2|5000")))
	if _, _, err := profile.Parse("x.yaml", text); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, want := range []string{"  - has: [1.3.6.1.4.1.99999]", "# Not read: a b\n", "# The profile linux fits", "# 7 objects"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

func TestKinds(t *testing.T) {
	for _, tt := range []struct {
		want  Kind
		lines []string
	}{
		{Counter, []string{"1.1|65|5"}}, {Ticks, []string{"1.1|67|5"}}, {Gauge, []string{"1.1|66|5"}}, {Gauge, []string{"1.1|2|500", "1.2|2|1"}},
		{Enumeration, []string{"1.1|2|1", "1.2|2|1", "1.3|2|3"}}, {Gauge, []string{"1.1|2|1", "1.2|2|2", "1.3|2|3"}}, {Enumeration, []string{"1.1|2|2"}},
		{Words, []string{"1.1|4|abc"}}, {Words, []string{"1.1|4|"}}, {Reading, []string{"1.1|4|23.5 C", "1.2|4|-7"}}, {Octets, []string{"1.1|4|\x01\x02"}}, {Hardware, []string{"1.1|4|\x00\x1b\x21\x00\x00\x01"}},
	} {
		c := &Column{}
		all := parse(tt.lines...)
		for i := range all {
			c.Values = append(c.Values, &all[i])
		}
		if got := c.Kind(); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.lines, got, tt.want)
		}
	}
}

// TestEveryRecording drafts a profile of every recorded device: each passes the
// check.
func TestEveryRecording(t *testing.T) {
	drafts, tables, sensors := 0, 0, 0
	for _, file := range recordings(t) {
		s := Find(enterprise(t, file))
		text := Write(Device{Profile: "draft", SysObjectID: "1.3.6.1.4.1.99999", Subtrees: []string{"1.3.6.1.4.1"}}, s)
		p, _, err := profile.Parse("draft.yaml", text)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		drafts, tables = drafts+1, tables+len(p.Tables)
		for i := range p.Tables {
			sensors += len(p.Tables[i].Sensors)
		}
	}
	t.Logf("%d drafts, %d tables, %d sensors", drafts, tables, sensors)
}

// FuzzWrite: whatever a device sends, the draft is a profile.
func FuzzWrite(f *testing.F) {
	f.Add("1.3.6.1.4.1.99999.2.1.1.1|4|a\n1.3.6.1.4.1.99999.2.1.2.1|2|5", "Acme: # '\"")
	f.Add("1.3.6.1.4.1.99999.1.0|4|{x}\n1.3.6.1.4.1.99999.1.1.1|4x|00", "\x00")
	f.Fuzz(func(t *testing.T, walk, descr string) {
		all := slices.DeleteFunc(parse(strings.Split(walk, "\n")...), func(i Instance) bool { return len(i.OID) < 8 || i.OID[0] != 1 || i.OID[1] != 3 })
		s := Find(all)
		text := Write(Device{Profile: "draft", Vendor: descr, SysDescr: descr, SysObjectID: "1.3.6.1.4.1.99999", Subtrees: []string{"1.3.6.1.4.1.99999"}, Notes: []string{descr}}, s)
		if _, _, err := profile.Parse("draft.yaml", text); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	})
}
