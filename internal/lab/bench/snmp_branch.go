package main

import (
	"context"
	"fmt"
)

// branchDevices are the devices of a branch with much in it.
const branchDevices = 50

// measureSNMPBranch measures an agent with the devices of one branch.
func measureSNMPBranch(ctx context.Context, o options) (table, error) {
	name := fmt.Sprintf("snmp-branch: %d devices of %d varbinds every %s, watched for %s", branchDevices, snmpRows*len(ifColumns), snmpInterval, o.window)
	return withResponder(ctx, o, name, func(ctx context.Context, o options, bin string, t *table) error {
		r, err := startResponder(ctx, o, bin, fleet{devices: branchDevices, rows: snmpRows})
		if err != nil {
			return err
		}
		defer r.stop()
		c, err := startStore(ctx, o)
		if err != nil {
			return err
		}
		defer c.stop()
		a, err := startPoller(ctx, o, c, pollers(r, branchDevices, snmpInterval, nil))
		if err != nil {
			return err
		}
		defer a.stop()
		if err := sleep(ctx, snmpWarm); err != nil {
			return err
		}
		s, err := watchSweeps(ctx, o, r, a.process)
		if err != nil {
			return err
		}
		t.add("PSS, highest", "≤ 40 MiB", s.pss, mib, "")
		t.add("RSS, highest since the start", "≤ 40 MiB", s.rss, mib, "")
		t.add("CPU for 1,000 varbinds received", "", s.cpu, "ms", "")
		t.add("varbinds a sweep", "", s.varbinds, "", "")
		return nil
	})
}
