// Command faultline-agent measures hosts, devices and lines of one site and
// sends what it measured to a collector.
package main

import (
	"fmt"
	"os"

	"github.com/faultline/faultline/agent/app"
	"github.com/faultline/faultline/agent/config"
	"github.com/faultline/faultline/internal/command"
)

// version is set by the build.
var version = "dev"

type cli struct {
	Run      runCmd      `cmd:"" help:"Measure and send until stopped."`
	Check    checkCmd    `cmd:"" help:"Check the configuration and say what would be measured."`
	Doctor   doctorCmd   `cmd:"" help:"Examine this installation: directory, certificate, collector, clock, ports and every target, with what to do."`
	Status   statusCmd   `cmd:"" help:"Ask the running agent how it is."`
	Tail     tailCmd     `cmd:"" help:"Watch what the running agent measures."`
	Enrol    enrolCmd    `cmd:"" help:"Let this machine in at a collector, with a one-time token."`
	SNMP     snmpCmd     `cmd:"" name:"snmp" help:"Look at devices by SNMP."`
	Discover discoverCmd `cmd:"" help:"Look over networks and propose an inventory."`
	Service  serviceCmd  `cmd:"" help:"Make this a service of Windows."`
}

type checkCmd struct {
	Config string `help:"Configuration file." default:"/etc/faultline/agent.yaml" type:"path"`
}

// Run reads the configuration and reports every fault in it.
func (c *checkCmd) Run() error {
	cfg, err := config.Load(c.Config)
	if err != nil {
		return err
	}
	if err := app.Check(cfg); err != nil {
		return err
	}
	fmt.Printf("%s: agent %s, %d local targets, collector %s\n", c.Config, cfg.Agent, len(cfg.Targets), cfg.Collector.URL)
	return nil
}

func main() {
	var c cli
	program := command.Program{Name: "faultline-agent", Version: version,
		Description: "Measures hosts, devices and lines; keeps everything on disk until the collector has it."}
	if err := program.Choose(&c).Run(); err != nil {
		fmt.Fprintln(os.Stderr, "faultline-agent:", err)
		os.Exit(exitStatus(err))
	}
}
