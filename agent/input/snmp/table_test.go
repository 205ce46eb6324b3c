package snmp_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gosnmp/gosnmp"

	"github.com/faultline/faultline/agent/input/snmp"
	"github.com/faultline/faultline/plugins/base"
)

const (
	entry  = "1.3.6.1.4.1.424242.1.1"
	genErr = int(gosnmp.GenErr)
)

// fans is a profile with one table of all kinds of columns.
const fans = `profile: fans
match: {always: true}
tables:
  - name: fanTable
    entry: 1.3.6.1.4.1.424242.1.1
    index: [fan]
    labels: {fanName: .2}
    cells: {kind: .3}
    columns:
      - {metric: fanSpeed, oid: .4, type: gauge}
      - {metric: fanLoad, oid: .5, type: gauge, scale: 0.1}
      - {metric: fanSize, oid: .6, type: gauge, slow: true, scale: 10}
      - {metric: fanMood_info, oid: .7, type: info, enum: {1: calm, 2: wild}}
      - {metric: fanModel, oid: .8, type: info, slow: true}
      - {metric: fanNever, oid: .9, type: gauge}
    sensors: [{oid: .4, class: fan_speed, name: "{fanName} speed", when: ["kind = 1"]}]
`

// fan shows a row of the table.
func (f *fake) fan(index string, name string, cells map[int]any) {
	f.set(entry+".2."+index, name)
	for c, v := range cells {
		f.set(fmt.Sprintf("%s.%d.%s", entry, c, index), v)
	}
}

// blocks is a sink that keeps blocks as they come.
type blocks struct {
	sink
	blocks []base.Block
}

func (b *blocks) Block(bl base.Block) {
	b.blocks = append(b.blocks, bl)
	b.sink.Block(bl)
}

// numbersOf are the samples of a block, as metric by row.
func numbersOf(b base.Block) map[string]string {
	got := map[string]string{}
	for sm := range b.Samples() {
		ls := sm.Labels.Map()
		name := ls[base.MetricName]
		delete(ls, base.MetricName)
		got[fmt.Sprint(name, ls)] = fmt.Sprint(sm.Value)
	}
	return got
}

// TestBlocks: a table comes as one block: a row for each of its own, its labels
// once, cells that are not there missing, columns that nothing has left out.
func TestBlocks(t *testing.T) {
	r := newReader(t, "", fans)
	r.fan("1", "left", map[int]any{3: 1, 4: 1200, 5: 455, 6: 12, 7: 1, 8: "F-12"})
	r.fan("2", "right", map[int]any{3: 2, 4: 1300, 7: 2, 8: ""})
	r.fan("7", "", map[int]any{4: 0, 7: 9})
	b := &blocks{}
	before := r.now().Add(-time.Millisecond)
	if err := r.in.Gather(t.Context(), r.target, b); err != nil {
		t.Fatal(err)
	}
	if len(b.blocks) != 1 {
		t.Fatalf("%d blocks, want the table in one", len(b.blocks))
	}
	bl := b.blocks[0]
	if !bl.Whole() || len(bl.Rows) != 3 || slices.Contains(bl.Names, "fanNever") {
		t.Errorf("block of %d rows, names %v", len(bl.Rows), bl.Names)
	}
	for _, row := range bl.Rows {
		if at := time.UnixMilli(row.Time); at.Before(before) || at.After(r.now()) {
			t.Errorf("row of %v was read at %v", row.Labels, at)
		}
	}
	want := map[string]string{
		"fanSpeedmap[fan:1 fanName:left]": "1200", "fanSpeedmap[fan:2 fanName:right]": "1300", "fanSpeedmap[fan:7]": "0",
		"fanLoadmap[fan:1 fanName:left]": "45.5", "fanSizemap[fan:1 fanName:left]": "120",
		"fanMood_infomap[fan:1 fanMood:calm fanName:left]": "1", "fanMood_infomap[fan:2 fanMood:wild fanName:right]": "1", "fanMood_infomap[fan:7 fanMood:9]": "1",
		"fanModelmap[fan:1 fanModel:F-12 fanName:left]": "1",
	}
	if d := cmp.Diff(want, numbersOf(bl)); d != "" {
		t.Errorf("samples of the block (-want +got):\n%s", d)
	}
	if v := b.value(t, "faultline_sensor_value"); v != 1200 {
		t.Errorf("speed of the fan of kind 1: %v", v)
	}
}

// TestSlowColumns: they are repeated at every poll and asked for every five
// minutes.
func TestSlowColumns(t *testing.T) {
	r := newReader(t, "", fans)
	show := func(size int, model, mood string) {
		r.fan("1", "left", map[int]any{3: 1, 4: 1200, 6: size, 7: mood, 8: model})
	}
	show(12, "F-12", "calm")
	check := func(when string, s *sink, size float64, model, mood string) {
		t.Helper()
		if got := s.value(t, "fanSize"); got != size {
			t.Errorf("%s: size %v, want %v", when, got, size)
		}
		if s.value(t, "fanModel", "fanModel", model) != 1 || s.value(t, "fanMood_info", "fanMood", mood) != 1 {
			t.Errorf("%s: texts are wrong", when)
		}
	}
	check("at first", r.poll(t, 0), 120, "F-12", "calm")
	r.sinceLast()
	show(14, "F-14", "wild")
	for range 3 {
		check("within five minutes", r.poll(t, time.Minute), 120, "F-12", "wild")
	}
	asked := r.sinceLast()
	for _, column := range []string{".2", ".3", ".6", ".8"} {
		if n := below(asked, entry+column); n > 0 {
			t.Errorf("%s was asked for %d times", entry+column, n)
		}
	}
	check("after five minutes", r.poll(t, 3*time.Minute), 140, "F-14", "wild")
}

// TestRowsComeAndGo: rows that appear between two readings of the names are named
// at once, rows that went leave no series, also when they come back.
func TestRowsComeAndGo(t *testing.T) {
	r := newReader(t, "", fans)
	names := func(s *sink) string {
		var all []string
		for _, sm := range s.find("fanSpeed") {
			all = append(all, fmt.Sprintf("%s=%v", sm.Labels.Get("fanName"), sm.Value))
		}
		slices.Sort(all)
		return strings.Join(all, " ")
	}
	show := func(rows ...string) {
		r.clear(entry)
		for i, row := range rows {
			if row != "" {
				r.fan(fmt.Sprint(i+1), row, map[int]any{4: 100 + i})
			}
		}
	}
	for i, st := range []struct {
		after time.Duration
		rows  []string
		want  string
	}{
		{0, []string{"a", "b", "c"}, "a=100 b=101 c=102"},
		{time.Second, []string{"a", "b", "c", "d"}, "a=100 b=101 c=102 d=103"},
		{time.Second, []string{"a", "", "c", "d"}, "a=100 c=102 d=103"},
		{time.Second, []string{"a", "b", "c", "d"}, "a=100 b=101 c=102 d=103"},
		{6 * time.Minute, []string{"a", "B", "c", "d"}, "B=101 a=100 c=102 d=103"},
		{time.Second, []string{"new", "a", "B", "c", "d"}, "B=102 a=101 c=103 d=104 new=100"}, // the fifth is new, so all names are read
		{time.Second, []string{"", "a"}, "a=101"},
		{6 * time.Minute, []string{"x", "a"}, "a=101 x=100"},
	} {
		show(st.rows...)
		if got := names(r.poll(t, st.after)); got != st.want {
			t.Errorf("poll %d: %s, want %s", i, got, st.want)
		}
	}
}

// TestManyPolls: what is known of rows outlives many polls, and rows that are new
// or named anew then are known like others.
func TestManyPolls(t *testing.T) {
	r := newReader(t, "", fans)
	r.fan("1", "a", map[int]any{4: 1})
	r.fan("2", "b", map[int]any{4: 2})
	for range 120 {
		r.poll(t, time.Second)
	}
	r.fan("2", "B", nil)
	r.fan("3", "c", map[int]any{4: 3})
	for i, after := range []time.Duration{6 * time.Minute, time.Second, 6 * time.Minute} {
		s := r.poll(t, after)
		for _, name := range []string{"a", "B", "c"} {
			if len(s.find("fanSpeed", "fanName", name)) != 1 {
				t.Errorf("poll %d: no fan %s in %v", i, name, s.find("fanSpeed"))
			}
		}
	}
	r.clear(entry + ".4.3") // nothing: an instance lies not below itself
	r.set(entry+".4.2", nil)
	for range 110 {
		r.poll(t, 10*time.Second)
	}
	r.set(entry+".4.2", 22)
	for i := range 2 {
		if got := r.poll(t, time.Second).value(t, "fanSpeed", "fanName", "B"); got != 22 {
			t.Errorf("poll %d after its return: %v", i, got)
		}
	}
}

// TestForeignLabels: names that stand in other tables alone, found by a key.
func TestForeignLabels(t *testing.T) {
	r := newReader(t, "", `profile: ports
match: {always: true}
tables:
  - name: portTable
    entry: 1.3.6.1.4.1.424242.1.1
    index: [slot, port]
    labels: {ifName: {oid: 1.3.6.1.4.1.424242.2.1, key: "{1}"}, owner: {oid: 1.3.6.1.4.1.424242.2.2, key: "{ifName}"}}
    columns: [{metric: portPower, oid: .4, type: gauge}]
`)
	r.set("1.3.6.1.4.1.424242.2.1.7", "3")
	r.set("1.3.6.1.4.1.424242.2.2.3", "ward 3")
	r.set(entry+".4.7.1", 15)
	r.set(entry+".4.8.1", 16)
	for range 2 {
		s := r.poll(t, time.Second)
		if s.value(t, "portPower", "ifName", "3", "owner", "ward 3", "slot", "7", "port", "1") != 15 || s.value(t, "portPower", "slot", "8") != 16 {
			t.Errorf("ports %v", s.find("portPower"))
		}
	}
	r.breaking(failing("1.3.6.1.4.1.424242.2.1", genErr))
	s := r.partial(t, 6*time.Minute, "portTable", "1.3.6.1.4.1.424242.2.1")
	if s.value(t, "portPower", "owner", "ward 3") != 15 {
		t.Errorf("the name that could not be read again was lost: %v", s.find("portPower"))
	}
}

// optional is a profile with a table that is only read where it is asked for, one
// that may be empty and one of names alone.
const optional = `profile: some
match: {always: true}
scalars: [{metric: aNumber, oid: 1.3.6.1.4.1.424242.9.1.0, type: gauge}]
tables:
  - {name: longTable, entry: 1.3.6.1.4.1.424242.3.1, index: [i], columns: [{metric: longValue, oid: .1, type: gauge}], optional: true}
  - {name: plainTable, entry: 1.3.6.1.4.1.424242.4.1, index: [i], columns: [{metric: plainValue, oid: .1, type: gauge}]}
  - {name: alarmTable, entry: 1.3.6.1.4.1.424242.5.1, index: [i], columns: [{metric: alarmValue, oid: .1, type: gauge}], may_be_empty: true}
  - {name: nameTable, entry: 1.3.6.1.4.1.424242.6.1, index: [i], columns: [{metric: nameText, oid: .1, type: info, slow: true}]}
`

const (
	longTable, plainTable = "1.3.6.1.4.1.424242.3.1", "1.3.6.1.4.1.424242.4.1"
	alarmTable, nameTable = "1.3.6.1.4.1.424242.5.1", "1.3.6.1.4.1.424242.6.1"
)

func newOptional(t *testing.T) *reader {
	r := newReader(t, "", optional)
	r.set("1.3.6.1.4.1.424242.9.1.0", 7)
	for _, table := range []string{longTable, plainTable, alarmTable} {
		r.set(table+".1.1", 5)
	}
	r.set(nameTable+".1.1", "text")
	return r
}

func TestOptionalTables(t *testing.T) {
	r := newOptional(t)
	if s := r.poll(t, 0); len(s.find("longValue")) != 0 || s.value(t, "plainValue") != 5 {
		t.Error("an optional table is read without being asked for")
	}
	if asked := r.sinceLast(); below(asked, longTable) > 0 {
		t.Error("an optional table was asked for")
	}
	for _, tables := range []string{"longTable", "otherTable, longTable", "a longTable"} {
		r.target = r.fake.target("tables", tables)
		if s := r.poll(t, time.Second); s.value(t, "longValue") != 5 || s.value(t, "faultline_snmp_table_success", "table", "longTable") != 1 {
			t.Errorf("tables %q: not read", tables)
		}
	}
}

// TestEmptyTables: a table that the device said is empty is asked for again after
// half a minute and then ever more seldom, one that may be empty at every poll.
func TestEmptyTables(t *testing.T) {
	r := newOptional(t)
	for _, table := range []string{plainTable, alarmTable, nameTable} {
		r.clear(table)
	}
	r.poll(t, 0)
	r.sinceLast()
	s := r.poll(t, 20*time.Second)
	asked := r.sinceLast()
	if below(asked, plainTable) != 0 || below(asked, nameTable) != 0 || below(asked, alarmTable) == 0 {
		t.Errorf("asked for the empty tables %d, %d and %d times", below(asked, plainTable), below(asked, nameTable), below(asked, alarmTable))
	}
	for _, table := range []string{"plainTable", "alarmTable", "nameTable"} {
		if s.value(t, "faultline_snmp_table_success", "table", table) != 1 {
			t.Errorf("%s, which is empty, counts as not read", table)
		}
	}
	var at []int // seconds after the first poll
	for since := 30; since <= 900; since += 10 {
		r.sinceLast()
		r.poll(t, 10*time.Second)
		if below(r.sinceLast(), plainTable) > 0 {
			at = append(at, since)
		}
	}
	if want := []int{30, 80, 150, 260, 420, 650}; !slices.Equal(at, want) {
		t.Errorf("asked for the empty table %v seconds after it was found empty, want %v", at, want)
	}
	for _, table := range []string{plainTable, alarmTable} {
		r.set(table+".1.9", 6)
	}
	r.set(nameTable+".1.9", "late")
	if s := r.poll(t, time.Minute); s.value(t, "alarmValue") != 6 {
		t.Error("a row of an alarm table came unseen")
	}
	if s := r.poll(t, 5*time.Minute); s.value(t, "plainValue") != 6 || s.value(t, "nameText", "nameText", "late") != 1 {
		t.Error("rows that came to an empty table were not found")
	}
	if s := r.poll(t, time.Minute); s.value(t, "plainValue") != 6 || s.value(t, "nameText", "nameText", "late") != 1 {
		t.Error("a table of names alone is not repeated")
	}
}

// TestVanishedRows: a table that loses all its rows, or a scalar, is a fault until
// the device is looked at anew, unless it may be empty.
func TestVanishedRows(t *testing.T) {
	r := newOptional(t)
	r.poll(t, 0)
	r.poll(t, time.Minute) // profiles are chosen again, and then for ten minutes not
	r.clear(plainTable)
	r.clear(alarmTable)
	for i := range 9 {
		s := r.partial(t, time.Minute, "plainTable: no rows, there were 1")
		if s.value(t, "faultline_snmp_table_success", "table", "plainTable") != 0 || s.value(t, "faultline_snmp_table_success", "table", "alarmTable") != 1 {
			t.Errorf("poll %d: table success is wrong", i)
		}
	}
	r.poll(t, 2*time.Minute) // it seems to be so
	r.set(plainTable+".1.1", 5)
	if s := r.poll(t, 5*time.Minute); s.value(t, "plainValue") != 5 || s.value(t, "faultline_snmp_table_success", "table", "plainTable") != 1 {
		t.Error("the table came back unseen")
	}
	r.set("1.3.6.1.4.1.424242.9.1.0", nil)
	r.partial(t, time.Second, "scalars of some: no longer there: aNumber")
}

// TestFaultsAreNamed: what could not be read is told in the error, in a metric and
// in a description, and the rest is there.
func TestFaultsAreNamed(t *testing.T) {
	r := newReader(t, "", fans, optional)
	r.set("1.3.6.1.4.1.424242.9.1.0", 7)
	r.fan("1", "left", map[int]any{3: 1, 4: 1200, 5: 455})
	r.set(plainTable+".1.1", 5)
	r.breaking(failing(entry+".5", genErr))
	for range 2 {
		s := r.partial(t, time.Second, "fanTable", "fanLoad", "genErr")
		if s.value(t, "faultline_snmp_table_success", "table", "fanTable") != 0 || s.value(t, "faultline_snmp_table_success", "table", "plainTable") != 1 {
			t.Error("table success is wrong")
		}
		if s.value(t, "fanSpeed") != 1200 || s.value(t, "plainValue") != 5 || s.value(t, "aNumber") != 7 || len(s.find("fanLoad")) != 0 {
			t.Errorf("samples %v", s.samples)
		}
	}
	in, err := snmp.New(snmp.Options{Profiles: profilesOf(t, fans, optional)})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	d, err := in.Describe(t.Context(), r.target)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Problems) != 1 || d.Problems[0].What != "fanTable" || d.Problems[0].RowsKept != 1 || !strings.Contains(d.Problems[0].Error, "fanLoad") {
		t.Errorf("problems %+v", d.Problems)
	}
	if len(d.Sensors) != 1 || d.Sensors[0].Value != 1200 || d.Sensors[0].OID != entry+".4.1" {
		t.Errorf("sensors %+v", d.Sensors)
	}
}

// TestNothingReadable: an agent that fails at everything is no success, and what
// it says is told.
func TestNothingReadable(t *testing.T) {
	r := newReader(t, "", optional)
	r.set(plainTable+".1.1", 5)
	r.breaking(failing("1.3.6.1.4.1.424242", genErr))
	if s, err := r.try(t, 0); err == nil || !strings.Contains(err.Error(), "genErr") {
		t.Errorf("error %v, samples %v", err, s.samples)
	}
}
