package servicedeskplus

import "github.com/faultline/faultline/plugins/desk"

// FromSettings is a Remote by the settings of a program: those of Options, with
// underscores (key_field), priorities and statuses as name=value pairs.
func FromSettings(s *desk.Settings) (desk.Remote, error) {
	return New(Options{URL: s.Text("url"), Key: s.Text("key"), Cloud: s.Whether("cloud"), Requester: s.Text("requester"), KeyField: s.Text("key_field"),
		Priorities: s.Pairs("priorities"), Closes: s.Whether("closes"), Statuses: s.Statuses("statuses")})
}
