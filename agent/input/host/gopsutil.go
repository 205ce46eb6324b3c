package host

import (
	"context"

	"github.com/shirou/gopsutil/v3/cpu"
	"github.com/shirou/gopsutil/v3/disk"
	"github.com/shirou/gopsutil/v3/load"
)

// system is what gopsutil tells on every operating system.
type system interface {
	// Processors returns the times of every processor.
	Processors(ctx context.Context) ([]cpu.TimesStat, error)
	// FileSystems returns what is mounted.
	FileSystems(ctx context.Context) ([]disk.PartitionStat, error)
	// Usage returns how full the file system at path is.
	Usage(ctx context.Context, path string) (*disk.UsageStat, error)
	// Load returns the load averages.
	Load(ctx context.Context) (*load.AvgStat, error)
}

// gopsutil is the system as github.com/shirou/gopsutil sees it.
type gopsutil struct{}

// Processors returns the times of every processor.
func (gopsutil) Processors(ctx context.Context) ([]cpu.TimesStat, error) {
	return cpu.TimesWithContext(ctx, true)
}

// FileSystems returns what is mounted, pseudo file systems included.
func (gopsutil) FileSystems(ctx context.Context) ([]disk.PartitionStat, error) {
	return disk.PartitionsWithContext(ctx, true)
}

// Usage returns how full the file system at path is.
func (gopsutil) Usage(ctx context.Context, path string) (*disk.UsageStat, error) {
	return disk.UsageWithContext(ctx, path)
}

// Load returns the load averages.
func (gopsutil) Load(ctx context.Context) (*load.AvgStat, error) {
	return load.AvgWithContext(ctx)
}
