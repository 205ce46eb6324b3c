package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// settled is how long plugins run before they are watched: past what is given back
// after the start.
const settled = 30 * time.Second

// measurePlugin watches the plugin host and one plugin, both children of an agent
// that measures its host, while the plugin reads its target every 10 s.
func measurePlugin(ctx context.Context, o options) (table, error) {
	t := table{Name: fmt.Sprintf("plugin: the plugin host and one plugin that reads every %s, watched for %s", hostInterval, o.window)}
	c, err := startCollector(ctx, o, settings{estate: estate{writers: 1}})
	if err != nil {
		return t, err
	}
	defer c.stop()
	meter := filepath.Join(o.work, "meter")
	build := exec.CommandContext(ctx, o.goTool, "build", "-trimpath", "-ldflags", "-s -w", "-o", meter, "./plugins/template/go/input")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if b, err := build.CombinedOutput(); err != nil {
		return t, fmt.Errorf("build the example plugin: %w\n%s", err, b)
	}
	thermometer, err := startThermometer(ctx)
	if err != nil {
		return t, err
	}
	defer thermometer.Close()
	for _, p := range []struct{ name, program, options string }{
		{"the example (2 values)", meter, ""},
		{"Oracle and SQL Server (no server answers)", filepath.Join(o.bin, "plugins", "faultline-input-enterprise"), ", options: {kind: oracle, service: XE, user: bench}"},
	} {
		if err := measureOnePlugin(ctx, o, &t, c, p.name, p.program, thermometer.Addr().String()+"\""+p.options); err != nil {
			return t, err
		}
	}
	t.note("A peer with plugins in processes of their own was not there to be measured. Memory is that of children only; the agent's own is in the section agent.")
	return t, nil
}

// measureOnePlugin adds the rows of one plugin.
func measureOnePlugin(ctx context.Context, o options, t *table, c *collector, name, program, target string) error {
	b, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	agent, err := startAgentWith(ctx, o, c, fmt.Sprintf("plugins:\n- {name: meter, contract: input, path: %q, sha256: %x}\ntargets:\n- {id: room, input: meter, interval: %s, address: \"%s}\n",
		program, sha256.Sum256(b), hostInterval, target))
	if err != nil {
		return err
	}
	defer agent.stop()
	var host, plugin *process
	if err := eventually(ctx, time.Minute, func() (err error) {
		if host, err = agent.child("plugin host"); err == nil {
			plugin, err = host.child("plugin")
		}
		return err
	}); err != nil {
		return agent.failed(err)
	}
	if err := sleep(ctx, settled); err != nil {
		return err
	}
	seen, err := watch(ctx, o.window, host, plugin)
	if err != nil {
		return err
	}
	t.add(name+": PSS of both, mean", "≤ 25 MiB", seen[0].mean.PSS+seen[1].mean.PSS, mib, fmt.Sprintf("host %s, plugin %s", figure(seen[0].mean.PSS), figure(seen[1].mean.PSS)))
	t.add(name+": PSS of both, highest", "≤ 25 MiB", seen[0].peak.PSS+seen[1].peak.PSS, mib, fmt.Sprintf("host %s, plugin %s", figure(seen[0].peak.PSS), figure(seen[1].peak.PSS)))
	t.add(name+": CPU of both, of one core", "", seen[0].percent+seen[1].percent, "%", fmt.Sprintf("host %s, plugin %s", figure(seen[0].percent), figure(seen[1].percent)))
	return nil
}

// child is the one process that p's threads have started.
func (p *process) child(name string) (*process, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", p.cmd.Process.Pid))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // a thread that ended
		}
		for _, f := range strings.Fields(string(b)) {
			pid, err := strconv.Atoi(f)
			if err != nil {
				return nil, err
			}
			found, err := os.FindProcess(pid)
			if err != nil {
				return nil, err
			}
			return &process{name: name, log: p.log, cmd: &exec.Cmd{Process: found}}, nil
		}
	}
	return nil, errors.New(p.name + " has started no process")
}

// startThermometer is what the example plugin reads.
func startThermometer(ctx context.Context) (net.Listener, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() { // ends with the listener
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("21.5 43\n"))
			_ = conn.Close()
		}
	}()
	return ln, nil
}
