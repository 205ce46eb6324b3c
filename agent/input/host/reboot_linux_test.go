package host

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"time"
)

func TestReboot(t *testing.T) {
	collector := func(l *linux) func(context.Context, *emitter) error { return l.reboot }
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  float64
	}{
		{"waits for one", map[string]string{"etc/debian_version": "12.1\n", "run/reboot-required": "*** System restart required ***\n"}, 1},
		{"waits for none", map[string]string{"etc/debian_version": "12.1\n"}, 0},
	} {
		r, err := read(t, tc.files, time.Now(), collector)
		if v, ok := r["node_reboot_required"]; err != nil || !ok || v != tc.want {
			t.Errorf("%s: %v %v %v, want %v", tc.name, v, ok, err, tc.want)
		}
	}
	if r, err := read(t, map[string]string{"etc/openEuler-release": ""}, time.Now(), collector); !errors.Is(err, fs.ErrNotExist) || len(r) > 0 {
		t.Errorf("a system that leaves no such file: %v %v", r, err)
	}
}
