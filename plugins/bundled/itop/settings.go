package itop

import "github.com/faultline/faultline/plugins/desk"

// FromSettings is a Remote by the settings of a program: those of Options in
// lower case, fields and statuses as name=value pairs.
func FromSettings(s *desk.Settings) (desk.Remote, error) {
	return New(Options{URL: s.Text("url"), User: s.Text("user"), Password: s.Text("password"), Organization: s.Text("organization"), Caller: s.Text("caller"),
		Class: s.Text("class"), Fields: s.Pairs("fields"), Stimulus: s.Text("stimulus"), Statuses: s.Statuses("statuses")})
}
