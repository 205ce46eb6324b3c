package topology

import (
	"strconv"
	"strings"
)

// find returns the ifIndex of the port that a neighbour calls by an ID and a
// description, 0 where none or several fit.
func (f *Facts) find(id ID, descr string) int {
	if id.Kind == IDMAC {
		if i := f.byMAC(id.MAC, descr); i != 0 {
			return i
		}
	}
	if id.Kind == IDAddress {
		for _, o := range f.Addresses {
			if o.Prefix.Addr() == id.Address {
				return o.Interface
			}
		}
	}
	texts := []string{id.Text, descr}
	if id.Kind == IDMAC || id.Kind == IDAddress {
		texts = texts[1:]
	}
	for _, text := range texts {
		if i := f.byText(text); i != 0 {
			return i
		}
	}
	if n, err := strconv.Atoi(id.Text); err == nil && id.Kind == IDName && f.at(n) != nil {
		return n // many call their ports by ifIndex
	}
	return 0
}

// byMAC returns the interface with a hardware address; where several have it the
// one that is called as the description says, or else the first that is a port
// and no part of one.
func (f *Facts) byMAC(m MAC, descr string) int {
	var fits []*Interface
	for k := range f.Interfaces {
		if i := &f.Interfaces[k]; i.MAC == m && m != (MAC{}) {
			fits = append(fits, i)
		}
	}
	if len(fits) > 1 {
		for _, i := range fits {
			if descr != "" && i.called(descr) {
				return i.Index
			}
		}
		for _, i := range fits {
			if i.Type == ifEthernet && !strings.ContainsAny(i.name(), ".:") {
				return i.Index
			}
		}
	}
	if len(fits) == 0 {
		return 0
	}
	return fits[0].Index
}

// byText returns the interface of that name; of a shortened one (Gi1/0/1) only
// where a single interface fits.
func (f *Facts) byText(text string) int {
	if text = strings.TrimSpace(text); text == "" {
		return 0
	}
	for _, get := range []func(*Interface) string{
		func(i *Interface) string { return i.Name },
		func(i *Interface) string { return i.Descr },
		func(i *Interface) string { return i.Alias },
	} {
		if n := f.only(func(i *Interface) bool { return strings.EqualFold(get(i), text) }); n != 0 {
			return n
		}
	}
	return f.only(func(i *Interface) bool { return abbreviates(text, i.Name) || abbreviates(text, i.Descr) })
}

// only returns the ifIndex of the one interface that fits, else 0.
func (f *Facts) only(fits func(*Interface) bool) int {
	found := 0
	for k := range f.Interfaces {
		if i := &f.Interfaces[k]; fits(i) {
			if found != 0 {
				return 0
			}
			found = i.Index
		}
	}
	return found
}

func (i *Interface) called(text string) bool {
	return strings.EqualFold(i.Name, text) || strings.EqualFold(i.Descr, text) || abbreviates(text, i.Name) || abbreviates(text, i.Descr)
}

// abbreviates tells whether one name is the other with the word before the
// numbers shortened: Gi1/0/1 and GigabitEthernet1/0/1, XGE0/0/1 and
// XGigabitEthernet0/0/1.
func abbreviates(x, y string) bool {
	xw, xn := splitPort(x)
	yw, yn := splitPort(y)
	if xn == "" || xn != yn || xw == "" || yw == "" {
		return false
	}
	if len(xw) > len(yw) {
		xw, yw = yw, xw
	}
	return xw[0] == yw[0] && subsequence(xw, yw)
}

// splitPort parts a port's name before its first number: 10GE1/0/1 and 100GE1/0/1
// keep the speed in the word.
func splitPort(name string) (word, numbers string) {
	name = strings.ToLower(strings.ReplaceAll(strings.TrimSpace(name), " ", ""))
	start := 0
	for start < len(name) && name[start] >= '0' && name[start] <= '9' { // the speed
		start++
	}
	at := strings.IndexAny(name[start:], "0123456789")
	if at <= 0 {
		return "", ""
	}
	return strings.Trim(name[:start+at], "-"), name[start+at:]
}

func subsequence(short, long string) bool {
	for _, c := range []byte(short) {
		at := strings.IndexByte(long, c)
		if at < 0 {
			return false
		}
		long = long[at+1:]
	}
	return true
}

// heardAt returns the ifIndex of the port where a neighbour was heard, 0 where
// that cannot be told.
func (f *Facts) heardAt(n *Neighbour) int {
	if !n.ByLLDP {
		if f.at(n.Port) != nil {
			return n.Port
		}
		return 0
	}
	for _, p := range f.LLDPPorts {
		if p.Number == n.Port {
			if i := f.find(p.ID, p.Descr); i != 0 {
				return i
			}
		}
	}
	if f.at(n.Port) != nil { // most number their LLDP ports as their interfaces
		return n.Port
	}
	return f.only(func(i *Interface) bool { return i.Bridge == n.Port })
}

// localText is what a port is called where no interface is known for it.
func (f *Facts) localText(n *Neighbour) string {
	for _, p := range f.LLDPPorts {
		if n.ByLLDP && p.Number == n.Port {
			return firstOf(p.ID.Text, p.Descr)
		}
	}
	return strconv.Itoa(n.Port)
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
