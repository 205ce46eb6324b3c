package host

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"
)

// rawValue is a performance counter as its provider keeps it.
type rawValue struct {
	there         bool
	first, second int64
}

// instanceValues are the raw values of one instance, in the order asked.
type instanceValues struct {
	name   string // "": the object has no instances
	values []rawValue
}

// windowsService is a service as the service manager knows it.
type windowsService struct {
	name, display, account, startMode, state string // as windows_exporter words them
}

// windowsAdapter is a network adapter.
type windowsAdapter struct {
	description, friendly, mac, status string
	addresses                          [][2]string // address and family
}

// windowsOS says what runs.
type windowsOS struct {
	product, version, major, minor, build, revision, installation string
	hostname, domain, fqdn                                        string
	installed                                                     int64 // Unix; 0: not known
}

// windowsSystem is what Windows tells besides what package gopsutil knows. Its
// methods are called one at a time. What this Windows does not have is an
// fs.ErrNotExist.
type windowsSystem interface {
	Counters(object string, instances bool, counters []string) ([]instanceValues, error)
	Services() ([]windowsService, error)
	Adapters() ([]windowsAdapter, error)
	OS() (windowsOS, error)
	RebootPending() (bool, error)
	Processes() (map[int]spent, error) // ticks of userHZ
	Memory() (total, available uint64, err error)
}

// Words of windows_exporter.
var (
	serviceStates     = [...]string{"continue pending", "pause pending", "paused", "running", "start pending", "stop pending", "stopped"}
	serviceStartModes = [...]string{"auto", "boot", "manual", "disabled", "system"}
	adapterStates     = [...]string{"up", "down", "testing", "unknown", "dormant", "not present", "lower layer down"}
)

// Names of volumes' sizes.
const (
	volumeFree = "windows_logical_disk_free_bytes"
	volumeSize = "windows_logical_disk_size_bytes"
)

// Paces of what seldom changes.
const (
	osPace       = 10 * time.Minute
	mostServices = 1000
)

// epochs is how many 100 ns lie between 1601 and 1970, of which Windows and Unix count.
const epochs = 116444736000000000

// onWindows returns what is measured on Windows besides portable, under the names
// of windows_exporter.
func onWindows(w windowsSystem, sys system) []collector {
	var out []collector
	for _, o := range perfObjects() {
		r := &perfReader{windows: w, object: o, sys: sys}
		out = append(out, collector{"windows_" + o.collector, r.read})
	}
	s := &windowsServices{windows: w}
	p := &windowsProcesses{windows: w}
	i := &windowsIdentity{windows: w}
	return append(out,
		collector{"windows_pagefile", (&pageFiles{windows: w}).read},
		collector{"windows_service", s.read},
		collector{"windows_nic", adapters(w)},
		collector{"windows_os", i.read},
		collector{"processes", p.read},
		collector{"reboot", rebootOf(w)},
	)
}

// perfReader tells an object of counters.
type perfReader struct {
	windows windowsSystem
	object  perfObject
	sys     system
	names   []string // of the counters asked, each once
	at      []int    // where the value of each counter of the object stands in them
	labels  []string
}

func (r *perfReader) read(ctx context.Context, e *emitter) error {
	if r.names == nil {
		at := map[string]int{}
		for _, c := range r.object.counters {
			i, known := at[c.counter]
			if !known {
				i = len(r.names)
				at[c.counter], r.names = i, append(r.names, c.counter)
			}
			r.at = append(r.at, i)
		}
	}
	found, err := r.windows.Counters(r.object.object, r.object.instances.label != "", r.names)
	if err != nil {
		return err
	}
	processors := 0
	for _, in := range found {
		r.labels = append(r.labels[:0], r.object.fixed...)
		if l := r.object.instances.label; l != "" {
			name := r.object.instances.name(in.name)
			if name == "" || strings.HasSuffix(name, "_Total") {
				continue
			}
			r.labels = append(r.labels, l, name)
		}
		processors++
		r.tell(ctx, e, in)
	}
	if r.object.collector == "cpu" {
		e.put("windows_cpu_logical_processor", float64(processors))
	}
	return nil
}

func (r *perfReader) tell(ctx context.Context, e *emitter, in instanceValues) {
	for i, c := range r.object.counters {
		raw := in.values[r.at[i]]
		if !raw.there {
			continue
		}
		n := raw.first
		if c.second {
			n = raw.second
		}
		v := float64(n)*cmp.Or(c.scale, 1) + c.offset
		if c.since {
			v = float64(n-epochs) * ticks
		}
		if c.metric == volumeFree || c.metric == volumeSize {
			v = r.volume(ctx, in.name, c.metric, v)
		}
		e.put(c.metric, v, append(r.labels, c.labels...)...)
	}
}

// volume is the size of a drive with a letter as its file system says it; otherwise
// is the counter's.
func (r *perfReader) volume(ctx context.Context, name, metric string, otherwise float64) float64 {
	if len(name) != 2 || name[1] != ':' {
		return otherwise
	}
	u, err := r.sys.Usage(ctx, name+`\`)
	switch {
	case err != nil:
		return otherwise
	case metric == volumeFree:
		return float64(u.Free)
	}
	return float64(u.Total)
}

// diskNumber is the number of a physical disk, of "0 C: D:".
func diskNumber(name string) string {
	n, _, _ := strings.Cut(name, " ")
	return n
}

// pageFiles tells the files that memory is paged to. Their counter says pages used;
// how many there are is the file's size.
type pageFiles struct{ windows windowsSystem }

func (p *pageFiles) read(_ context.Context, e *emitter) error {
	found, err := p.windows.Counters("Paging File", true, []string{"% Usage"})
	if err != nil {
		return err
	}
	for _, in := range found {
		if strings.HasSuffix(in.name, "_Total") || !in.values[0].there {
			continue
		}
		file := strings.TrimPrefix(in.name, `\??\`)
		size := float64(in.values[0].second) * float64(os.Getpagesize())
		e.put("windows_pagefile_free_bytes", size-float64(in.values[0].first)*float64(os.Getpagesize()), "file", file)
		e.put("windows_pagefile_limit_bytes", size, "file", file)
	}
	return nil
}

// windowsServices tells services: one that changed at once, all once a minute, as
// units of systemd are.
type windowsServices struct {
	windows windowsSystem
	last    map[string]windowsService
	told    time.Time
}

func (s *windowsServices) read(_ context.Context, e *emitter) error {
	found, err := s.windows.Services()
	if err != nil {
		s.last = nil
		return err
	}
	now := e.now()
	all := s.last == nil || now.Sub(s.told) >= unitsPace || now.Before(s.told)
	if all {
		s.told = now
	}
	was := s.last
	s.last = make(map[string]windowsService, len(found))
	for _, v := range found[:min(len(found), mostServices)] {
		s.last[v.name] = v
		if before, known := was[v.name]; !all && known && before == v {
			continue
		}
		for _, state := range serviceStates {
			e.put("windows_service_state", truth(state == v.state), "name", v.name, "state", state)
		}
		for _, mode := range serviceStartModes {
			e.put("windows_service_start_mode", truth(mode == v.startMode), "name", v.name, "start_mode", mode)
		}
		e.put("windows_service_info", 1, "display_name", v.display, "name", v.name, "run_as", v.account)
	}
	return nil
}

// adapters tells network adapters under the names that the counters of "Network
// Interface" have for them.
func adapters(w windowsSystem) func(context.Context, *emitter) error {
	counterName := strings.NewReplacer("(", "[", ")", "]", "#", "_", "/", "_", `\`, "_")
	return func(_ context.Context, e *emitter) error {
		found, err := w.Adapters()
		if err != nil {
			return err
		}
		for _, a := range found {
			nic := counterName.Replace(a.description)
			e.put("windows_net_nic_info", 1, "friendly_name", a.friendly, "mac", a.mac, "nic", nic)
			for _, status := range adapterStates {
				e.put("windows_net_nic_operation_status", truth(status == a.status), "nic", nic, "status", status)
			}
			for _, addr := range a.addresses {
				e.put("windows_net_nic_address_info", 1, "address", addr[0], "family", addr[1], "nic", nic)
			}
		}
		return nil
	}
}

// windowsIdentity tells what runs and what time it thinks it is; what the registry
// says of it is read again now and then.
type windowsIdentity struct {
	windows windowsSystem
	os      windowsOS
	at      time.Time
}

func (i *windowsIdentity) read(_ context.Context, e *emitter) error {
	now := e.now()
	total, available, err := i.windows.Memory()
	if err == nil {
		e.put("windows_memory_physical_total_bytes", float64(total))
		e.put("windows_memory_physical_free_bytes", float64(available))
	}
	if i.at.IsZero() || now.Sub(i.at) >= osPace {
		o, oerr := i.windows.OS()
		if oerr != nil {
			return errors.Join(err, oerr)
		}
		i.os, i.at = o, now
	}
	o := i.os
	e.put("windows_os_info", 1, "build_number", o.build, "installation_type", o.installation, "major_version", o.major, "minor_version", o.minor,
		"product", o.product, "revision", o.revision, "version", o.version)
	e.put("windows_os_hostname", 1, "domain", o.domain, "fqdn", o.fqdn, "hostname", o.hostname)
	if o.installed > 0 {
		e.put("windows_os_install_time_timestamp_seconds", float64(o.installed))
	}
	zone, _ := now.Zone()
	e.put("windows_time_current_timestamp_seconds", float64(now.UnixNano())/1e9)
	e.put("windows_time_timezone", 1, "timezone", zone)
	return err
}

func rebootOf(w windowsSystem) func(context.Context, *emitter) error {
	return func(_ context.Context, e *emitter) error {
		pending, err := w.RebootPending()
		if errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err == nil {
			e.put("node_reboot_required", truth(pending))
		}
		return err
	}
}

// windowsProcesses tells by name who uses the processors and the memory while they
// are scarce, as processes does on Linux. One call lists all processes; how busy the
// processors are is seen from the same list, by what is not the idle process'.
type windowsProcesses struct {
	windows windowsSystem
	last    map[int]spent
	lastAt  time.Time
}

// idlePID is the process whose time is nobody's.
const idlePID = 0

func (p *windowsProcesses) read(_ context.Context, e *emitter) error {
	now, err := p.windows.Processes()
	if err != nil {
		return err
	}
	at := e.now()
	was, seconds := p.last, at.Sub(p.lastAt).Seconds()
	idle := now[idlePID].ticks - was[idlePID].ticks
	p.last, p.lastAt = now, at
	if was == nil || seconds <= 0 {
		return fs.ErrNotExist
	}
	total, available, err := p.windows.Memory()
	if err != nil {
		return err
	}
	cores, resident := byName(without(was), without(now), seconds)
	busy := 0.0
	for _, c := range cores {
		busy += c
	}
	if share := busy / (busy + idle/userHZ/seconds); share <= busyFrom && float64(total-available) <= fullFrom*float64(total) {
		return fs.ErrNotExist
	}
	for _, name := range leading(cores, leastCores) {
		e.put("faultline_process_cpu_cores", cores[name], "process", name)
	}
	for _, name := range leading(resident, 1) {
		e.put("faultline_process_resident_bytes", resident[name], "process", name)
	}
	return nil
}

// without is the list without the idle process.
func without(all map[int]spent) map[int]spent {
	out := make(map[int]spent, len(all))
	for pid, s := range all {
		if pid != idlePID {
			out[pid] = s
		}
	}
	return out
}
