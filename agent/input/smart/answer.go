package smart

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/faultline/faultline/agent/input/failure"
	"github.com/faultline/faultline/agent/input/frame"
)

// answer is what smartctl --json says, as far as it is told (smartctl 7.3; JSON
// format 1.0). Fields that a disk does not have are absent.
type answer struct {
	Smartctl struct {
		Version  []int  `json:"version"`
		Revision string `json:"svn_revision"`
		Status   int    `json:"exit_status"`
		Messages []struct {
			String string `json:"string"`
		} `json:"messages"`
	} `json:"smartctl"`
	Devices  []device `json:"devices"` // of a scan
	Device   device   `json:"device"`
	Family   string   `json:"model_family"`
	Model    string   `json:"model_name"`
	SCSI     string   `json:"scsi_model_name"`
	Serial   string   `json:"serial_number"`
	Firmware string   `json:"firmware_version"`
	ATA      text     `json:"ata_version"`
	SATA     text     `json:"sata_version"`
	Form     struct {
		Name string `json:"name"`
	} `json:"form_factor"`
	Capacity struct {
		Blocks *float64 `json:"blocks"`
		Bytes  *float64 `json:"bytes"`
	} `json:"user_capacity"`
	Block    *float64 `json:"logical_block_size"`
	Physical *float64 `json:"physical_block_size"`
	Rotation *float64 `json:"rotation_rate"`
	SMART    *struct {
		Passed bool `json:"passed"`
	} `json:"smart_status"`
	Temperature map[string]json.RawMessage `json:"temperature"`
	PowerOn     *struct {
		Hours   float64 `json:"hours"`
		Minutes float64 `json:"minutes"`
	} `json:"power_on_time"`
	Cycles     *float64 `json:"power_cycle_count"`
	Attributes struct {
		Table []attribute `json:"table"`
	} `json:"ata_smart_attributes"`
	Errors map[string]struct {
		Count float64 `json:"count"`
	} `json:"ata_smart_error_log"`
	Tests map[string]struct {
		Count  *float64 `json:"count"`
		Errors *float64 `json:"error_count_total"`
	} `json:"ata_smart_self_test_log"`
	NVMe    map[string]json.RawMessage `json:"nvme_smart_health_information_log"`
	Defects *float64                   `json:"scsi_grown_defect_list"`
}

type device struct {
	Name     string `json:"name"`
	Info     string `json:"info_name"`
	Type     string `json:"type"`
	Protocol string `json:"protocol"`
}

type text struct {
	String string `json:"string"`
}

// attribute is one of ATA's.
type attribute struct {
	ID     int     `json:"id"`
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Worst  float64 `json:"worst"`
	Thresh float64 `json:"thresh"`
	Flags  struct {
		String     string `json:"string"`
		Prefailure bool   `json:"prefailure"`
		Online     bool   `json:"updated_online"`
		Pace       bool   `json:"performance"`
		ErrorRate  bool   `json:"error_rate"`
		EventCount bool   `json:"event_count"`
		AutoKeep   bool   `json:"auto_keep"`
	} `json:"flags"`
	Raw struct {
		Value float64 `json:"value"`
	} `json:"raw"`
}

// dataUnit is what NVMe counts reading and writing in, in bytes (NVM Express Base
// Specification, SMART / Health Information).
const dataUnit = 512_000

// tell hands over what smartctl said of one disk.
func tell(b []byte, put frame.Put) error {
	var a answer
	if err := json.Unmarshal(b, &a); err != nil {
		return failure.As(failure.Malformed, fmt.Errorf("smartctl's answer: %w", err))
	}
	const refused = 1<<0 | 1<<1 // the command line, and that the disk could not be opened
	if a.Smartctl.Status&refused != 0 || a.Device.Name == "" {
		return a.refusal()
	}
	name := strings.TrimPrefix(a.Device.Name, "/dev/")
	if _, part, ok := strings.Cut(a.Device.Info, "["); ok && strings.Contains(part, "_disk_") { // one of several behind a controller
		name += "_" + strings.TrimRight(part, "]")
	}
	one := func(metric string, v *float64, pairs ...string) {
		if v != nil {
			put("smartctl_"+metric, *v, append([]string{"device", name}, pairs...)...)
		}
	}
	model := a.Model
	if model == "" {
		model = a.SCSI
	}
	is := 1.0
	one("device", &is, "interface", a.Device.Type, "protocol", a.Device.Protocol, "model_family", a.Family, "model_name", model, "serial_number", a.Serial,
		"firmware_version", a.Firmware, "ata_version", a.ATA.String, "sata_version", a.SATA.String, "form_factor", a.Form.Name)
	status := float64(a.Smartctl.Status)
	one("device_smartctl_exit_status", &status)
	one("device_capacity_blocks", a.Capacity.Blocks)
	one("device_capacity_bytes", a.Capacity.Bytes)
	one("device_block_size", a.Block, "blocks_type", "logical")
	one("device_block_size", a.Physical, "blocks_type", "physical")
	one("device_rotation_rate", a.Rotation)
	one("device_power_cycle_count", a.Cycles)
	one("scsi_grown_defect_list", a.Defects, "model_family", a.Family, "model_name", model, "serial_number", a.Serial)
	if a.SMART != nil {
		passed := 0.0
		if a.SMART.Passed {
			passed = 1
		}
		one("device_smart_status", &passed)
	}
	if a.PowerOn != nil {
		seconds := a.PowerOn.Hours*3600 + a.PowerOn.Minutes*60
		one("device_power_on_seconds", &seconds)
	}
	for kind, raw := range a.Temperature {
		one("device_temperature", number(raw), "temperature_type", kind)
	}
	for kind, log := range a.Errors {
		one("device_error_log_count", &log.Count, "error_log_type", kind)
	}
	for kind, log := range a.Tests {
		one("device_self_test_log_count", log.Count, "self_test_log_type", kind)
		one("device_self_test_log_error_count", log.Errors, "self_test_log_type", kind)
	}
	for _, at := range a.Attributes.Table {
		at.tell(one)
	}
	a.tellNVMe(one)
	return nil
}

// refusal is why there is nothing to tell.
func (a *answer) refusal() error {
	var why []string
	for _, m := range a.Smartctl.Messages {
		why = append(why, m.String)
	}
	err := errors.New("smartctl says nothing of it")
	if len(why) > 0 {
		err = fmt.Errorf("smartctl: %.300s", strings.Join(why, "; "))
	}
	switch all := err.Error(); {
	case strings.Contains(all, "Permission denied"), strings.Contains(all, "Operation not permitted"):
		return failure.As(failure.Denied, err)
	case strings.Contains(all, "No such"):
		return failure.As(failure.Missing, err)
	case a.Smartctl.Version == nil:
		return failure.As(failure.Malformed, err)
	}
	return failure.As(failure.Status, err)
}

func (at attribute) tell(one func(string, *float64, ...string)) {
	var long []string
	for _, f := range []struct {
		is   bool
		word string
	}{{at.Flags.Prefailure, "prefailure"}, {at.Flags.Online, "updated_online"}, {at.Flags.Pace, "performance"}, {at.Flags.ErrorRate, "error_rate"},
		{at.Flags.EventCount, "event_count"}, {at.Flags.AutoKeep, "auto_keep"}} {
		if f.is {
			long = append(long, f.word)
		}
	}
	for kind, v := range map[string]float64{"value": at.Value, "worst": at.Worst, "thresh": at.Thresh, "raw": at.Raw.Value} {
		one("device_attribute", &v, "attribute_name", at.Name, "attribute_flags_short", strings.TrimSpace(at.Flags.String), "attribute_flags_long", strings.Join(long, ","),
			"attribute_value_type", kind, "attribute_id", strconv.Itoa(at.ID))
	}
}

func (a *answer) tellNVMe(one func(string, *float64, ...string)) {
	for _, f := range []struct {
		field, metric string
		unit          float64
	}{{"percentage_used", "device_percentage_used", 1}, {"available_spare", "device_available_spare", 1}, {"available_spare_threshold", "device_available_spare_threshold", 1},
		{"critical_warning", "device_critical_warning", 1}, {"media_errors", "device_media_errors", 1}, {"num_err_log_entries", "device_num_err_log_entries", 1},
		{"data_units_read", "device_bytes_read", dataUnit}, {"data_units_written", "device_bytes_written", dataUnit}} {
		if v := number(a.NVMe[f.field]); v != nil {
			*v *= f.unit
			one(f.metric, v)
		}
	}
}

// number reads a JSON number; anything else is none.
func number(raw json.RawMessage) *float64 {
	var v *float64
	if len(raw) == 0 || json.Unmarshal(raw, &v) != nil {
		return nil
	}
	return v
}
