package redfish

import "context"

func (w *walk) system(ctx context.Context, l link) {
	var s system
	if !w.fetch(ctx, l, &s) {
		return
	}
	id := string(s.ID)
	switch s.PowerState {
	case "On", "PoweringOff":
		w.put("idrac_system_power_on", 1)
	case "Off", "PoweringOn", "Paused":
		w.put("idrac_system_power_on", 0)
	}
	w.put("idrac_system_machine_info", 1, "manufacturer", string(s.Manufacturer), "model", string(s.Model), "serial", string(s.SerialNumber), "sku", string(s.SKU), "hostname", string(s.HostName))
	w.put("idrac_system_bios_info", 1, "version", string(s.BiosVersion))
	w.health("idrac_system_health", "system", id, string(s.Model), s.Status, 0)
	w.health("", "processor", id, "processors", s.ProcessorSummary.Status, 0)
	w.health("", "memory", id, "memory", s.MemorySummary.Status, 0)
	w.logServices = append(w.logServices, s.LogServices)
	for _, m := range w.members(ctx, s.Storage) {
		w.storage(ctx, m)
	}
}

func (w *walk) storage(ctx context.Context, l link) {
	var s storage
	if !w.fetch(ctx, l, &s) {
		return
	}
	id := string(s.ID)
	w.put("idrac_storage_info", 1, "id", id, "name", string(s.Name))
	w.health("idrac_storage_health", "storage", id, string(s.Name), s.Status, 0, "id", id)
	for _, c := range s.StorageControllers {
		w.health("idrac_storage_controller_health", "storage_controller", id+"/"+c.id(), c.name(), c.Status, 0, "id", c.id(), "storage_id", id)
	}
	for i, d := range s.Drives {
		if i >= maxDrives || ctx.Err() != nil {
			return
		}
		w.drive(ctx, d, id)
	}
	for _, v := range w.members(ctx, s.Volumes) {
		var p part
		if w.fetch(ctx, v, &p) {
			w.health("idrac_storage_volume_health", "volume", id+"/"+p.id(), p.name(), p.Status, 0, "id", p.id(), "storage_id", id)
		}
	}
}

func (w *walk) drive(ctx context.Context, l link, storage string) {
	var d drive
	if !w.fetch(ctx, l, &d) || !d.Status.present() {
		return
	}
	id := string(d.ID)
	w.put("idrac_storage_drive_info", 1, "id", id, "storage_id", storage, "manufacturer", string(d.Manufacturer), "mediatype", string(d.MediaType), "model", string(d.Model), "name", string(d.Name),
		"protocol", string(d.Protocol), "serial", string(d.SerialNumber))
	w.value("idrac_storage_drive_capacity_bytes", d.CapacityBytes, "id", id, "storage_id", storage)
	w.value("idrac_storage_drive_life_left_percent", d.PredictedMediaLifeLeftPercent, "id", id, "storage_id", storage)
	worse := 0.0
	if d.FailurePredicted != nil {
		predicted := 0.0
		if *d.FailurePredicted {
			predicted, worse = 1, 1
		}
		w.put("faultline_hardware_failure_predicted", predicted, "part", "drive", "id", storage+"/"+id, "name", string(d.Name))
	}
	w.health("idrac_storage_drive_health", "drive", storage+"/"+id, string(d.Name), d.Status, worse, "id", id, "storage_id", storage)
}

// id is what the part is called among its kind.
func (p part) id() string {
	if p.ID != "" {
		return string(p.ID)
	}
	return string(p.MemberID)
}

// name is what people read of it.
func (p part) name() string {
	switch {
	case p.Name != "":
		return string(p.Name)
	case p.FanName != "":
		return string(p.FanName)
	}
	return p.id()
}
