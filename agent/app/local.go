package app

import (
	agentconfig "github.com/faultline/faultline/agent/config"
	"github.com/faultline/faultline/agent/input/certificate"
	"github.com/faultline/faultline/plugins/input"
)

// local are the inputs that read this machine beside the input host.
func local(_ agentconfig.Config) []input.Input {
	return []input.Input{certificate.New(certificate.Options{})}
}
