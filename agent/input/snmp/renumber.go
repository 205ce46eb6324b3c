package snmp

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/faultline/faultline/plugins/base"
)

// ifTable is the table of which the rows are known by their names, because
// devices number interfaces anew when they start or cards are changed.
const ifTable = "ifTable"

// renumbered gives every interface the number that its series had before, and
// tells when the device has changed it. Series therefore go on.
func (t *table) renumbered(p *poll, fresh map[string]*row) {
	if t.def.Name != ifTable || p.keepAll {
		return
	}
	owners := map[string]int{}
	for _, r := range fresh {
		owners[t.identity(r)]++
	}
	var moved []string
	for _, r := range fresh {
		id := t.identity(r)
		if id == "" || owners[id] > 1 { // not unique: its number is all that tells it
			continue
		}
		was, known := t.learned.Interfaces[id]
		switch {
		case !known:
			if t.learned.Interfaces == nil {
				t.learned.Interfaces = map[string]Numbers{}
			}
			was = Numbers{Shown: t.free(r.index, id), Now: r.index}
		case was.Now != r.index:
			moved = append(moved, fmt.Sprintf("%s from %s to %s", id, was.Now, r.index))
			t.carry(r, id, was.Now)
			was.Now = r.index
		}
		t.learned.Interfaces[id] = was
		r.shown = was.Shown
	}
	t.forgetInterfaces(fresh)
	if len(moved) == 0 {
		return
	}
	slices.Sort(moved)
	text := strings.Join(moved[:min(len(moved), 8)], ", ")
	if len(moved) > 8 {
		text += fmt.Sprintf(" and %d more", len(moved)-8)
	}
	p.sink.Event(base.Event{Kind: base.EventChange, At: p.session.At(), Text: "interfaces were renumbered: " + text,
		Attrs: map[string]string{"what": "ifIndex", "count": strconv.Itoa(len(moved))}})
}

// carry takes an interface's counters along from the number that it had.
func (t *table) carry(r *row, id, from string) {
	if old := t.rowAt(from); old != nil && t.identity(old) == id {
		r.counters, r.counts, r.moved, r.resumed = slices.Clone(old.counters), old.counts, true, old.resumed
	}
}

// forgetInterfaces drops interfaces that are not there any more, once they are
// many: where interfaces come and go they have new names each time.
func (t *table) forgetInterfaces(fresh map[string]*row) {
	const most = 64
	if !t.labelled || len(t.learned.Interfaces) <= 2*len(fresh)+most {
		return
	}
	there := map[string]bool{}
	for _, r := range fresh {
		there[t.identity(r)] = true
	}
	maps.DeleteFunc(t.learned.Interfaces, func(id string, _ Numbers) bool { return !there[id] })
}

// free is the number that a new interface's series show: its own, unless
// another's series have that.
func (t *table) free(index, id string) string {
	for other, n := range t.learned.Interfaces {
		if n.Shown == index && other != id {
			return index + "-" + id
		}
	}
	return index
}

// identity is what an interface is known by: ifName, else ifDescr, else ifAlias
// with its address.
func (t *table) identity(r *row) string {
	for _, name := range []string{"ifName", "ifDescr"} {
		if text := r.static[t.staticAt[name]]; text != "" {
			return text
		}
	}
	alias, mac := r.static[t.staticAt["ifAlias"]], ""
	for i := range t.static {
		if s := &t.static[i]; s.cell == nil && t.def.Columns[s.column].Metric == "ifPhysAddress" {
			mac = r.static[i]
		}
	}
	if alias == "" || mac == "" {
		return ""
	}
	return alias + " " + mac
}
