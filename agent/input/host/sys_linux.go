package host

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// sys joins a path below /sys.
func (l *linux) sys(path string) string { return l.opts.Sys + "/" + path }

// netInterface is what seldom changes of a network interface.
type netInterface struct {
	values  []float64 // by position in netclassNames; see has
	has     []bool
	address string
	brd     string
	duplex  string
	alias   string
	speed   float64 // Mbit/s; below 0: unknown
	read    uint64  // the poll that read it
}

// netclassNames are files of /sys/class/net that seldom change.
var netclassNames = []struct {
	file, name string
}{
	{"addr_assign_type", "node_network_address_assign_type"}, {"dev_id", "node_network_device_id"}, {"dormant", "node_network_dormant"},
	{"flags", "node_network_flags"}, {"ifindex", "node_network_iface_id"}, {"iflink", "node_network_iface_link"},
	{"link_mode", "node_network_iface_link_mode"}, {"mtu", "node_network_mtu_bytes"}, {"name_assign_type", "node_network_name_assign_type"},
	{"netdev_group", "node_network_net_dev_group"}, {"tx_queue_len", "node_network_transmit_queue_length"}, {"type", "node_network_protocol_type"},
}

// netclassEvery is after how many polls that is read again: some drivers take
// long to say their speed.
const netclassEvery = 12

func (l *linux) netclass(_ context.Context, e *emitter) error {
	entries, err := os.ReadDir(l.sys("class/net"))
	if err != nil {
		return err
	}
	if l.classes == nil {
		l.classes = map[string]*netInterface{}
	}
	for _, entry := range entries {
		device := entry.Name()
		dir := l.sys("class/net/" + device)
		flags, ok := e.number(dir + "/ifindex")
		if !ok || flags == 0 {
			continue // bonding_masters is a file
		}
		n := l.classes[device]
		if n == nil || n.read+netclassEvery <= e.cache.poll {
			n = readNetInterface(e, dir)
			l.classes[device] = n
		}
		l.putNetInterface(e, dir, device, n)
	}
	for device, n := range l.classes {
		if n.read+2*netclassEvery < e.cache.poll {
			delete(l.classes, device)
		}
	}
	return nil
}

func readNetInterface(e *emitter, dir string) *netInterface {
	n := &netInterface{read: e.cache.poll, values: make([]float64, len(netclassNames)), has: make([]bool, len(netclassNames)), speed: -1}
	for i, c := range netclassNames {
		s := e.line(dir + "/" + c.file)
		v, err := strconv.ParseInt(s, 0, 64)
		n.values[i], n.has[i] = float64(v), err == nil
	}
	n.address, n.brd = e.line(dir+"/address"), e.line(dir+"/broadcast")
	n.duplex, n.alias = e.line(dir+"/duplex"), e.line(dir+"/ifalias")
	if v, ok := e.number(dir + "/speed"); ok {
		n.speed = v
	}
	return n
}

func (l *linux) putNetInterface(e *emitter, dir, device string, n *netInterface) {
	for i, c := range netclassNames {
		if n.has[i] {
			e.put(c.name, n.values[i], "device", device)
		}
	}
	oper := e.line(dir + "/operstate")
	admin := "down"
	const iffUp = 1
	if flags, err := strconv.ParseInt(e.line(dir+"/flags"), 0, 64); err == nil && flags&iffUp != 0 {
		admin = "up"
	}
	e.put("node_network_info", 1, "address", n.address, "adminstate", admin, "broadcast", n.brd, "device", device,
		"duplex", n.duplex, "ifalias", n.alias, "operstate", oper)
	e.put("node_network_up", truth(oper == "up"), "device", device)
	if n.speed >= 0 {
		e.put("node_network_speed_bytes", n.speed*1e6/8, "device", device)
	}
	for _, c := range [...][2]string{
		{"carrier", "node_network_carrier"}, {"carrier_changes", "node_network_carrier_changes_total"},
		{"carrier_up_count", "node_network_carrier_up_changes_total"}, {"carrier_down_count", "node_network_carrier_down_changes_total"},
		{"statistics/rx_nohandler", "node_network_receive_nohandler_total"},
	} {
		if v, ok := e.number(dir + "/" + c[0]); ok {
			e.put(c[1], v, "device", device)
		}
	}
}

// bonding counts the slaves of bonds, and those with a link.
func (l *linux) bonding(_ context.Context, e *emitter) error {
	b, err := e.read(l.sys("class/net/bonding_masters"))
	if err != nil {
		return err
	}
	for _, master := range strings.Fields(string(b)) {
		slaves, active := strings.Fields(e.line(l.sys("class/net/"+master+"/bonding/slaves"))), 0
		for _, s := range slaves {
			if e.line(l.sys("class/net/"+master+"/lower_"+s+"/bonding_slave/mii_status")) == "up" {
				active++
			}
		}
		e.put("node_bonding_slaves", float64(len(slaves)), "master", master)
		e.put("node_bonding_active", float64(active), "master", master)
	}
	return nil
}

// mdadm reads the state of software RAID arrays.
func (l *linux) mdadm(_ context.Context, e *emitter) error {
	arrays, err := filepath.Glob(l.sys("block/md*/md"))
	if err != nil || len(arrays) == 0 {
		return fs.ErrNotExist
	}
	for _, dir := range arrays {
		device := filepath.Base(filepath.Dir(dir))
		required, ok := e.number(dir + "/raid_disks")
		if !ok {
			continue
		}
		e.put("node_md_disks_required", required, "device", device)
		members, _ := filepath.Glob(dir + "/dev-*/state")
		counts := map[string]float64{"active": 0, "failed": 0, "spare": 0}
		for _, m := range members {
			switch s := e.line(m); {
			case strings.Contains(s, "faulty"):
				counts["failed"]++
			case strings.Contains(s, "spare"):
				counts["spare"]++
			case strings.Contains(s, "in_sync"):
				counts["active"]++
			}
		}
		for state, n := range counts {
			e.put("node_md_disks", n, "device", device, "state", state)
		}
		state := arrayState(e.line(dir+"/array_state"), e.line(dir+"/sync_action"))
		for _, s := range arrayStates {
			e.put("node_md_state", truth(s == state), "device", device, "state", s)
		}
	}
	return nil
}

var arrayStates = []string{"active", "inactive", "check", "recovering", "resync"}

// arrayState is what an array does, in node_exporter's words.
func arrayState(state, action string) string {
	switch {
	case state == "inactive" || state == "clear":
		return "inactive"
	case action == "recover":
		return "recovering"
	case action == "check" || action == "resync":
		return action
	}
	return "active"
}

// hwmon reads temperatures, fans, voltages and power of the board's chips.
func (l *linux) hwmon(_ context.Context, e *emitter) error {
	chips, err := filepath.Glob(l.sys("class/hwmon/hwmon*"))
	if err != nil || len(chips) == 0 {
		return fs.ErrNotExist
	}
	for _, dir := range chips {
		chip := chipName(e, dir)
		if name := e.line(dir + "/name"); name != "" {
			e.put("node_hwmon_chip_names", 1, "chip", chip, "chip_name", name)
		}
		files, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, f := range files {
			putHwmon(e, dir, chip, f.Name())
		}
	}
	return nil
}

// chipName is the chip's place on its bus, which survives renumbering; hwmon
// numbers do not.
func chipName(e *emitter, dir string) string {
	if device, err := filepath.EvalSymlinks(dir + "/device"); err == nil {
		kind := ""
		if bus, err := filepath.EvalSymlinks(device + "/subsystem"); err == nil {
			kind = filepath.Base(bus)
		}
		return strings.ToLower(metricName(strings.Trim(kind+"_"+filepath.Base(device), "_")))
	}
	if name := e.line(dir + "/name"); name != "" {
		return strings.ToLower(metricName(name))
	}
	return filepath.Base(dir)
}

// hwmonUnits are the kinds of sensors: unit in the metric's name and factor.
var hwmonUnits = map[string]struct {
	unit   string
	factor float64
}{
	"temp": {"celsius", 1e-3}, "fan": {"rpm", 1}, "in": {"volts", 1e-3}, "curr": {"amps", 1e-3},
	"power": {"watt", 1e-6}, "energy": {"joule_total", 1e-6}, "humidity": {"", 1e-3},
}

// putHwmon hands over one file such as temp1_crit_alarm.
func putHwmon(e *emitter, dir, chip, file string) {
	digits := strings.IndexAny(file, "0123456789")
	if digits <= 0 {
		return
	}
	kind := file[:digits]
	rest := strings.TrimLeft(file[digits:], "0123456789")
	sensor := strings.TrimSuffix(file, rest)
	u, ok := hwmonUnits[kind]
	if !ok || !strings.HasPrefix(rest, "_") {
		return
	}
	property := rest[1:]
	if property == "label" {
		if text := e.line(dir + "/" + file); text != "" {
			e.put("node_hwmon_sensor_label", 1, "chip", chip, "label", text, "sensor", sensor)
		}
		return
	}
	v, ok := e.number(dir + "/" + file)
	if !ok {
		return
	}
	name := "node_hwmon_" + kind
	switch {
	case strings.HasSuffix(property, "alarm") || property == "fault" || property == "beep":
		e.put(name+"_"+property, v, "chip", chip, "sensor", sensor)
		if kind == "temp" && property == "crit_alarm" { // what node_exporter calls it, and published rules ask for
			e.put(name+"_crit_alarm_celsius", v, "chip", chip, "sensor", sensor)
		}
		return
	case property != "input" && property != "average":
		name += "_" + property
	case property == "average":
		name += "_average"
	}
	if u.unit != "" {
		name += "_" + u.unit
	}
	e.put(name, v*u.factor, "chip", chip, "sensor", sensor)
}

func (l *linux) thermal(_ context.Context, e *emitter) error {
	zones, err := filepath.Glob(l.sys("class/thermal/thermal_zone*"))
	if err != nil || len(zones) == 0 {
		return fs.ErrNotExist
	}
	for _, dir := range zones {
		if v, ok := e.number(dir + "/temp"); ok {
			e.put("node_thermal_zone_temp", v/1000, "type", e.line(dir+"/type"), "zone", strings.TrimPrefix(filepath.Base(dir), "thermal_zone"))
		}
	}
	return nil
}

// dmiFiles are the identity of the machine's hardware; serial numbers are only
// there for root.
var dmiFiles = []string{
	"bios_date", "bios_release", "bios_vendor", "bios_version", "board_asset_tag", "board_name", "board_serial", "board_vendor", "board_version",
	"chassis_asset_tag", "chassis_serial", "chassis_vendor", "chassis_version", "product_family", "product_name", "product_serial",
	"product_sku", "product_uuid", "product_version",
}

func (l *linux) dmi(_ context.Context, e *emitter) error {
	var pairs []string
	found := false
	add := func(label, file string) {
		value := e.line(l.sys("class/dmi/id/" + file))
		found = found || value != ""
		pairs = append(pairs, label, value)
	}
	for _, f := range dmiFiles {
		add(f, f)
	}
	add("system_vendor", "sys_vendor")
	if !found {
		return fs.ErrNotExist
	}
	e.put("node_dmi_info", 1, pairs...)
	return nil
}

func (l *linux) osRelease(_ context.Context, e *emitter) error {
	b, err := e.read(filepath.Join(l.opts.Root, "etc/os-release"))
	if errors.Is(err, fs.ErrNotExist) {
		b, err = e.read(filepath.Join(l.opts.Root, "usr/lib/os-release"))
	}
	if err != nil {
		return err
	}
	m := map[string]string{}
	for line := range strings.SplitSeq(string(b), "\n") {
		if k, v, ok := strings.Cut(line, "="); ok {
			if unquoted, err := strconv.Unquote(v); err == nil {
				v = unquoted
			}
			m[k] = strings.Trim(v, "'")
		}
	}
	e.put("node_os_info", 1, "build_id", m["BUILD_ID"], "id", m["ID"], "id_like", m["ID_LIKE"], "image_id", m["IMAGE_ID"],
		"image_version", m["IMAGE_VERSION"], "name", m["NAME"], "pretty_name", m["PRETTY_NAME"], "variant", m["VARIANT"],
		"variant_id", m["VARIANT_ID"], "version", m["VERSION"], "version_codename", m["VERSION_CODENAME"], "version_id", m["VERSION_ID"])
	version := m["VERSION_ID"]
	if parts := strings.SplitN(version, ".", 3); len(parts) == 3 {
		version = parts[0] + "." + parts[1]
	}
	if v, err := strconv.ParseFloat(version, 64); err == nil {
		e.put("node_os_version", v, "id", m["ID"], "id_like", m["ID_LIKE"], "name", m["NAME"])
	}
	return nil
}

func (l *linux) uname(_ context.Context, e *emitter) error {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err
	}
	e.put("node_uname_info", 1, "domainname", unix.ByteSliceToString(u.Domainname[:]), "machine", unix.ByteSliceToString(u.Machine[:]),
		"nodename", unix.ByteSliceToString(u.Nodename[:]), "release", unix.ByteSliceToString(u.Release[:]),
		"sysname", unix.ByteSliceToString(u.Sysname[:]), "version", unix.ByteSliceToString(u.Version[:]))
	return nil
}

// timex reads the kernel's clock discipline.
func (l *linux) timex(_ context.Context, e *emitter) error {
	const (
		nano      = 0x2000 // STA_NANO: offset in nanoseconds
		ppmFactor = 1e-6 / 65536
		micro     = 1e-6
		bad       = 5 // TIME_ERROR
	)
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return err
	}
	unit := micro
	if t.Status&nano != 0 {
		unit = 1e-9
	}
	e.put("node_timex_sync_status", truth(state != bad))
	for name, v := range map[string]float64{
		"node_timex_offset_seconds":               float64(t.Offset) * unit,
		"node_timex_frequency_adjustment_ratio":   1 + float64(t.Freq)*ppmFactor,
		"node_timex_maxerror_seconds":             float64(t.Maxerror) * micro,
		"node_timex_estimated_error_seconds":      float64(t.Esterror) * micro,
		"node_timex_status":                       float64(t.Status),
		"node_timex_loop_time_constant":           float64(t.Constant),
		"node_timex_tick_seconds":                 float64(t.Tick) * micro,
		"node_timex_pps_frequency_hertz":          float64(t.Ppsfreq) * ppmFactor,
		"node_timex_pps_jitter_seconds":           float64(t.Jitter) * unit,
		"node_timex_pps_shift_seconds":            float64(t.Shift),
		"node_timex_pps_stability_hertz":          float64(t.Stabil) * ppmFactor,
		"node_timex_pps_jitter_total":             float64(t.Jitcnt),
		"node_timex_pps_calibration_total":        float64(t.Calcnt),
		"node_timex_pps_error_total":              float64(t.Errcnt),
		"node_timex_pps_stability_exceeded_total": float64(t.Stbcnt),
		"node_timex_tai_offset_seconds":           float64(t.Tai),
	} {
		e.put(name, v)
	}
	return nil
}
