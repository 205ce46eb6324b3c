package host_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/input/host"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// sink keeps what the input finds.
type sink struct{ samples []base.Sample }

func (s *sink) Sample(sm base.Sample) { s.samples = append(s.samples, sm) }

// Block keeps the block's samples one by one.
func (s *sink) Block(b base.Block) {
	for sm := range b.Samples() {
		s.Sample(sm)
	}
}

func (s *sink) Event(base.Event) {}

func (s *sink) find(name string, pairs ...string) []base.Sample {
	var found []base.Sample
next:
	for _, sm := range s.samples {
		if sm.Labels.Name() != name {
			continue
		}
		for i := 0; i < len(pairs); i += 2 {
			if sm.Labels.Get(pairs[i]) != pairs[i+1] {
				continue next
			}
		}
		found = append(found, sm)
	}
	return found
}

func gather(t testing.TB, in *host.Input) *sink {
	t.Helper()
	s := &sink{}
	if err := in.Gather(context.Background(), base.Target{ID: "host"}, s); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, sm := range s.samples {
		key := fmt.Sprint(sm.Labels)
		if seen[key] {
			t.Errorf("series is there twice: %s", key)
		}
		seen[key] = true
		if !slices.IsSortedFunc(sm.Labels, func(a, b base.Label) int { return strings.Compare(a.Name, b.Name) }) {
			t.Errorf("labels are not sorted: %s", key)
		}
	}
	return s
}

func TestThisMachine(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the whole set is Linux's")
	}
	in := host.New(host.Options{})
	s := gather(t, in)
	if len(s.samples) < 400 {
		t.Errorf("%d series, want at least 400", len(s.samples))
	}
	t.Logf("%d series", len(s.samples))
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if len(s.find("node_uname_info", "nodename", name, "sysname", "Linux")) != 1 {
		t.Errorf("node_uname_info: %v", s.find("node_uname_info"))
	}
	for i := range runtime.NumCPU() {
		for _, mode := range []string{"idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"} {
			if len(s.find("node_cpu_seconds_total", "cpu", fmt.Sprint(i), "mode", mode)) != 1 {
				t.Errorf("no time of processor %d in mode %s", i, mode)
			}
		}
	}
	boot := s.find("node_boot_time_seconds")[0].Value
	if up := float64(time.Now().Unix()) - boot; up < 0 || up > 3650*86400 {
		t.Errorf("boot time %v", boot)
	}
	if again := gather(t, in).find("node_boot_time_seconds")[0].Value; again != boot {
		t.Errorf("boot time moved from %v to %v", boot, again)
	}
	for _, sm := range s.find("node_scrape_collector_success") {
		if sm.Value != 1 {
			t.Errorf("collector failed: %v", sm.Labels)
		}
	}
}

// exporter returns the metrics of Debian's node_exporter on this machine.
func exporter(t *testing.T) map[string]map[string]float64 {
	t.Helper()
	bin, err := exec.LookPath("prometheus-node-exporter")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("prometheus-node-exporter is not installed (Debian package of that name)")
		}
		t.Skip("prometheus-node-exporter is not installed (Debian package of that name)")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	cmd := exec.Command(bin, "--web.listen-address="+addr)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()
	deadline := time.Now().Add(10 * time.Second)
	for {
		resp, err := http.Get("http://" + addr + "/metrics")
		if err == nil {
			defer resp.Body.Close()
			return parseText(t, resp.Body)
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// parseText returns the values of the text format by name and, within, by labels.
func parseText(t *testing.T, r io.Reader) map[string]map[string]float64 {
	t.Helper()
	all := map[string]map[string]float64{}
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		line := sc.Text()
		if strings.HasPrefix(line, "#") || !strings.HasPrefix(line, "node_") {
			continue
		}
		i := strings.LastIndexByte(line, ' ')
		series, value := line[:i], line[i+1:]
		name, labels, _ := strings.Cut(strings.TrimSuffix(series, "}"), "{")
		var v float64
		if _, err := fmt.Sscan(value, &v); err != nil {
			t.Fatal(line, err)
		}
		if all[name] == nil {
			all[name] = map[string]float64{}
		}
		all[name][canonical(labels)] = v
	}
	return all
}

// canonical drops labels with empty values, which are no labels.
func canonical(labels string) string {
	var kept []string
	for l := range strings.SplitSeq(labels, `",`) {
		if name, value, _ := strings.Cut(strings.TrimSuffix(l, `"`), `="`); value != "" && name != "" {
			kept = append(kept, name+`="`+value)
		}
	}
	slices.Sort(kept)
	return strings.Join(kept, ",")
}

// notOurs are collectors of node_exporter that we leave out, and names that
// depend on its version.
var notOurs = []string{
	"node_exporter_build_info", "node_scrape_collector", "node_textfile", "node_systemd", "node_selinux", "node_udp_queues", "node_time_clocksource",
	"node_nf_conntrack_stat", "node_xfs", "node_btrfs", "node_power", "node_cpu_scaling", "node_cpu_frequency", "node_cooling_device", "node_disk_ata", "node_disk_device_mapper", "node_disk_filesystem_info",
	"node_nfs", "node_rapl", "node_infiniband", "node_nvme", "node_zfs", "node_ipvs", "node_cpu_core", "node_cpu_package", "node_tape", "node_fibrechannel", "node_bcache",
}

// TestSameAsNodeExporter compares with Debian's node_exporter on this very
// machine: every series it has we have, and values that do not move are equal.
func TestSameAsNodeExporter(t *testing.T) {
	theirs := exporter(t)
	s := gather(t, host.New(host.Options{}))
	ours := map[string]map[string]float64{}
	for _, sm := range s.samples {
		var kept []string
		for _, l := range sm.Labels {
			if l.Name != base.MetricName && l.Name != "adminstate" { // added after Debian's version
				kept = append(kept, l.Name+`="`+l.Value)
			}
		}
		slices.Sort(kept)
		name := sm.Labels.Name()
		if ours[name] == nil {
			ours[name] = map[string]float64{}
		}
		ours[name][strings.Join(kept, ",")] = sm.Value
	}
	missing := 0
	for name, series := range theirs {
		if slices.ContainsFunc(notOurs, func(p string) bool { return strings.HasPrefix(name, p) }) {
			continue
		}
		for labels, v := range series {
			switch {
			case name == "node_disk_info": // theirs adds what udev says
				continue
			case strings.Contains(labels, "zram"): // left out since a later version
				continue
			case name == "node_network_speed_bytes" && v < 0: // an unknown speed
				continue
			}
			got, ok := ours[name][labels]
			if !ok {
				missing++
				t.Errorf("missing %s{%s}", name, labels)
			} else if steady(name) && got != v {
				t.Errorf("%s{%s} is %v, node_exporter says %v", name, labels, got, v)
			}
		}
	}
	if missing > 0 {
		t.Errorf("%d series missing", missing)
	}
}

// steady tells whether a value is the same a moment later.
func steady(name string) bool {
	for _, s := range []string{"_info", "_size_bytes", "MemTotal_bytes", "mtu_bytes", "boot_time_seconds", "_limit", "_maximum", "node_network_", "iface_"} {
		if strings.Contains(name, s) {
			return !strings.HasSuffix(name, "_total")
		}
	}
	return false
}

func TestUnreadableIsPartial(t *testing.T) {
	dir := t.TempDir()
	s := &sink{}
	err := host.New(host.Options{Proc: dir, Sys: dir, Root: dir}).Gather(context.Background(), base.Target{}, s)
	if err != nil && !errors.As(err, new(input.Partial)) {
		t.Errorf("error %v: what is not there is left out", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := host.New(host.Options{}).Gather(ctx, base.Target{}, s); !errors.As(err, new(input.Partial)) {
		t.Errorf("error %v after the deadline", err)
	}
}

func TestCheckTarget(t *testing.T) {
	in := host.New(host.Options{})
	if err := in.CheckTarget(base.Target{}); err != nil {
		t.Error(err)
	}
	if err := in.CheckTarget(base.Target{Options: map[string]string{"x": "y"}}); err == nil {
		t.Error("an unknown option was taken")
	}
}

// discard counts samples.
type discard struct{ n int }

func (d *discard) Sample(base.Sample) { d.n++ }

// Block keeps the block's samples one by one.
func (d *discard) Block(b base.Block) {
	for sm := range b.Samples() {
		d.Sample(sm)
	}
}

func (d *discard) Event(base.Event) {}

func BenchmarkGather(b *testing.B) {
	in := host.New(host.Options{})
	d := &discard{}
	b.ReportAllocs()
	for b.Loop() {
		d.n = 0
		if err := in.Gather(context.Background(), base.Target{}, d); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(d.n), "samples/op")
}
