package exposition

import "strings"

// Apart returns a Cache's Rename that keeps what Faultline says of a target from
// being said by its page: labels of that name become exported_…, as Prometheus
// has it. The label device stays the page's: disks and network cards have it, and
// boards ask for it.
func Apart(own map[string]string) func(string) string {
	return func(name string) string {
		switch name {
		case "device":
			return name
		case "site", "agent", "job", "instance":
			return "exported_" + name
		}
		if own[name] != "" {
			return "exported_" + name
		}
		return name
	}
}

// Own tells whether a series of this name is the agent's to write, so that a page
// that has it is not believed.
func Own(name string) bool {
	return name == "up" || name == "faultline_input_failed" || strings.HasPrefix(name, "scrape_")
}
