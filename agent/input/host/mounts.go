package host

import (
	"cmp"
	"slices"
	"strings"

	"github.com/shirou/gopsutil/v3/disk"
)

// mountedAgain are the mount points, of those that are measured, at which a file
// system is that another of them shows too: bind mounts, subvolumes that share their
// room, a device mounted twice. One of each file system is not among them: one that
// shows its root rather than a part of it, else the shortest, so that it stays the
// same from poll to poll. What has no device of its own (tmpfs) cannot be told apart
// by name and is never among them.
func mountedAgain(parts []disk.PartitionStat) map[string]bool {
	byDevice := map[string][]disk.PartitionStat{}
	for _, p := range parts {
		if strings.ContainsAny(p.Device, `/\`) && measured(p) {
			key := p.Device + "\x00" + p.Fstype
			byDevice[key] = append(byDevice[key], p)
		}
	}
	again := map[string]bool{}
	for _, same := range byDevice {
		first := slices.MinFunc(same, func(a, b disk.PartitionStat) int {
			return cmp.Or(cmp.Compare(part(a), part(b)), cmp.Compare(len(a.Mountpoint), len(b.Mountpoint)), strings.Compare(a.Mountpoint, b.Mountpoint))
		})
		for _, p := range same {
			if p.Mountpoint != first.Mountpoint {
				again[p.Mountpoint] = true
			}
		}
	}
	return again
}

// part is 1 for a mount that shows a part of its file system only.
func part(p disk.PartitionStat) int {
	if slices.Contains(p.Opts, "bind") { // package disk says so of mountinfo's root
		return 1
	}
	return 0
}

// measured tells whether a mount is told at all.
func measured(p disk.PartitionStat) bool {
	return !skipMounts.MatchString(p.Mountpoint) && !skipTypes.MatchString(p.Fstype)
}
