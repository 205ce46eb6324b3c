package host

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/shirou/gopsutil/v3/disk"
)

func TestMountedAgain(t *testing.T) {
	mount := func(device, fstype, point string, opts ...string) disk.PartitionStat {
		return disk.PartitionStat{Device: device, Fstype: fstype, Mountpoint: point, Opts: opts}
	}
	for _, c := range []struct {
		name  string
		parts []disk.PartitionStat
		want  string
	}{
		{"one mount of each", []disk.PartitionStat{mount("/dev/sda1", "ext4", "/"), mount("/dev/sda2", "ext4", "/var")}, ""},
		{"a part bound elsewhere", []disk.PartitionStat{mount("/dev/sda1", "ext4", "/srv", "rw", "bind"), mount("/dev/sda1", "ext4", "/var/data")}, "/srv"},
		{"the whole bound elsewhere", []disk.PartitionStat{mount("/dev/sda1", "ext4", "/mnt/root"), mount("/dev/sda1", "ext4", "/")}, "/mnt/root"},
		{"subvolumes", []disk.PartitionStat{mount("/dev/sda1", "btrfs", "/home", "bind"), mount("/dev/sda1", "btrfs", "/", "bind"), mount("/dev/sda1", "btrfs", "/opt", "bind")}, "/home /opt"},
		{"a container's view: parts only", []disk.PartitionStat{mount("/dev/vda", "ext4", "/etc/hosts", "bind"), mount("/dev/vda", "ext4", "/etc/hostname", "bind")}, "/etc/hostname"},
		{"a share", []disk.PartitionStat{mount("nas:/x", "nfs4", "/a"), mount("nas:/x", "nfs4", "/b")}, "/b"},
		{"memory has no device", []disk.PartitionStat{mount("tmpfs", "tmpfs", "/run"), mount("tmpfs", "tmpfs", "/tmp"), mount("tmpfs", "tmpfs", "/run/netns", "bind")}, ""},
		{"one that is not told is not the one that is judged", []disk.PartitionStat{mount("/dev/sda1", "ext4", "/dev/x"), mount("/dev/sda1", "ext4", "/data", "bind")}, ""},
		{"Windows", []disk.PartitionStat{mount("C:", "NTFS", "C:"), mount("D:", "NTFS", "D:")}, ""},
	} {
		if got := strings.Join(slices.Sorted(maps.Keys(mountedAgain(c.parts))), " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
