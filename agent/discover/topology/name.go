package topology

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// filler are names that devices leave the factory with: no names.
var filler = regexp.MustCompile(`(?i)^(localhost|\(none\)|none|unknown|default|switch|router|firewall|ups|pdu|printer|huawei|h3c|hpe?|quidway|ruijie|cisco|zte|mikrotik|fortigate|sysname|my ?name|ubuntu|debian|linux)?$`)

// name gives every device an id: what it calls itself, where that can be told
// apart, else its kind and address.
func (b *builder) name() {
	wanted := map[string][]*Device{}
	for _, d := range b.devices {
		id := clean(shortName(d.Name))
		if filler.MatchString(id) {
			id = clean(d.Kind + "-" + d.Addresses[0].String())
		}
		d.ID = id
		wanted[strings.ToLower(id)] = append(wanted[strings.ToLower(id)], d)
	}
	taken := map[string]bool{}
	for _, d := range b.devices {
		if len(wanted[strings.ToLower(d.ID)]) == 1 {
			taken[strings.ToLower(d.ID)] = true
		}
	}
	for _, d := range b.devices {
		same := wanted[strings.ToLower(d.ID)]
		if len(same) == 1 {
			continue
		}
		if d == same[0] {
			b.conflict("name", slices.Clone(same), "%d devices call themselves %s", len(same), d.ID)
		}
		base := d.ID + "-" + clean(d.Addresses[0].String())
		d.ID = base
		for n := 2; taken[strings.ToLower(d.ID)]; n++ {
			d.ID = fmt.Sprintf("%s-%d", base, n)
		}
		taken[strings.ToLower(d.ID)] = true
	}
}

// shortName is a name without its domain.
func shortName(name string) string {
	name = strings.TrimSpace(name)
	if host, _, found := strings.Cut(name, "."); found && strings.ContainsFunc(host, unicode.IsLetter) {
		return host
	}
	return name
}

// clean makes a name fit for an id: letters, digits and . _ : @ + - only,
// beginning with a letter or digit.
func clean(name string) string {
	var out []rune
	for _, r := range name {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '_', r == '-', r == '+', r == '@':
			out = append(out, r)
		case len(out) > 0 && out[len(out)-1] != '-':
			out = append(out, '-')
		}
	}
	text := strings.TrimFunc(string(out), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
	if runes := []rune(text); len(runes) > 60 {
		text = strings.TrimRight(string(runes[:60]), "-_+@")
	}
	return text
}
