package smart

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/input/inputtest"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

func target(options ...string) base.Target {
	t := base.Target{ID: "d", Input: "smart", Options: map[string]string{}}
	for i := 0; i < len(options); i += 2 {
		t.Options[options[i]] = options[i+1]
	}
	return t
}

func recording(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// wantATA is what ata.json says.
func wantATA(t *testing.T, r *inputtest.Recorder) {
	t.Helper()
	attribute := func(id, name, short, long, kind string) string {
		return "smartctl_device_attribute{attribute_flags_long=" + long + ",attribute_flags_short=" + short + ",attribute_id=" + id + ",attribute_name=" + name + ",attribute_value_type=" + kind + ",device=sda}"
	}
	for series, v := range map[string]float64{
		"smartctl_device_smart_status{device=sda}": 0, "smartctl_device_smartctl_exit_status{device=sda}": 8, "smartctl_device_capacity_bytes{device=sda}": 4000787030016,
		"smartctl_device_temperature{device=sda,temperature_type=current}": 41, "smartctl_device_power_on_seconds{device=sda}": 20100*3600 + 30*60,
		"smartctl_device_rotation_rate{device=sda}": 5980, "smartctl_device_block_size{blocks_type=physical,device=sda}": 4096, "smartctl_device_power_cycle_count{device=sda}": 44,
		"smartctl_device_error_log_count{device=sda,error_log_type=summary}": 3, "smartctl_device_self_test_log_error_count{device=sda,self_test_log_type=standard}": 2,
		attribute("5", "Reallocated_Sector_Ct", "PO--CK", "prefailure,updated_online,event_count,auto_keep", "raw"):                                                                                                                              3712,
		attribute("5", "Reallocated_Sector_Ct", "PO--CK", "prefailure,updated_online,event_count,auto_keep", "thresh"):                                                                                                                           10,
		attribute("197", "Current_Pending_Sector", "-O--C-", "updated_online,event_count", "raw"):                                                                                                                                                16,
		"smartctl_device{ata_version=ACS-3 T13/2161-D revision 5,device=sda,firmware_version=0001,form_factor=3.5 inches,interface=sat,model_family=Example Archive,model_name=EX4000AR01,protocol=ATA,sata_version=SATA 3.1,serial_number=S1A}": 1,
	} {
		r.Want(t, series, v)
	}
	r.Without(t, "smartctl_device_temperature{device=sda,temperature_type=op_limit_max}")
}

func TestFiles(t *testing.T) {
	dir := inputtest.Write(t, map[string]string{"sda.json": recording(t, "ata.json"), "nvme0.json": recording(t, "nvme.json"), "sas.json": recording(t, "sas.json")})
	now := time.Now()
	in := New(Options{Now: func() time.Time { return now }})
	tg := target("path", filepath.Join(dir, "*.json"))
	r := inputtest.Up(t, in, tg)
	wantATA(t, r)
	for series, v := range map[string]float64{
		"smartctl_device_critical_warning{device=nvme0}": 4, "smartctl_device_percentage_used{device=nvme0}": 101, "smartctl_device_available_spare{device=nvme0}": 9,
		"smartctl_device_available_spare_threshold{device=nvme0}": 10, "smartctl_device_media_errors{device=nvme0}": 5, "smartctl_device_num_err_log_entries{device=nvme0}": 6,
		"smartctl_device_bytes_read{device=nvme0}": 2000 * 512000, "smartctl_device_bytes_written{device=nvme0}": 3000 * 512000, "smartctl_device_power_on_seconds{device=nvme0}": 900 * 3600,
		"smartctl_scsi_grown_defect_list{device=bus/0_megaraid_disk_04,model_name=EX SAS 600,serial_number=D4}": 12, "smartctl_device_temperature{device=bus/0_megaraid_disk_04,temperature_type=drive_trip}": 60,
	} {
		r.Want(t, series, v)
	}
	if r = inputtest.Up(t, in, tg); len(r.Values) != 0 {
		t.Errorf("read again at once: %v", r.Values)
	}
	now = now.Add(4 * time.Minute)
	wantATA(t, inputtest.Up(t, in, tg))
	if err := os.WriteFile(filepath.Join(dir, "cut.json"), []byte(`{"smartctl": `), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(4 * time.Minute)
	if r, err := inputtest.Gather(t, in, tg); !errors.As(err, new(input.Partial)) || len(r.Values) == 0 {
		t.Errorf("one file cannot be read: %v", err)
	}
	now = now.Add(3 * time.Hour)
	if _, err := inputtest.Gather(t, in, tg); err == nil || errors.As(err, new(input.Partial)) || !strings.Contains(err.Error(), "max_age") {
		t.Errorf("files of yesterday: %v", err)
	}
	inputtest.Down(t, in, target("path", filepath.Join(dir, "none")), "missing")
}

func TestStandIn(t *testing.T) {
	dir := inputtest.Write(t, map[string]string{"ata.json": recording(t, "ata.json"),
		"scan.json": `{"smartctl":{"version":[7,3],"exit_status":0},"devices":[{"name":"/dev/sda","type":"sat"},{"name":"/dev/../x","type":"a"},{"name":"--oops","type":""}]}`})
	program := filepath.Join(dir, "smartctl")
	script := "#!/bin/sh\necho \"$@\" >>" + dir + "/args\ncase \"$*\" in *--scan*) exec cat " + dir + "/scan.json;; esac\ncat " + dir + "/ata.json\nexit 8\n"
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	wantATA(t, inputtest.Up(t, New(Options{Program: program}), target()))
	b, err := os.ReadFile(filepath.Join(dir, "args"))
	if err != nil || !strings.Contains(string(b), "--nocheck=standby") || !strings.Contains(string(b), "--device=sat /dev/sda\n") || strings.Contains(string(b), "oops") {
		t.Errorf("asked with %s %v", b, err)
	}
}

// TestWaitsNoLongerThanItMay: while a disk that does not answer is asked, the reading
// of another target ends at its own deadline and says why.
func TestWaitsNoLongerThanItMay(t *testing.T) {
	dir := t.TempDir()
	program, asked := filepath.Join(dir, "smartctl"), filepath.Join(dir, "asked")
	if err := os.WriteFile(program, []byte("#!/bin/sh\ntouch "+asked+"\nexec sleep 600\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	in := New(Options{Program: program})
	ctx, end := context.WithCancel(t.Context())
	first, over := target("devices", "/dev/sda"), make(chan struct{})
	go func() {
		defer close(over)
		_ = in.Gather(ctx, first, &inputtest.Recorder{})
	}()
	inputtest.Until(t, "asked", func() bool { _, err := os.Stat(asked); return err == nil })
	second := target("devices", "/dev/sdb")
	second.ID = "second"
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := in.Gather(short, second, &inputtest.Recorder{})
	select {
	case <-over:
		t.Error("the second target waited for the first to end")
	default:
	}
	if err == nil || !strings.Contains(err.Error(), "another target") || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	end()
	<-over
}

func TestRealSmartctl(t *testing.T) {
	program := inputtest.Program(t, "smartctl", "smartmontools")
	in := New(Options{Program: program})
	inputtest.Down(t, in, target("devices", "/dev/sdzz"), "missing") // there is no such disk anywhere
	inputtest.Down(t, New(Options{Program: filepath.Join(t.TempDir(), "none")}), target("devices", "/dev/sda"), "missing")
}

func TestCheckTarget(t *testing.T) {
	in := New(Options{})
	for _, good := range [][]string{{}, {"devices", "/dev/sda; /dev/bus/0,megaraid,4"}, {"path", "/var/lib/smart/*.json", "max_age", "1d"}} {
		if err := in.CheckTarget(target(good...)); err != nil {
			t.Errorf("%v: %v", good, err)
		}
	}
	for _, bad := range [][]string{{"devices", "sda"}, {"devices", "/dev/sda,--x"}, {"devices", "/dev/../etc"}, {"devices", "/dev/sda", "path", "/x"}, {"path", "x"}, {"every", "2h"}, {"more", "1"}} {
		if in.CheckTarget(target(bad...)) == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

func FuzzTell(f *testing.F) {
	for _, name := range []string{"ata.json", "nvme.json", "sas.json", "none.json"} {
		f.Add([]byte(recording(f, name)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		err := tell(b, func(string, float64, ...string) { n++ })
		if err == nil && n == 0 {
			t.Fatal("neither a value nor an error")
		}
	})
}
