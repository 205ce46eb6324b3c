package app

import (
	"path/filepath"

	agentconfig "github.com/faultline/faultline/agent/config"
	"github.com/faultline/faultline/agent/input/certificate"
	"github.com/faultline/faultline/agent/input/log"
	"github.com/faultline/faultline/agent/input/service"
	"github.com/faultline/faultline/agent/input/smart"
	"github.com/faultline/faultline/agent/syslog"
	"github.com/faultline/faultline/plugins/input"
)

// local are the inputs that read this machine beside the input host. Hear takes
// the lines of logs; nil: they are not read, as when only an examination is asked.
func local(cfg agentconfig.Config, hear func(device, site string, l syslog.Local) (bool, error)) []input.Input {
	return []input.Input{certificate.New(certificate.Options{}), log.New(log.Options{Hear: hear, State: filepath.Join(cfg.Data, "log.json")}),
		smart.New(smart.Options{}), service.New(service.Options{})}
}
