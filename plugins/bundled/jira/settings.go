package jira

import "github.com/faultline/faultline/plugins/desk"

// FromSettings is a Remote by the settings of a program: those of Options, with
// underscores (close_transition), priorities and statuses as name=value pairs.
func FromSettings(s *desk.Settings) (desk.Remote, error) {
	return New(Options{URL: s.Text("url"), User: s.Text("user"), Token: s.Text("token"), Project: s.Text("project"), IssueType: s.Text("issue_type"),
		Version: s.Number("version"), Priorities: s.Pairs("priorities"), CloseTransition: s.Text("close_transition"), Statuses: s.Statuses("statuses")})
}
