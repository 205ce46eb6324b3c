package snmp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// Description is what one device is and has, as `faultline-agent snmp describe`
// prints it. Absent facts are absent keys.
type Description struct {
	Device     Device      `json:"device"`
	Interfaces []Interface `json:"interfaces,omitempty"`
	Processors []Processor `json:"processors,omitempty"`
	Memory     []Pool      `json:"memory,omitempty"`
	Storage    []Pool      `json:"storage,omitempty"`
	Sensors    []Sensor    `json:"sensors,omitempty"`
	Neighbours []Neighbour `json:"neighbours,omitempty"`
	Problems   []Problem   `json:"problems,omitempty"`
	Cost       Cost        `json:"cost"`
}

// Device is who made the device and what it is.
type Device struct {
	Vendor      string   `json:"vendor,omitempty"`
	OS          string   `json:"os,omitempty"`
	Model       string   `json:"model,omitempty"`
	Version     string   `json:"version,omitempty"`
	Serial      string   `json:"serial,omitempty"`
	SysObjectID string   `json:"sys_object_id,omitempty"`
	SysName     string   `json:"sys_name,omitempty"`
	SysDescr    string   `json:"sys_descr,omitempty"`
	Class       string   `json:"class,omitempty"`
	Profile     string   `json:"profile,omitempty"` // the device's own; without it layers alone were read
	Layers      []string `json:"layers,omitempty"`
}

// Interface is one row of ifTable and ifXTable.
type Interface struct {
	Index     int     `json:"if_index"`
	Name      string  `json:"if_name,omitempty"`
	Descr     string  `json:"if_descr,omitempty"`
	Alias     string  `json:"if_alias,omitempty"`
	Type      *uint64 `json:"if_type,omitempty"`
	Speed     *uint64 `json:"speed_bps,omitempty"`
	Admin     string  `json:"admin,omitempty"`
	Oper      string  `json:"oper,omitempty"`
	MTU       *uint64 `json:"mtu,omitempty"`
	MAC       string  `json:"mac,omitempty"`
	InOctets  *uint64 `json:"in_octets,omitempty"`
	OutOctets *uint64 `json:"out_octets,omitempty"`
	InErrors  *uint64 `json:"in_errors,omitempty"`
	OutErrors *uint64 `json:"out_errors,omitempty"`
}

// Processor is one processor and its usage.
type Processor struct {
	OID   string  `json:"oid"`
	Name  string  `json:"name,omitempty"`
	Usage float64 `json:"usage_percent"`
}

// Pool is memory or storage.
type Pool struct {
	Name    string   `json:"name"`
	Total   *float64 `json:"total_bytes,omitempty"`
	Used    *float64 `json:"used_bytes,omitempty"`
	Percent float64  `json:"used_percent"`
}

// Sensor is one reading in its class's unit.
type Sensor struct {
	OID   string  `json:"oid"` // the value was read from
	Class string  `json:"class"`
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"`
	State string  `json:"state,omitempty"`
}

// Neighbour is a device that a discovery protocol saw.
type Neighbour struct {
	Protocol       string `json:"protocol"`
	LocalInterface string `json:"local_interface,omitempty"`
	RemoteName     string `json:"remote_name,omitempty"`
	RemotePort     string `json:"remote_port,omitempty"`
	RemoteAddress  string `json:"remote_address,omitempty"`
}

// Problem is what could not be read.
type Problem struct {
	What     string `json:"what"`
	Error    string `json:"error"`
	RowsKept int    `json:"rows_kept"`
}

// Cost is what reading the device took.
type Cost struct {
	Packets  int     `json:"packets"`
	Varbinds int     `json:"varbinds"`
	Seconds  float64 `json:"seconds"`
}

// nothing is a sink for a poll of which only the device's state counts.
type nothing struct{}

// Sample drops the sample.
func (nothing) Sample(base.Sample) {}

// Block drops the block.
func (nothing) Block(base.Block) {}

// Event drops the event.
func (nothing) Event(base.Event) {}

// Describe reads one device whole, once, within ctx's deadline. An error means
// that it never answered; what could not be read is in Problems.
func (in *Input) Describe(ctx context.Context, t base.Target) (*Description, error) {
	c, err := parse(t)
	if err != nil {
		return nil, err
	}
	d := newDevice(c, t, &in.opts, in.net)
	d.keepAll = true
	defer d.close()
	start := in.opts.Now()
	err = d.poll(ctx, nothing{})
	if d.plan == nil {
		if err == nil {
			err = fmt.Errorf("snmp %s: nothing could be read", t.Address)
		}
		return nil, err
	}
	desc := d.describe()
	if err != nil && !errors.As(err, new(input.Partial)) {
		desc.Problems = append(desc.Problems, Problem{What: "device", Error: err.Error()})
	}
	desc.Cost.Seconds = math.Round(in.opts.Now().Sub(start).Seconds()*1e3) / 1e3
	return desc, nil
}

func (d *device) describe() *Description {
	f := d.facts
	class := d.plan.Class
	if class == "" {
		class = "other"
	}
	desc := &Description{Device: Device{
		Vendor: f.vendor, OS: f.os, Model: f.model, Version: f.version, Serial: f.serial, Class: class,
		SysObjectID: d.id.SysObjectID, SysName: d.id.SysName, SysDescr: d.id.SysDescr, Profile: d.plan.Own, Layers: d.plan.Profiles,
	}, Problems: d.problems}
	if d.session != nil {
		st := d.session.Stats()
		desc.Cost = Cost{Packets: int(st.Sent), Varbinds: int(st.Varbinds)}
	}
	for _, t := range d.tables {
		if t.def.Name == ifTable {
			desc.Interfaces = t.interfaces()
		}
		for _, r := range t.ordered() {
			t.describe(r, desc)
		}
	}
	return desc
}

// ordered are the rows seen last, in the order of the device.
func (t *table) ordered() []*row {
	var rows []*row
	for _, key := range slices.SortedFunc(maps.Keys(t.rows), compareKeys) {
		if r := t.rows[key]; r.seen == t.number {
			rows = append(rows, r)
		}
	}
	return rows
}

func (t *table) describe(r *row, desc *Description) {
	if r.derived != nil {
		for i := range r.derived.sensors {
			s := &r.derived.sensors[i]
			if v, ok := s.reading(r); ok {
				state, _ := s.stateIn(r)
				desc.Sensors = append(desc.Sensors, Sensor{s.oid, s.Class, s.Name, rounded(v), s.Unit(), state})
			}
		}
		for i := range r.derived.processors {
			s := &r.derived.processors[i]
			if v, ok := s.reading(r); ok {
				desc.Processors = append(desc.Processors, Processor{s.oid, s.Name, rounded(v)})
			}
		}
		desc.Memory = t.describePools(r, r.derived.memory, desc.Memory)
		desc.Storage = t.describePools(r, r.derived.storage, desc.Storage)
	}
	get := t.get(r)
	for i := range t.def.Neighbours {
		n := &t.def.Neighbours[i]
		if n.Applies(get) {
			desc.Neighbours = append(desc.Neighbours, Neighbour{n.Protocol, n.LocalInterface.Expand(get),
				n.RemoteName.Expand(get), n.RemotePort.Expand(get), n.RemoteAddress.Expand(get)})
		}
	}
}

func (t *table) describePools(r *row, pools []rowPool, to []Pool) []Pool {
	for i := range pools {
		u, ok := t.usage(&pools[i], r)
		if !ok {
			continue
		}
		p := Pool{Name: pools[i].name, Percent: rounded(u.Percent)}
		if u.Total >= 0 {
			p.Total = &u.Total
		}
		if u.Used >= 0 {
			p.Used = &u.Used
		}
		to = append(to, p)
	}
	return to
}

// rounded takes away what binary fractions add: 23.1 stays 23.1.
func rounded(v float64) float64 {
	if v == 0 || math.Abs(v) > 1e12 {
		return v
	}
	return math.Round(v*1e6) / 1e6
}

var ifStates = map[uint64]string{1: "up", 2: "down", 3: "testing", 4: "unknown", 5: "dormant", 6: "notPresent", 7: "lowerLayerDown"}

// interfaces makes the interfaces of ifTable's rows.
func (t *table) interfaces() []Interface {
	at := map[string]int{}
	for k := range t.fast {
		at[t.nameOf(k)] = k
	}
	slow := map[string]int{}
	for i, s := range t.static {
		if s.cell == nil {
			slow[t.def.Columns[s.column].Metric] = i
		}
	}
	var all []Interface
	for _, r := range t.ordered() {
		fast := func(names ...string) *uint64 {
			for _, n := range names {
				if k, ok := at[n]; ok && r.values[k].kind != 0 {
					v := r.values[k].number
					return &v
				}
			}
			return nil
		}
		text := func(name string) string {
			if i, ok := t.staticAt[name]; ok {
				return r.static[i]
			}
			if i, ok := slow[name]; ok {
				return r.static[i]
			}
			return ""
		}
		all = append(all, interfaceOf(r.index, fast, text))
	}
	return all
}

func interfaceOf(index string, fast func(...string) *uint64, text func(string) string) Interface {
	i := Interface{
		Name: text("ifName"), Descr: text("ifDescr"), Alias: text("ifAlias"), MAC: text("ifPhysAddress"),
		InOctets: fast("ifHCInOctets", "ifInOctets"), OutOctets: fast("ifHCOutOctets", "ifOutOctets"),
		InErrors: fast("ifInErrors"), OutErrors: fast("ifOutErrors"), Type: parsed(text("ifType_info")), MTU: parsed(text("ifMtu")),
	}
	if n := parsed(index); n != nil {
		i.Index = int(*n)
	}
	if s := fast("ifAdminStatus"); s != nil {
		i.Admin = ifStates[*s]
	}
	if s := fast("ifOperStatus"); s != nil {
		i.Oper = ifStates[*s]
	}
	speed, high := fast("ifSpeed"), fast("ifHighSpeed")
	if high != nil && *high > 0 && (speed == nil || *speed == 0 || *speed >= math.MaxUint32-1 || *high >= 1000) {
		bps := *high * 1_000_000
		speed = &bps
	}
	i.Speed = speed
	return i
}

func parsed(text string) *uint64 {
	var n uint64
	if _, err := fmt.Sscan(strings.TrimSpace(text), &n); err != nil {
		return nil
	}
	return &n
}
