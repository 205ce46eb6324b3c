package inventory

// namesInstance tells whether an input's samples are named after their device,
// and not after an address. Rules and boards for hosts find the machine by the
// label instance, since device may be one of its disks.
func namesInstance(input string) bool {
	switch input {
	case "scrape", "textfile", "file", "backup", "certificate", "log", "smart", "service":
		return true
	}
	return false
}

// checkScrapes: two exporters of a device need different jobs or components,
// since nothing else tells their series apart.
func (a *assembly) checkScrapes(w at, d Device) {
	type series struct{ agent, job, role, component string }
	seen := map[series]bool{}
	for i, t := range d.Targets {
		if t.Input != "scrape" {
			continue
		}
		k := series{t.Agent, job(targetOf(d.ID, t)), t.Role, t.Component}
		if seen[k] {
			a.bad(w.field("targets[%d]", i), "another scrape of this device has the same job %q and component %q: give one of them another options.job or component", k.job, k.component)
		}
		seen[k] = true
	}
}
