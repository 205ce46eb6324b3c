package host

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strconv"
	"time"
	"unsafe"

	"github.com/shirou/gopsutil/v3/mem"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// winapi is Windows by its interfaces. Written after Microsoft's documentation and
// tried on no Windows (docs/support.md).
type winapi struct {
	queries  map[string]*pdhQuery // by object
	services map[string]serviceConfig
}

func newWinapi() *winapi {
	return &winapi{queries: map[string]*pdhQuery{}, services: map[string]serviceConfig{}}
}

// Counters reads an object of performance counters.
func (w *winapi) Counters(object string, instances bool, counters []string) ([]instanceValues, error) {
	q := w.queries[object]
	if q == nil {
		var err error
		if q, err = openQuery(object, instances, counters); err != nil {
			return nil, err
		}
		w.queries[object] = q
	}
	return q.read()
}

// serviceConfig is what seldom changes of a service, and when it was read.
type serviceConfig struct {
	account, startMode string
	at                 time.Time
}

// configPace is how often a service's configuration is read again.
const configPace = 10 * time.Minute

// Services lists the services that are no drivers.
func (w *winapi) Services() ([]windowsService, error) {
	manager, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_ENUMERATE_SERVICE)
	if err != nil {
		return nil, fmt.Errorf("service manager: %w", err)
	}
	defer func() { _ = windows.CloseServiceHandle(manager) }()
	buf := make([]byte, 64<<10)
	var n, needed uint32
	for {
		err = windows.EnumServicesStatusEx(manager, windows.SC_STATUS_PROCESS_INFO, windows.SERVICE_WIN32, windows.SERVICE_STATE_ALL,
			&buf[0], uint32(len(buf)), &needed, &n, nil, nil)
		if err == nil {
			break
		}
		if !errors.Is(err, windows.ERROR_MORE_DATA) || len(buf) > 8<<20 {
			return nil, fmt.Errorf("list services: %w", err)
		}
		buf = make([]byte, len(buf)+int(needed)) // needed is what is left, not all
	}
	if n == 0 {
		return nil, nil
	}
	now := time.Now()
	out := make([]windowsService, 0, n)
	for _, s := range unsafe.Slice((*windows.ENUM_SERVICE_STATUS_PROCESS)(unsafe.Pointer(&buf[0])), n) {
		name := windows.UTF16PtrToString(s.ServiceName)
		c, known := w.services[name]
		if !known || now.Sub(c.at) >= configPace {
			c = readConfig(manager, s.ServiceName)
			c.at = now
			w.services[name] = c
		}
		out = append(out, windowsService{name: name, display: windows.UTF16PtrToString(s.DisplayName), account: c.account, startMode: c.startMode, state: serviceState(s.ServiceStatusProcess.CurrentState)})
	}
	if len(w.services) > 2*len(out) { // services of a session have a new name at each
		clear(w.services)
	}
	return out, nil
}

func serviceState(code uint32) string {
	switch code {
	case windows.SERVICE_CONTINUE_PENDING:
		return "continue pending"
	case windows.SERVICE_PAUSE_PENDING:
		return "pause pending"
	case windows.SERVICE_PAUSED:
		return "paused"
	case windows.SERVICE_RUNNING:
		return "running"
	case windows.SERVICE_START_PENDING:
		return "start pending"
	case windows.SERVICE_STOP_PENDING:
		return "stop pending"
	}
	return "stopped"
}

// readConfig reads how a service starts; what may not be read stays empty.
func readConfig(manager windows.Handle, name *uint16) (c serviceConfig) {
	s, err := windows.OpenService(manager, name, windows.SERVICE_QUERY_CONFIG)
	if err != nil {
		return c
	}
	defer func() { _ = windows.CloseServiceHandle(s) }()
	const most = 8 << 10 // the documented largest
	buf := make([]byte, most)
	var needed uint32
	config := (*windows.QUERY_SERVICE_CONFIG)(unsafe.Pointer(&buf[0]))
	if err := windows.QueryServiceConfig(s, config, most, &needed); err != nil {
		return c
	}
	if config.ServiceStartName != nil {
		c.account = windows.UTF16PtrToString(config.ServiceStartName)
	}
	c.startMode = map[uint32]string{windows.SERVICE_AUTO_START: "auto", windows.SERVICE_BOOT_START: "boot", windows.SERVICE_DEMAND_START: "manual",
		windows.SERVICE_DISABLED: "disabled", windows.SERVICE_SYSTEM_START: "system"}[config.StartType]
	return c
}

// Adapters lists the network adapters with their addresses.
func (w *winapi) Adapters() ([]windowsAdapter, error) {
	const flags = windows.GAA_FLAG_SKIP_MULTICAST | windows.GAA_FLAG_SKIP_DNS_SERVER
	size := uint32(15 << 10) // the documented start
	for {
		buf := make([]byte, size)
		first := (*windows.IpAdapterAddresses)(unsafe.Pointer(&buf[0]))
		err := windows.GetAdaptersAddresses(windows.AF_UNSPEC, flags, 0, first, &size)
		if errors.Is(err, windows.ERROR_BUFFER_OVERFLOW) && int(size) > len(buf) && size < 8<<20 {
			continue
		}
		if errors.Is(err, windows.ERROR_NO_DATA) {
			return nil, fs.ErrNotExist
		}
		if err != nil {
			return nil, fmt.Errorf("network adapters: %w", err)
		}
		var out []windowsAdapter
		for a := first; a != nil; a = a.Next {
			out = append(out, adapterOf(a))
		}
		return out, nil
	}
}

func adapterOf(a *windows.IpAdapterAddresses) windowsAdapter {
	out := windowsAdapter{description: windows.UTF16PtrToString(a.Description), friendly: windows.UTF16PtrToString(a.FriendlyName), status: "unknown"}
	if i := int(a.OperStatus) - 1; i >= 0 && i < len(adapterStates) {
		out.status = adapterStates[i]
	}
	for i, b := range a.PhysicalAddress[:min(int(a.PhysicalAddressLength), 6)] {
		if i > 0 {
			out.mac += ":"
		}
		out.mac += fmt.Sprintf("%02X", b)
	}
	for u := a.FirstUnicastAddress; u != nil; u = u.Next {
		ip := u.Address.IP()
		if ip == nil || !ip.IsGlobalUnicast() {
			continue
		}
		out.addresses = append(out.addresses, [2]string{ip.String(), family(ip)})
	}
	return out
}

func family(ip net.IP) string {
	if ip.To4() != nil {
		return "ipv4"
	}
	return "ipv6"
}

// OS says what runs, from the registry.
func (w *winapi) OS() (windowsOS, error) {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, `SOFTWARE\Microsoft\Windows NT\CurrentVersion`, registry.QUERY_VALUE)
	if err != nil {
		return windowsOS{}, fmt.Errorf("registry: %w", err)
	}
	defer func() { _ = k.Close() }()
	text := func(name string) string { v, _, _ := k.GetStringValue(name); return v }
	number := func(name string) uint64 { v, _, _ := k.GetIntegerValue(name); return v }
	v := windows.RtlGetVersion()
	o := windowsOS{product: text("ProductName"), installation: text("InstallationType"), revision: strconv.FormatUint(number("UBR"), 10), installed: int64(number("InstallDate")),
		major: strconv.Itoa(int(v.MajorVersion)), minor: strconv.Itoa(int(v.MinorVersion)), build: strconv.Itoa(int(v.BuildNumber))}
	o.version = o.major + "." + o.minor + "." + o.build
	o.hostname, o.domain, o.fqdn = computerName(windows.ComputerNameDnsHostname), computerName(windows.ComputerNameDnsDomain), computerName(windows.ComputerNameDnsFullyQualified)
	return o, nil
}

func computerName(kind uint32) string {
	var buf [512]uint16
	n := uint32(len(buf))
	if windows.GetComputerNameEx(kind, &buf[0], &n) != nil {
		return ""
	}
	return windows.UTF16ToString(buf[:n])
}

// RebootPending asks the two places where Windows' own updates say so.
func (w *winapi) RebootPending() (bool, error) {
	for _, path := range [...]string{
		`SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending`,
		`SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\RebootRequired`,
	} {
		k, err := registry.OpenKey(registry.LOCAL_MACHINE, path, registry.QUERY_VALUE)
		if err == nil {
			return true, k.Close()
		}
		if !errors.Is(err, registry.ErrNotExist) {
			return false, fmt.Errorf("registry: %w", err)
		}
	}
	return false, nil
}

// Processes lists all processes in one call.
func (w *winapi) Processes() (map[int]spent, error) {
	size := uint32(256 << 10)
	for {
		buf := make([]byte, size)
		err := windows.NtQuerySystemInformation(windows.SystemProcessInformation, unsafe.Pointer(&buf[0]), uint32(len(buf)), &size)
		if errors.Is(err, windows.STATUS_INFO_LENGTH_MISMATCH) && size < 64<<20 {
			size = max(size, uint32(len(buf))) + 64<<10 // processes come meanwhile
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("processes: %w", err)
		}
		return spentOf(buf), nil
	}
}

func spentOf(buf []byte) map[int]spent {
	out := map[int]spent{}
	for at := 0; at+int(unsafe.Sizeof(windows.SYSTEM_PROCESS_INFORMATION{})) <= len(buf); {
		p := (*windows.SYSTEM_PROCESS_INFORMATION)(unsafe.Pointer(&buf[at]))
		s := spent{name: p.ImageName.String(), started: uint64(p.CreateTime), ticks: float64(p.UserTime+p.KernelTime) * ticks * userHZ, bytes: float64(p.WorkingSetSize)}
		out[int(p.UniqueProcessID)] = s
		if p.NextEntryOffset == 0 {
			break
		}
		at += int(p.NextEntryOffset)
	}
	return out
}

// Memory is the physical memory.
func (w *winapi) Memory() (total, available uint64, err error) {
	m, err := mem.VirtualMemory()
	if err != nil {
		return 0, 0, err
	}
	return m.Total, m.Available, nil
}
