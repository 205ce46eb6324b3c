package redfish

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/input/inputtest"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
	"github.com/faultline/faultline/plugins/plugintest"
)

const password = "s3cret-redfish-word"

// bmc is a stand-in for a Redfish service: plain JSON over HTTPS, written from
// DMTF's schemas (DSP8010); no server of a maker stands behind it.
type bmc struct {
	*httptest.Server
	mu       sync.Mutex
	pages    map[string]string
	tokens   map[string]bool
	sessions int // begun
	asked    map[string]int
}

func serve(t *testing.T, pages map[string]string) *bmc {
	t.Helper()
	b := &bmc{pages: pages, tokens: map[string]bool{}, asked: map[string]int{}}
	b.Server = httptest.NewUnstartedServer(http.HandlerFunc(b.handle))
	b.Config.ErrorLog = log.New(io.Discard, "", 0)
	b.StartTLS()
	t.Cleanup(b.Close)
	return b
}

func (b *bmc) handle(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked[r.URL.Path]++
	const sessions = "/redfish/v1/SessionService/Sessions"
	user, word, _ := r.BasicAuth()
	switch {
	case r.Method == http.MethodPost && r.URL.Path == sessions:
		var who struct{ UserName, Password string }
		if json.NewDecoder(r.Body).Decode(&who) != nil || who.UserName != "faultline" || who.Password != password {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		b.sessions++
		token := fmt.Sprint("token", b.sessions)
		b.tokens[token] = true
		w.Header().Set("X-Auth-Token", token)
		w.Header().Set("Location", sessions+"/"+token)
		w.WriteHeader(http.StatusCreated)
	case r.Method == http.MethodDelete && strings.HasPrefix(r.URL.Path, sessions):
		delete(b.tokens, lastOf(r.URL.Path))
	case r.URL.Path != root && !b.tokens[r.Header.Get("X-Auth-Token")] && (user != "faultline" || word != password):
		w.WriteHeader(http.StatusUnauthorized)
	case b.pages[r.URL.Path] == "":
		w.WriteHeader(http.StatusNotFound)
	default:
		_, _ = io.WriteString(w, b.pages[r.URL.Path])
	}
}

func (b *bmc) set(path, page string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pages[path] = page
}

func (b *bmc) pin() string {
	sum := sha256.Sum256(b.Certificate().Raw)
	return hex.EncodeToString(sum[:])
}

func (b *bmc) target(options ...string) base.Target {
	t := base.Target{ID: b.URL + strings.Join(options, ""), Input: "redfish", Address: strings.TrimPrefix(b.URL, "https://"),
		Options: map[string]string{"username": "faultline", "password": password, "pin_sha256": b.pin()}}
	for i := 0; i < len(options); i += 2 {
		t.Options[options[i]] = options[i+1]
	}
	return t
}

func members(paths ...string) string {
	var m []link
	for _, p := range paths {
		m = append(m, link{p})
	}
	b, _ := json.Marshal(collection{m})
	return string(b)
}

// common are the resources of both models.
func common() map[string]string {
	return map[string]string{
		root:                  `{"Name":"Root","RedfishVersion":"1.15.0","Systems":{"@odata.id":"/redfish/v1/Systems"},"Chassis":{"@odata.id":"/redfish/v1/Chassis"},"Managers":{"@odata.id":"/redfish/v1/Managers"}}`,
		"/redfish/v1/Systems": members("/redfish/v1/Systems/1"), "/redfish/v1/Chassis": members("/redfish/v1/Chassis/1"), "/redfish/v1/Managers": members("/redfish/v1/Managers/1"),
		"/redfish/v1/Systems/1": `{"Id":"1","PowerState":"On","Manufacturer":"Maker","Model":"R1","SerialNumber":"S1 ","SKU":null,"HostName":"srv","BiosVersion":"2.1","Status":{"State":"Enabled","Health":"OK"},
			"MemorySummary":{"Status":{"Health":"Warning"}},"ProcessorSummary":{"Status":{"HealthRollup":"OK"}},"Storage":{"@odata.id":"/redfish/v1/Systems/1/Storage"}}`,
		"/redfish/v1/Systems/1/Storage": members("/redfish/v1/Systems/1/Storage/RAID"),
		"/redfish/v1/Systems/1/Storage/RAID": `{"Id":"RAID","Name":"RAID card","Status":{"Health":"OK"},"StorageControllers":[{"MemberId":"0","Name":"P408","Status":{"State":"Enabled","Health":"OK"}}],
			"Drives":[{"@odata.id":"/redfish/v1/Systems/1/Storage/RAID/Drives/0"},{"@odata.id":"/redfish/v1/Systems/1/Storage/RAID/Drives/1"},{"@odata.id":"/redfish/v1/Systems/1/Storage/RAID/Drives/2"}],"Volumes":{"@odata.id":"/redfish/v1/Systems/1/Storage/RAID/Volumes"}}`,
		"/redfish/v1/Systems/1/Storage/RAID/Drives/0":    `{"Id":"0","Name":"Bay 0","Model":"SSD","CapacityBytes":480000000000,"PredictedMediaLifeLeftPercent":97,"FailurePredicted":false,"Status":{"State":"Enabled","Health":"OK"}}`,
		"/redfish/v1/Systems/1/Storage/RAID/Drives/1":    `{"Id":"1","Name":"Bay 1","CapacityBytes":"480000000000","PredictedMediaLifeLeftPercent":null,"FailurePredicted":true,"Status":{"State":"Enabled","Health":"OK"}}`,
		"/redfish/v1/Systems/1/Storage/RAID/Drives/2":    `{"Id":"2","Name":"Bay 2","Status":{"State":"Absent"}}`,
		"/redfish/v1/Systems/1/Storage/RAID/Volumes":     members("/redfish/v1/Systems/1/Storage/RAID/Volumes/1"),
		"/redfish/v1/Systems/1/Storage/RAID/Volumes/1":   `{"Id":"1","Name":"system","Status":{"Health":"Critical"}}`,
		"/redfish/v1/Managers/1":                         `{"Id":"1","Model":"BMC","ManagerType":"BMC","FirmwareVersion":"5.1","Status":{"Health":"OK"},"LogServices":{"@odata.id":"/redfish/v1/Managers/1/LogServices"}}`,
		"/redfish/v1/Managers/1/LogServices":             members("/redfish/v1/Managers/1/LogServices/Sel"),
		"/redfish/v1/Managers/1/LogServices/Sel":         `{"Id":"Sel","Entries":{"@odata.id":"/redfish/v1/Managers/1/LogServices/Sel/Entries"}}`,
		"/redfish/v1/Managers/1/LogServices/Sel/Entries": `{"Members@odata.count":1,"Members":[{"Id":"1","Created":"2026-01-01T00:00:00Z","Severity":"Critical","Message":"long ago"}]}`,
	}
}

// older has Thermal and Power; newer the subsystems that took their place.
func older() map[string]string {
	m := common()
	m["/redfish/v1/Chassis/1"] = `{"Id":"1","Status":{"Health":"OK"},"Thermal":{"@odata.id":"/redfish/v1/Chassis/1/Thermal"},"Power":{"@odata.id":"/redfish/v1/Chassis/1/Power"}}`
	m["/redfish/v1/Chassis/1/Thermal"] = `{"Temperatures":[{"MemberId":"inlet","Name":"Inlet","ReadingCelsius":24,"UpperThresholdNonCritical":38,"UpperThresholdCritical":42,"Status":{"State":"Enabled","Health":"OK"}},
		{"MemberId":"cpu","Name":"CPU 1","ReadingCelsius":91,"UpperThresholdNonCritical":0,"UpperThresholdCritical":90,"Status":{"State":"Enabled","Health":"OK"}},
		{"MemberId":"none","Name":"empty","ReadingCelsius":null,"Status":{"State":"Absent"}}],
		"Fans":[{"MemberId":"f1","FanName":"Fan 1","Reading":4200,"ReadingUnits":"RPM","Status":{"State":"Enabled","Health":"OK"}},{"MemberId":"f2","Name":"Fan 2","Reading":31,"ReadingUnits":"Percent","Status":{"State":"Enabled","Health":"Critical"}}]}`
	m["/redfish/v1/Chassis/1/Power"] = `{"PowerControl":[{"MemberId":"0","Name":"System Power","PowerConsumedWatts":213,"PowerCapacityWatts":"N/A"}],
		"PowerSupplies":[{"MemberId":"0","Name":"PS1","PowerCapacityWatts":750,"LastPowerOutputWatts":101,"LineInputVoltage":231,"Status":{"State":"Enabled","Health":"OK"}},
		{"MemberId":"1","Name":"PS2","Status":{"State":"UnavailableOffline","Health":"Warning"}},{"MemberId":"2","Name":"PS3","Status":{"State":"Absent","Health":null}}]}`
	return m
}

func newer() map[string]string {
	m := common()
	const c = "/redfish/v1/Chassis/1"
	m[c] = `{"Id":"1","Status":{"Health":"OK"},"ThermalSubsystem":{"@odata.id":"/redfish/v1/Chassis/1/ThermalSubsystem"},"PowerSubsystem":{"@odata.id":"/redfish/v1/Chassis/1/PowerSubsystem"},"EnvironmentMetrics":{"@odata.id":"/redfish/v1/Chassis/1/EnvironmentMetrics"}}`
	m[c+"/ThermalSubsystem"] = `{"Fans":{"@odata.id":"` + c + `/ThermalSubsystem/Fans"},"ThermalMetrics":{"@odata.id":"` + c + `/ThermalSubsystem/ThermalMetrics"}}`
	m[c+"/ThermalSubsystem/Fans"] = members(c+"/ThermalSubsystem/Fans/1", c+"/ThermalSubsystem/Fans/2")
	m[c+"/ThermalSubsystem/Fans/1"] = `{"Id":"f1","Name":"Fan 1","SpeedPercent":{"Reading":45,"SpeedRPM":4200},"Status":{"State":"Enabled","Health":"OK"}}`
	m[c+"/ThermalSubsystem/Fans/2"] = `{"Id":"f2","Name":"Fan 2","SpeedPercent":{"Reading":0},"Status":{"State":"Enabled","Health":"Critical"}}`
	m[c+"/ThermalSubsystem/ThermalMetrics"] = `{"TemperatureReadingsCelsius":[{"Reading":24,"DeviceName":"Inlet","DataSourceUri":"` + c + `/Sensors/inlet"},{"Reading":91,"DeviceName":"CPU 1","DataSourceUri":"` + c + `/Sensors/cpu"}]}`
	m[c+"/Sensors/inlet"] = `{"Id":"inlet","Reading":24,"Thresholds":{"UpperCritical":{"Reading":42}},"Status":{"Health":"OK"}}`
	m[c+"/Sensors/cpu"] = `{"Id":"cpu","Reading":91,"Thresholds":{"UpperCaution":{"Reading":85},"UpperCritical":{"Reading":90}},"Status":{"Health":"OK"}}`
	m[c+"/PowerSubsystem"] = `{"PowerSupplies":{"@odata.id":"` + c + `/PowerSubsystem/PowerSupplies"}}`
	m[c+"/PowerSubsystem/PowerSupplies"] = members(c+"/PowerSubsystem/PowerSupplies/0", c+"/PowerSubsystem/PowerSupplies/1")
	m[c+"/PowerSubsystem/PowerSupplies/0"] = `{"Id":"0","Name":"PS1","PowerCapacityWatts":750,"Status":{"State":"Enabled","Health":"OK"},"Metrics":{"@odata.id":"` + c + `/PowerSubsystem/PowerSupplies/0/Metrics"}}`
	m[c+"/PowerSubsystem/PowerSupplies/0/Metrics"] = `{"OutputPowerWatts":{"Reading":101},"InputVoltage":{"Reading":231}}`
	m[c+"/PowerSubsystem/PowerSupplies/1"] = `{"Id":"1","Name":"PS2","Status":{"State":"UnavailableOffline","Health":"Warning"}}`
	m[c+"/EnvironmentMetrics"] = `{"PowerWatts":{"Reading":213},"TemperatureCelsius":{"Reading":26}}`
	return m
}

// TestModels: both models say the same of the same machine.
func TestModels(t *testing.T) {
	for name, pages := range map[string]map[string]string{"older": older(), "newer": newer()} {
		t.Run(name, func(t *testing.T) {
			b := serve(t, pages)
			r := inputtest.Up(t, New(Options{}), b.target())
			for series, v := range map[string]float64{
				"idrac_system_power_on": 1, "idrac_system_health{status=OK}": 0, "idrac_system_machine_info{hostname=srv,manufacturer=Maker,model=R1,serial=S1}": 1,
				"idrac_sensors_temperature{id=inlet,name=Inlet,units=celsius}": 24, "idrac_sensors_fan_speed{id=f1,name=Fan 1,units=rpm}": 4200,
				"idrac_sensors_fan_health{id=f2,name=Fan 2,status=Critical}": 2, "idrac_power_supply_output_watts{id=0}": 101, "idrac_power_supply_input_voltage{id=0}": 231,
				"idrac_power_supply_health{id=1,status=Warning}": 1, "idrac_storage_drive_life_left_percent{id=0,storage_id=RAID}": 97, "idrac_storage_drive_capacity_bytes{id=1,storage_id=RAID}": 480000000000,
				"idrac_storage_volume_health{id=1,status=Critical,storage_id=RAID}": 2, "idrac_manager_info{firmware=5.1,id=1,model=BMC,type=BMC}": 1,
				"faultline_hardware_state{id=1/inlet,name=Inlet,part=temperature}": 0, "faultline_hardware_state{id=1/cpu,name=CPU 1,part=temperature}": 2,
				"faultline_hardware_state{id=1/f2,name=Fan 2,part=fan}": 2, "faultline_hardware_state{id=1/1,name=PS2,part=power_supply}": 2, "faultline_hardware_state{id=1/0,name=PS1,part=power_supply}": 0,
				"faultline_hardware_state{id=1,name=memory,part=memory}": 1, "faultline_hardware_state{id=1,name=processors,part=processor}": 0,
				"faultline_hardware_state{id=RAID/1,name=Bay 1,part=drive}": 1, "faultline_hardware_failure_predicted{id=RAID/1,name=Bay 1,part=drive}": 1,
				"faultline_redfish_log_entries{log=Sel,place=/redfish/v1/Managers/1/LogServices/Sel/Entries}": 1,
			} {
				r.Want(t, series, v)
			}
			watts := 0.0
			for series, v := range r.Values {
				if strings.Contains(series, "absent") || strings.Contains(series, "Bay 2") || strings.Contains(series, "PS3") {
					t.Errorf("%s is told of what is not there", series)
				}
				if strings.HasPrefix(series, "idrac_power_control_consumed_watts") {
					watts = v
				}
			}
			if watts != 213 || len(r.Events) != 0 {
				t.Errorf("%v W, events %v", watts, r.Events)
			}
		})
	}
}

// TestLogs: what a log has had since is told once, by the time of the log.
func TestLogs(t *testing.T) {
	b := serve(t, older())
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	in := New(Options{Now: func() time.Time { return now }})
	tg := b.target()
	inputtest.Up(t, in, tg)
	b.set("/redfish/v1/Managers/1/LogServices/Sel/Entries", `{"Members":[{"Id":"1","Created":"2026-01-01T00:00:00Z","Severity":"Critical","Message":"long ago"},
		{"Id":"3","Created":"2026-11-22T19:59:00+08:00","Severity":"Critical","Message":"电源 2 失去输入"},{"Id":"2","Created":"2026-11-22T11:58:00Z","Severity":"OK","Message":"fine"},{"Id":"4","Created":"2031-01-01T00:00:00Z","Severity":"Critical","Message":"a clock astray"}]}`)
	if r := inputtest.Up(t, in, tg); len(r.Events) != 0 {
		t.Errorf("a log is read again within five minutes: %v", r.Events)
	}
	now = now.Add(6 * time.Minute)
	r := inputtest.Up(t, in, tg)
	if len(r.Events) != 1 || r.Events[0].Text != "电源 2 失去输入" || r.Events[0].Attrs["severity"] != "critical" || !r.Events[0].At.Equal(time.Date(2026, 11, 22, 11, 59, 0, 0, time.UTC)) {
		t.Errorf("got %v", r.Events)
	}
	now = now.Add(6 * time.Minute)
	if r := inputtest.Up(t, in, tg); len(r.Events) != 0 {
		t.Errorf("told twice: %v", r.Events)
	}
}

// TestSessions: a session is used, and ended.
func TestSessions(t *testing.T) {
	b := serve(t, older())
	r := inputtest.Up(t, New(Options{}), b.target("auth", "session"))
	r.Want(t, "idrac_system_power_on", 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sessions != 1 || len(b.tokens) != 0 {
		t.Errorf("%d sessions begun, %d left open", b.sessions, len(b.tokens))
	}
}

// TestTrust: who is asked is who was meant, and only that one sees the password.
func TestTrust(t *testing.T) {
	b := serve(t, older())
	in := New(Options{})
	ca := inputtest.Write(t, map[string]string{"ca.pem": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.Certificate().Raw}))})
	inputtest.Up(t, in, b.target("pin_sha256", "", "ca_file", ca+"/ca.pem", "server_name", "example.com"))
	inputtest.Up(t, in, b.target("pin_sha256", "", "insecure", "true"))
	b.mu.Lock()
	clear(b.asked)
	b.mu.Unlock()
	inputtest.Down(t, in, b.target("pin_sha256", ""), "certificate")
	inputtest.Down(t, in, b.target("pin_sha256", strings.Repeat("ab", 32)), "certificate")
	b.mu.Lock()
	if len(b.asked) != 0 {
		t.Errorf("a stranger was asked: %v", b.asked)
	}
	b.mu.Unlock()
	for _, o := range [][]string{{"password", "wrong-word"}, {"password", "wrong-word", "auth", "session"}} {
		tg := b.target(o...)
		inputtest.Down(t, in, tg, "denied")
		if _, err := inputtest.Gather(t, in, tg); err == nil || strings.Contains(err.Error(), "wrong-word") {
			t.Errorf("got %v", err)
		}
	}
}

// TestFaulty: what is wrong with one resource costs no other; links that lead out,
// answers too large and endless collections end.
func TestFaulty(t *testing.T) {
	pages := older()
	pages["/redfish/v1/Chassis/1/Power"] = "{"
	pages["/redfish/v1/Systems/1/Storage"] = members("http://10.0.0.1/evil", "/redfish/../secret", "/redfish/v1/Systems/1/Storage/RAID")
	pages["/redfish/v1/Systems/1"] = strings.Replace(pages["/redfish/v1/Systems/1"], `"HostName":"srv"`, `"HostName":{"x":1}`, 1)
	b := serve(t, pages)
	in := New(Options{})
	r, err := inputtest.Gather(t, in, b.target())
	var partial input.Partial
	if !errors.As(err, &partial) || !strings.Contains(err.Error(), "Chassis/1/Power") || !strings.Contains(err.Error(), "leads out of the service") {
		t.Errorf("got %v", err)
	}
	r.Want(t, "idrac_system_power_on", 1)
	r.Want(t, "faultline_hardware_state{id=1/f2,name=Fan 2,part=fan}", 2)
	b.set("/redfish/v1/Systems/1/Storage", `{"Members":[`+strings.Repeat(" ", 64<<10)+`]}`)
	in.most = 64 << 10
	if _, err := inputtest.Gather(t, in, b.target()); err == nil || !strings.Contains(err.Error(), "Storage: more than 65536 bytes") {
		t.Errorf("got %v", err)
	}
	var many []string
	for range 5 * maxMembers {
		many = append(many, "/redfish/v1/Chassis/none")
	}
	b.set("/redfish/v1/Chassis", members(many...))
	if _, err := inputtest.Gather(t, in, b.target()); err == nil || !strings.Contains(err.Error(), "of which 64 are read") {
		t.Errorf("got %v", err)
	}
	b.set(root, "<html>")
	inputtest.Down(t, in, b.target(), "malformed")
	b.set(root, `{"Name":"something else"}`)
	inputtest.Down(t, in, b.target(), "malformed")
	b.set(root, "")
	inputtest.Down(t, in, b.target(), "missing")
}

func TestContract(t *testing.T) {
	b := serve(t, older())
	at := func(address string, options ...string) base.Target {
		tg := b.target(options...)
		tg.ID, tg.Address = address+strings.Join(options, ""), address
		return tg
	}
	plugintest.Run(t, plugintest.Input(plugintest.InputCase{Input: New(Options{}), Targets: []base.Target{b.target(), b.target("auth", "session")}, Silent: at(inputtest.Mute(t)), Closed: at(inputtest.FreePort(t)),
		Bad: []base.Target{at("a:b:c"), at("a", "pin_sha256", "xy"), at("a", "ca_file", "/x"), at("a", "auth", "x"), at("a", "username", ""), at("a", "x", "y")}, Patience: 300 * time.Millisecond}))
}

func FuzzSchema(f *testing.F) {
	for _, page := range older() {
		f.Add([]byte(page))
	}
	for _, page := range newer() {
		f.Add([]byte(page))
	}
	f.Fuzz(func(_ *testing.T, b []byte) {
		w := &walk{sink: &inputtest.Recorder{}, seen: map[string]bool{}}
		var t thermal
		var p power
		var e entries
		if json.Unmarshal(b, &t) == nil {
			w.thermal("c", t)
		}
		if json.Unmarshal(b, &p) == nil {
			w.power("c", p)
		}
		if json.Unmarshal(b, &e) == nil {
			w.log(logService{}, e, &logState{newest: map[string]time.Time{"": {}}}, time.Unix(1e9, 0))
		}
	})
}
