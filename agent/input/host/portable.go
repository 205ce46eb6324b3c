package host

import (
	"context"
	"strings"

	"github.com/shirou/gopsutil/v3/disk"
	"github.com/shirou/gopsutil/v3/host"
	"github.com/shirou/gopsutil/v3/mem"
	"github.com/shirou/gopsutil/v3/net"
)

// portable returns what gopsutil can measure on every operating system, under
// the same names.
func portable(sys system) []collector {
	f := &fileSystems{sys: sys, pending: map[string]bool{}}
	return []collector{
		{"cpu", cpuTimes(sys)},
		{"diskstats", diskCounters},
		{"filesystem", f.read},
		{"loadavg", loadAverages(sys)},
		{"meminfo", memory},
		{"netdev", netCounters},
		{"time", clock},
		{"uname", identity},
	}
}

func memory(ctx context.Context, e *emitter) error {
	m, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return err
	}
	e.put("node_memory_MemTotal_bytes", float64(m.Total))
	e.put("node_memory_MemAvailable_bytes", float64(m.Available))
	e.put("node_memory_MemFree_bytes", float64(m.Free))
	e.put("node_memory_Buffers_bytes", float64(m.Buffers))
	e.put("node_memory_Cached_bytes", float64(m.Cached))
	s, err := mem.SwapMemoryWithContext(ctx)
	if err != nil {
		return err
	}
	e.put("node_memory_SwapTotal_bytes", float64(s.Total))
	e.put("node_memory_SwapFree_bytes", float64(s.Free))
	return nil
}

func diskCounters(ctx context.Context, e *emitter) error {
	disks, err := disk.IOCountersWithContext(ctx)
	if err != nil {
		return err
	}
	for device, d := range disks {
		if skipDisks.MatchString(device) {
			continue
		}
		e.put("node_disk_reads_completed_total", float64(d.ReadCount), "device", device)
		e.put("node_disk_writes_completed_total", float64(d.WriteCount), "device", device)
		e.put("node_disk_read_bytes_total", float64(d.ReadBytes), "device", device)
		e.put("node_disk_written_bytes_total", float64(d.WriteBytes), "device", device)
		e.put("node_disk_read_time_seconds_total", float64(d.ReadTime)/1000, "device", device)
		e.put("node_disk_write_time_seconds_total", float64(d.WriteTime)/1000, "device", device)
		e.put("node_disk_io_time_seconds_total", float64(d.IoTime)/1000, "device", device)
	}
	return nil
}

func netCounters(ctx context.Context, e *emitter) error {
	nics, err := net.IOCountersWithContext(ctx, true)
	if err != nil {
		return err
	}
	for _, n := range nics {
		e.put("node_network_receive_bytes_total", float64(n.BytesRecv), "device", n.Name)
		e.put("node_network_transmit_bytes_total", float64(n.BytesSent), "device", n.Name)
		e.put("node_network_receive_packets_total", float64(n.PacketsRecv), "device", n.Name)
		e.put("node_network_transmit_packets_total", float64(n.PacketsSent), "device", n.Name)
		e.put("node_network_receive_errs_total", float64(n.Errin), "device", n.Name)
		e.put("node_network_transmit_errs_total", float64(n.Errout), "device", n.Name)
		e.put("node_network_receive_drop_total", float64(n.Dropin), "device", n.Name)
		e.put("node_network_transmit_drop_total", float64(n.Dropout), "device", n.Name)
	}
	interfaces, err := net.InterfacesWithContext(ctx)
	if err != nil {
		return err
	}
	for _, i := range interfaces {
		up := false
		for _, f := range i.Flags {
			up = up || f == "up"
		}
		e.put("node_network_up", truth(up), "device", i.Name)
		e.put("node_network_mtu_bytes", float64(i.MTU), "device", i.Name)
	}
	return nil
}

// identity names the machine and when it started.
func identity(ctx context.Context, e *emitter) error {
	h, err := host.InfoWithContext(ctx)
	if err != nil {
		return err
	}
	sysname := h.OS
	if sysname != "" {
		sysname = strings.ToUpper(sysname[:1]) + sysname[1:]
	}
	e.put("node_uname_info", 1, "machine", h.KernelArch, "nodename", h.Hostname, "release", h.KernelVersion, "sysname", sysname, "version", h.PlatformVersion)
	e.put("node_os_info", 1, "id", h.OS, "name", h.Platform, "pretty_name", strings.TrimSpace(h.Platform+" "+h.PlatformVersion), "version_id", h.PlatformVersion)
	e.put("node_boot_time_seconds", float64(h.BootTime))
	return nil
}
