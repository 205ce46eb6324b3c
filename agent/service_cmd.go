package main

// serviceCmd are the commands that make this program a service of Windows.
type serviceCmd struct {
	Install serviceInstallCmd `cmd:"" help:"Run at every start of this machine (Windows)."`
	Remove  serviceRemoveCmd  `cmd:"" help:"Do so no longer; configuration, identity and what was not sent stay (Windows)."`
}

type serviceInstallCmd struct {
	Config string `help:"Configuration file." default:"/etc/faultline/agent.yaml" type:"path"`
}

// Run makes the service; it does not start it.
func (c *serviceInstallCmd) Run() error { return installService(c.Config) }

type serviceRemoveCmd struct{}

// Run stops the service and takes it out.
func (*serviceRemoveCmd) Run() error { return removeService() }
