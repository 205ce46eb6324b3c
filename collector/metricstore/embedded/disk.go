package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
)

// ErrDiskFull is wrapped by errors of appends refused for want of space. The
// sender shall keep the samples and try again.
var ErrDiskFull = errors.New("disk full")

const (
	defaultMinFree = 256 << 20
	ballastName    = "ballast"
)

// disk stops the intake before the file system is full, because the engine
// cannot go on after a torn write. Its background work still needs room then:
// a ballast file is given up when others have used even the reserve.
type disk struct {
	dir     string
	minFree uint64
	ballast uint64 // size of the ballast file
	held    atomic.Bool
}

func newDisk(dir string, minFree uint64) *disk {
	d := &disk{dir: dir, minFree: minFree}
	_, total, ok := space(dir)
	if d.minFree == 0 && ok {
		d.minFree = min(defaultMinFree, total/10)
	}
	d.ballast = d.minFree / 4
	if info, err := os.Stat(d.path()); err == nil {
		d.held.Store(true)
		d.ballast = uint64(info.Size())
	}
	d.tend()
	return d
}

func (d *disk) path() string { return filepath.Join(d.dir, ballastName) }

// check returns an error when there is no room for samples.
func (d *disk) check() error {
	free, _, ok := space(d.dir)
	if !ok {
		return nil
	}
	need := d.minFree
	if !d.held.Load() {
		need += d.ballast
	}
	if free < need {
		return fmt.Errorf("%w: %d MiB free, %d MiB needed; free space on the file system of %s", ErrDiskFull, free>>20, need>>20, d.dir)
	}
	return nil
}

// tend gives the ballast up or takes it back. It is called from one goroutine.
func (d *disk) tend() {
	free, _, ok := space(d.dir)
	switch {
	case !ok:
	case d.held.Load() && free < d.minFree/2:
		if os.Remove(d.path()) == nil {
			d.held.Store(false)
		}
	case !d.held.Load() && free > d.minFree+2*d.ballast:
		if reserve(d.path(), int64(d.ballast)) == nil {
			d.held.Store(true)
			return
		}
		_ = os.Remove(d.path()) // what there is of it takes room for nothing
	}
}
