package host

import (
	"context"
	"io/fs"
	"path/filepath"
	"strings"
)

// edacFiles are the counts of a memory controller and of its rows, as the kernel's
// EDAC drivers show them: corrected errors and those that could not be.
var edacFiles = []struct{ file, kind string }{{"ce", "correctable"}, {"ue", "uncorrectable"}}

// edac reads how often memory was wrong.
func (l *linux) edac(_ context.Context, e *emitter) error {
	controllers, err := filepath.Glob(l.sys("devices/system/edac/mc/mc[0-9]*"))
	if err != nil || len(controllers) == 0 {
		return fs.ErrNotExist
	}
	for _, dir := range controllers {
		controller := strings.TrimPrefix(filepath.Base(dir), "mc")
		rows, err := filepath.Glob(dir + "/csrow[0-9]*")
		if err != nil {
			return err
		}
		for _, f := range edacFiles {
			put := func(path, name string, labels ...string) {
				if v, ok := e.number(path); ok {
					e.put(name+"_"+f.kind+"_errors_total", v, append([]string{"controller", controller}, labels...)...)
				}
			}
			put(dir+"/"+f.file+"_count", "node_edac")
			put(dir+"/"+f.file+"_noinfo_count", "node_edac_csrow", "csrow", "unknown")
			for _, row := range rows {
				put(row+"/"+f.file+"_count", "node_edac_csrow", "csrow", strings.TrimPrefix(filepath.Base(row), "csrow"))
			}
		}
	}
	return nil
}
