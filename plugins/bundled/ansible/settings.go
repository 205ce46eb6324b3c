package ansible

import (
	"os"

	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/plugins/desk"
	"github.com/faultline/faultline/plugins/runner"
)

// KeepArgument is what a program that serves this runner is started with when it
// is to be the keeper of a run.
const KeepArgument = "keep-run"

// FromSettings is a runner by the settings of a program: those of Options in
// lower case. The keeper is the program itself.
func FromSettings(s *desk.Settings) (*runner.Runner, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	o := Options{Playbooks: s.Text("playbooks"), Inventory: s.Text("inventory"), Book: s.Text("book"), Program: s.Text("program"), User: s.Text("user"),
		KeyFile: s.Text("private_key_file"), Vault: secret.String(s.Text("vault_password")), Keeper: []string{self, KeepArgument}}
	if err := s.Err(); err != nil {
		return nil, err
	}
	return New(o)
}
