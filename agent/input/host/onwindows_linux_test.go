package host

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shirou/gopsutil/v3/cpu"
	"github.com/shirou/gopsutil/v3/disk"
	"github.com/shirou/gopsutil/v3/load"
)

// standIn is a Windows that says what tests put into it.
type standIn struct {
	objects   map[string]map[string][]rawValue // object → instance → values of all counters asked, the last repeated
	asked     map[string][]string
	services  []windowsService
	processes map[int]spent
	memory    [2]uint64
	pending   bool
}

func (s *standIn) Counters(object string, _ bool, counters []string) ([]instanceValues, error) {
	if s.asked == nil {
		s.asked = map[string][]string{}
	}
	s.asked[object] = counters
	found, there := s.objects[object]
	if !there {
		return nil, fs.ErrNotExist
	}
	var out []instanceValues
	for name, values := range found {
		in := instanceValues{name: name}
		for i := range counters {
			in.values = append(in.values, values[min(i, len(values)-1)])
		}
		out = append(out, in)
	}
	return out, nil
}

func (s *standIn) Services() ([]windowsService, error) { return s.services, nil }

func (s *standIn) Adapters() ([]windowsAdapter, error) {
	return []windowsAdapter{{description: "Intel(R) 82574L #2", friendly: "以太网", mac: "00:11:22:33:44:55", status: "up", addresses: [][2]string{{"10.0.0.7", "ipv4"}}}}, nil
}

func (s *standIn) OS() (windowsOS, error) {
	return windowsOS{product: "Windows Server 2022 Standard", version: "10.0.20348", major: "10", minor: "0", build: "20348", revision: "2402", installation: "Server", hostname: "erp", fqdn: "erp.branch", domain: "branch", installed: 1700000000}, nil
}
func (s *standIn) RebootPending() (bool, error)            { return s.pending, nil }
func (s *standIn) Processes() (map[int]spent, error)       { return s.processes, nil }
func (s *standIn) Memory() (total, free uint64, err error) { return s.memory[0], s.memory[1], nil }

// drives is a system whose C: is half full.
type drives struct{}

func (drives) Processors(context.Context) ([]cpu.TimesStat, error)       { return nil, nil }
func (drives) FileSystems(context.Context) ([]disk.PartitionStat, error) { return nil, nil }
func (drives) Load(context.Context) (*load.AvgStat, error)               { return &load.AvgStat{}, nil }
func (drives) Usage(_ context.Context, path string) (*disk.UsageStat, error) {
	if path != `C:\` {
		return nil, errors.New("no such drive: " + path)
	}
	return &disk.UsageStat{Total: 1000, Free: 500}, nil
}

// poll runs what is measured on Windows once and returns series and the collectors
// that this one does not have.
func poll(t *testing.T, all []collector, now time.Time) (recorder, string) {
	t.Helper()
	r, buf, missing := recorder{}, make([]byte, 16), []string(nil)
	for _, c := range all {
		e := &emitter{sink: r, cache: newLabelCache(), buf: &buf, now: func() time.Time { return now }}
		err := c.read(context.Background(), e)
		if errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, c.name)
		} else if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	return r, strings.Join(missing, " ")
}

// Every counter of the table becomes one series under a name of windows_exporter's
// form, and no two become the same.
func TestWindowsTable(t *testing.T) {
	s := &standIn{objects: map[string]map[string][]rawValue{}}
	form := regexp.MustCompile(`^windows_(cpu|memory|logical_disk|physical_disk|net|system|tcp|thermalzone|time)_[a-z_0-9]+$`)
	want := 0
	for _, o := range perfObjects() {
		name := ""
		if o.instances.label != "" {
			name = "0,0"
		}
		s.objects[o.object] = map[string][]rawValue{name: {{there: true, first: 1, second: 2}}}
		for _, c := range o.counters {
			want++
			if !form.MatchString(c.metric) {
				t.Errorf("%s is no name of windows_exporter", c.metric)
			}
		}
	}
	var all []collector
	for _, o := range perfObjects() {
		all = append(all, collector{o.collector, (&perfReader{windows: s, object: o, sys: drives{}}).read})
	}
	if r, missing := poll(t, all, time.Unix(1, 0)); len(r) != want+1 || missing != "" { // and the number of processors
		t.Errorf("%d series of %d counters, missing %q", len(r), want, missing)
	}
	for object, names := range s.asked {
		seen := map[string]bool{}
		for _, n := range names {
			if seen[n] {
				t.Errorf("%s: %s is asked twice", object, n)
			}
			seen[n] = true
		}
	}
}

func TestWindowsSeries(t *testing.T) {
	raw := func(first, second int64) rawValue { return rawValue{true, first, second} }
	s := &standIn{memory: [2]uint64{1000, 400}, pending: true, objects: map[string]map[string][]rawValue{
		"Processor Information": {"0,0": {raw(0, 0), raw(0, 0), raw(0, 0), raw(0, 0), {}, {}, raw(70, 7), raw(80, 8), {}, raw(5e7, 0), raw(9e9, 0), {}}, "0,_Total": {raw(1, 1)}, "_Total": {raw(1, 1)}},
		"LogicalDisk":           {"C:": {raw(3, 0)}, "HarddiskVolume1": {raw(40, 100)}, "_Total": {raw(1, 1)}},
		"PhysicalDisk":          {"0 C: D:": {raw(2e7, 0)}},
		"System":                {"": {raw(epochs+17*1e7, 0)}},
		"Windows Time Service":  {"": {raw(2500, 0)}},
		"Paging File":           {`\??\C:\pagefile.sys`: {raw(25, 100)}, "_Total": {raw(1, 1)}},
		"Network Interface":     {"vmxnet3": {raw(8000, 0)}},
	}, services: []windowsService{{"W32Time", "Windows Time", "NT AUTHORITY\\LocalService", "manual", "running"}}}
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	all := onWindows(s, drives{})
	r, missing := poll(t, all, now)
	if missing != "windows_memory windows_tcp windows_tcp6 windows_thermalzone processes" {
		t.Errorf("missing: %s", missing)
	}
	page := float64(os.Getpagesize())
	want := recorder{
		"windows_cpu_time_total{core=0,0,mode=dpc}":                                         5,
		"windows_cpu_time_total{core=0,0,mode=idle}":                                        900,
		"windows_cpu_processor_performance_total{core=0,0}":                                 70,
		"windows_cpu_processor_mperf_total{core=0,0}":                                       7,
		"windows_cpu_logical_processor":                                                     1,
		"windows_logical_disk_free_bytes{volume=C:}":                                        500,
		"windows_logical_disk_size_bytes{volume=C:}":                                        1000,
		"windows_logical_disk_free_bytes{volume=HarddiskVolume1}":                           40 << 20,
		"windows_logical_disk_size_bytes{volume=HarddiskVolume1}":                           100 << 20,
		"windows_physical_disk_idle_seconds_total{disk=0}":                                  2,
		"windows_system_boot_time_timestamp_seconds":                                        17,
		"windows_time_computed_time_offset_seconds":                                         0.0025,
		"windows_pagefile_limit_bytes{file=C:\\pagefile.sys}":                               100 * page,
		"windows_pagefile_free_bytes{file=C:\\pagefile.sys}":                                75 * page,
		"windows_net_current_bandwidth_bytes{nic=vmxnet3}":                                  1000,
		"windows_service_state{name=W32Time,state=running}":                                 1,
		"windows_service_state{name=W32Time,state=stopped}":                                 0,
		"windows_service_start_mode{name=W32Time,start_mode=manual}":                        1,
		"windows_net_nic_operation_status{nic=Intel[R] 82574L _2,status=up}":                1,
		"windows_net_nic_address_info{address=10.0.0.7,family=ipv4,nic=Intel[R] 82574L _2}": 1,
		"windows_os_hostname{domain=branch,fqdn=erp.branch,hostname=erp}":                   1,
		"windows_os_install_time_timestamp_seconds":                                         1700000000,
		"windows_memory_physical_total_bytes":                                               1000,
		"windows_memory_physical_free_bytes":                                                400,
		"windows_time_current_timestamp_seconds":                                            float64(now.Unix()),
		"node_reboot_required":                                                              1,
	}
	got := recorder{}
	for name := range want {
		if v, there := r[name]; there {
			got[name] = v
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("series (-want +got):\n%s", d)
	}
	for name := range r {
		if strings.Contains(name, "_Total") {
			t.Errorf("a sum is told as one: %s", name)
		}
		if strings.HasPrefix(name, "windows_cpu_parking_status") {
			t.Errorf("a counter that is not there is told: %s", name)
		}
	}
}

// A service that changed is told at once, others once a minute.
func TestWindowsServicesPace(t *testing.T) {
	s := &standIn{services: []windowsService{{name: "a", state: "running"}, {name: "b", state: "running"}}}
	read := (&windowsServices{windows: s}).read
	at := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	told := func(after time.Duration) (out string) {
		r, _ := poll(t, []collector{{"s", read}}, at.Add(after))
		for _, n := range []string{"a", "b"} {
			if _, there := r["windows_service_state{name="+n+",state=stopped}"]; there {
				out += n
			}
		}
		return out
	}
	first, second := told(0), told(10*time.Second)
	s.services = []windowsService{{name: "a", state: "stopped"}, {name: "b", state: "running"}}
	third, fourth := told(20*time.Second), told(61*time.Second)
	if first != "ab" || second != "" || third != "a" || fourth != "ab" {
		t.Errorf("told %q, %q, %q, %q", first, second, third, fourth)
	}
}

// Who uses the processors is told while they are scarce; the idle process is nobody.
func TestWindowsProcesses(t *testing.T) {
	s := &standIn{memory: [2]uint64{1000, 900}, processes: map[int]spent{0: {ticks: 100}, 4: {name: "sqlservr.exe", ticks: 50, bytes: 10}}}
	read := (&windowsProcesses{windows: s}).read
	at := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	if r, missing := poll(t, []collector{{"p", read}}, at); missing != "p" || len(r) != 0 {
		t.Errorf("the first look tells %v", r)
	}
	next := func(idle, busy float64) (recorder, string) {
		s.processes = map[int]spent{0: {ticks: s.processes[0].ticks + idle}, 4: {name: "sqlservr.exe", ticks: s.processes[4].ticks + busy, bytes: 10}}
		at = at.Add(10 * time.Second)
		return poll(t, []collector{{"p", read}}, at)
	}
	if r, missing := next(900, 100); missing != "p" || len(r) != 0 {
		t.Errorf("a tenth in use: %v", r)
	}
	r, _ := next(200, 1800)
	if v := r["faultline_process_cpu_cores{process=sqlservr.exe}"]; v != 1.8 || len(r) != 2 {
		t.Errorf("nine tenths in use: %v", r)
	}
	s.memory[1] = 100
	if r, _ := next(1900, 100); r["faultline_process_resident_bytes{process=sqlservr.exe}"] != 10 {
		t.Errorf("memory is full: %v", r)
	}
}
