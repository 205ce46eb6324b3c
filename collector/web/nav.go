package web

// navItem is one entry of the console's navigation.
type navItem struct {
	Path, Key string // Key is of its name
	Here      bool   // it is the page shown
}

// navBar is the navigation: what is used all day stands in the bar, the rest in a
// menu.
type navBar struct {
	Main, More []navItem
	InMore     string // key of the menu's entry that is shown now; "": none is
}

// Nav returns the entries that the person may see.
func (p *page) Nav() navBar {
	var out navBar
	for _, e := range []struct {
		path, key string
		has       bool
	}{
		{"/", "nav.estate", true}, {"/incidents", "nav.incidents", true}, {"/report", "nav.report", p.HasReporting}, {"/request", "nav.request", p.HasRequests},
		{"/oncall", "nav.oncall", p.HasDuty}, {"/register", "nav.register", p.HasRegister}, {"/knowledge", "nav.knowledge", p.HasKnowledge},
	} {
		if e.has {
			out.Main = append(out.Main, navItem{e.path, e.key, p.Path == e.path})
		}
	}
	for _, e := range []struct {
		path, key string
		has       bool
	}{
		{"/mails", "nav.mails", p.HasMail()}, {"/told", "nav.told", p.HasTold}, {"/daily", "nav.daily", p.HasDaily}, {"/processes", "nav.processes", p.HasProcesses},
		{"/quiets", "nav.quiets", p.HasQuiets}, {"/drills", "nav.drills", p.HasDrills}, {"/practice", "nav.practice", p.HasPractice}, {"/topology", "nav.topology", p.HasTopology},
		{"/agents", "nav.agents", p.HasFleet}, {"/auditor", "nav.auditor", p.HasAuditor}, {"/users", "nav.users", p.IsAdmin},
	} {
		if e.has {
			here := p.Path == e.path
			out.More = append(out.More, navItem{e.path, e.key, here})
			if here {
				out.InMore = e.key
			}
		}
	}
	return out
}
