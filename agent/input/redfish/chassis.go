package redfish

import "context"

func (w *walk) chassis(ctx context.Context, l link) {
	var c chassis
	if !w.fetch(ctx, l, &c) {
		return
	}
	id := string(c.ID)
	w.health("", "chassis", id, id, c.Status, 0)
	var t thermal
	if w.fetch(ctx, c.Thermal, &t) && len(t.Temperatures)+len(t.Fans) > 0 {
		w.thermal(id, t)
	} else {
		w.thermalSubsystem(ctx, id, c.ThermalSubsystem)
	}
	var p power
	if w.fetch(ctx, c.Power, &p) && len(p.PowerSupplies)+len(p.PowerControl) > 0 {
		w.power(id, p)
	} else {
		w.powerSubsystem(ctx, id, c.PowerSubsystem)
		var e environment
		if w.fetch(ctx, c.EnvironmentMetrics, &e) {
			w.value("idrac_power_control_consumed_watts", e.PowerWatts.Reading, "id", id, "name", "chassis")
			w.value("idrac_sensors_temperature", e.TemperatureCelsius.Reading, "id", id, "name", "chassis", "units", "celsius")
		}
	}
}

// thermal tells Thermal, which services had before 2020.4 and most have still.
func (w *walk) thermal(chassis string, t thermal) {
	for _, s := range t.Temperatures {
		if !s.Status.present() {
			continue
		}
		w.value("idrac_sensors_temperature", s.ReadingCelsius, "id", s.id(), "name", s.name(), "units", "celsius")
		w.health("", "temperature", chassis+"/"+s.id(), s.name(), s.Status, s.worse())
	}
	for _, f := range t.Fans {
		w.fan(chassis, f)
	}
}

// worse is the state by the BMC's own limits: services that judge late, or not,
// still give them.
func (t temperature) worse() float64 {
	over := func(limit number) bool { return limit.ok && limit.v > 0 && t.ReadingCelsius.v >= limit.v }
	switch {
	case !t.ReadingCelsius.ok:
		return 0
	case over(t.UpperThresholdCritical), over(t.UpperThresholdFatal):
		return 2
	case over(t.UpperThresholdNonCritical):
		return 1
	}
	return 0
}

func (w *walk) fan(chassis string, f part) {
	if !f.Status.present() {
		return
	}
	units := "rpm"
	if f.Units == "Percent" {
		units = "percent"
	}
	w.value("idrac_sensors_fan_speed", f.Reading, "id", f.id(), "name", f.name(), "units", units)
	if !f.Reading.ok {
		w.value("idrac_sensors_fan_speed", f.Percent.SpeedRPM, "id", f.id(), "name", f.name(), "units", "rpm")
		w.value("idrac_sensors_fan_speed", f.Percent.Reading, "id", f.id(), "name", f.name(), "units", "percent")
	}
	w.health("idrac_sensors_fan_health", "fan", chassis+"/"+f.id(), f.name(), f.Status, 0, "id", f.id(), "name", f.name())
}

// thermalSubsystem reads what took Thermal's place.
func (w *walk) thermalSubsystem(ctx context.Context, chassis string, l link) {
	var s subsystem
	if !w.fetch(ctx, l, &s) {
		return
	}
	for _, m := range w.members(ctx, s.Fans) {
		var f part
		if w.fetch(ctx, m, &f) {
			w.fan(chassis, f)
		}
	}
	var m thermalMetrics
	if !w.fetch(ctx, s.ThermalMetrics, &m) {
		return
	}
	for _, t := range m.TemperatureReadingsCelsius {
		w.value("idrac_sensors_temperature", t.Reading, "id", lastOf(string(t.DataSourceURI)), "name", string(t.DeviceName), "units", "celsius")
		var s struct {
			part
			Reading    number
			Thresholds struct{ UpperCaution, UpperCritical, UpperFatal reading }
		}
		if t.DataSourceURI != "" && w.fetch(ctx, link{string(t.DataSourceURI)}, &s) {
			limits := temperature{ReadingCelsius: s.Reading, UpperThresholdNonCritical: s.Thresholds.UpperCaution.Reading, UpperThresholdCritical: s.Thresholds.UpperCritical.Reading, UpperThresholdFatal: s.Thresholds.UpperFatal.Reading}
			w.health("", "temperature", chassis+"/"+s.id(), string(t.DeviceName), s.Status, limits.worse())
		}
	}
}

// power tells Power, which services had before 2020.4 and most have still.
func (w *walk) power(chassis string, p power) {
	for _, c := range p.PowerControl {
		w.value("idrac_power_control_consumed_watts", c.PowerConsumedWatts, "id", c.id(), "name", c.name())
		w.value("idrac_power_control_capacity_watts", c.PowerCapacityWatts, "id", c.id(), "name", c.name())
	}
	for _, s := range p.PowerSupplies {
		output := s.PowerOutputWatts
		if !output.ok {
			output = s.LastPowerOutputWatts
		}
		w.supply(chassis, s, supplyMetrics{reading{Reading: s.PowerInputWatts}, reading{Reading: output}, reading{Reading: s.LineInputVoltage}})
	}
}

// powerSubsystem reads what took Power's place.
func (w *walk) powerSubsystem(ctx context.Context, chassis string, l link) {
	var s subsystem
	if !w.fetch(ctx, l, &s) {
		return
	}
	for _, m := range w.members(ctx, s.PowerSupplies) {
		var p supply
		var numbers supplyMetrics
		if w.fetch(ctx, m, &p) {
			w.fetch(ctx, p.Metrics, &numbers)
			w.supply(chassis, p, numbers)
		}
	}
}

func (w *walk) supply(chassis string, s supply, m supplyMetrics) {
	if !s.Status.present() {
		return
	}
	id := s.id()
	w.value("idrac_power_supply_capacity_watts", s.PowerCapacityWatts, "id", id)
	w.value("idrac_power_supply_input_watts", m.InputPowerWatts.Reading, "id", id)
	w.value("idrac_power_supply_output_watts", m.OutputPowerWatts.Reading, "id", id)
	w.value("idrac_power_supply_input_voltage", m.InputVoltage.Reading, "id", id)
	worse := 0.0
	if s.Status.State == "UnavailableOffline" {
		worse = 2 // there, and gives nothing: mostly its cable
	}
	w.health("idrac_power_supply_health", "power_supply", chassis+"/"+id, s.name(), s.Status, worse, "id", id)
}
