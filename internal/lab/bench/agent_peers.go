package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// hostPeer is another program that measures its own host every hostInterval.
type hostPeer struct {
	*process
	what string                      // what it does, for the table
	ask  func(context.Context) error // makes it measure once; nil: it does by itself
}

// hostPeers starts those of the peers that are there; the others are named.
func hostPeers(ctx context.Context, o options) (peers []hostPeer, missing []string) {
	for _, start := range []func(context.Context, options) (hostPeer, error){startZabbix, startCollectd} {
		p, err := start(ctx, o)
		if err != nil {
			missing = append(missing, err.Error())
			continue
		}
		peers = append(peers, p)
	}
	return peers, missing
}

// unpacked finds a program in the packages that .ci/bench unpacked, or installed.
func unpacked(o options, pkg, name string) (path, root string, err error) {
	root = filepath.Join(o.peers, pkg)
	if path, err = exec.LookPath(filepath.Join(root, "usr", "sbin", name)); err == nil {
		return path, root, nil
	}
	if path, err = exec.LookPath("/usr/sbin/" + name); err == nil {
		return path, "/", nil
	}
	return "", "", fmt.Errorf("%s is not there (Debian package %s)", name, pkg)
}

// startZabbix starts a zabbix_agent2 whose items are asked for one by one, as a
// server does with passive checks.
func startZabbix(ctx context.Context, o options) (hostPeer, error) {
	path, _, err := unpacked(o, "zabbix-agent2", "zabbix_agent2")
	if err != nil {
		return hostPeer{}, err
	}
	dir, err := os.MkdirTemp(o.work, "zabbix-")
	if err != nil {
		return hostPeer{}, err
	}
	address, err := lowAddress(ctx)
	if err != nil {
		return hostPeer{}, err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return hostPeer{}, err
	}
	file := filepath.Join(dir, "zabbix.conf")
	text := fmt.Sprintf("LogType=console\nPidFile=%[1]s/pid\nServer=127.0.0.1\nListenIP=%[2]s\nListenPort=%[3]s\nHostname=bench\nControlSocket=%[1]s/ctl\nPluginSocket=%[1]s/plug\n", dir, host, port)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return hostPeer{}, err
	}
	p, err := start(ctx, o, path, "-f", "-c", file)
	if err != nil {
		return hostPeer{}, err
	}
	if err := eventually(ctx, 20*time.Second, func() error { _, err := zabbixItem(ctx, address, "agent.ping"); return err }); err != nil {
		p.stop()
		return hostPeer{}, p.failed(err)
	}
	items := zabbixItems()
	return hostPeer{p, fmt.Sprintf("zabbix_agent2 answers %d items, each asked for by itself", len(items)), func(ctx context.Context) error {
		for _, key := range items {
			if _, err := zabbixItem(ctx, address, key); err != nil {
				return fmt.Errorf("zabbix_agent2: %s: %w", key, err)
			}
		}
		return nil
	}}, nil
}

// lowAddress is a free address with a port that zabbix_agent2 takes: below 32768.
func lowAddress(ctx context.Context) (string, error) {
	for port := 20000 + os.Getpid()%10000; port < 32768; port++ {
		ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		return ln.Addr().String(), ln.Close()
	}
	return "", errors.New("no port below 32768 is free")
}

// zabbixItems are about those of its own template for Linux, with what there is of
// interfaces and the root file system.
func zabbixItems() []string {
	items := strings.Fields("agent.ping agent.version system.uptime system.boottime system.localtime system.hostname kernel.maxfiles kernel.maxproc proc.num proc.num[,,run] system.users.num " +
		"system.cpu.num system.cpu.intr system.cpu.switches system.cpu.load[all,avg1] system.cpu.load[all,avg5] system.cpu.load[all,avg15] vm.memory.size[available] vm.memory.size[total] vm.memory.size[pavailable] " +
		"system.swap.size[,free] system.swap.size[,pfree] system.swap.size[,total] vfs.fs.size[/,used] vfs.fs.size[/,total] vfs.fs.size[/,pused] vfs.fs.inode[/,pfree] vfs.file.contents[/proc/loadavg]")
	for _, mode := range strings.Fields("user nice system idle iowait interrupt softirq steal guest guest_nice") {
		items = append(items, "system.cpu.util[,"+mode+"]")
	}
	links, err := net.Interfaces()
	if err != nil {
		return items
	}
	for _, l := range links {
		for _, what := range []string{"", ",errors", ",dropped"} {
			items = append(items, "net.if.in["+l.Name+what+"]", "net.if.out["+l.Name+what+"]")
		}
	}
	return items
}

// zabbixItem asks for one item by the agent's protocol: ZBXD, 1, the length in
// eight bytes, the key.
func zabbixItem(ctx context.Context, address, key string) ([]byte, error) {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return nil, err
	}
	msg := append([]byte("ZBXD\x01"), binary.LittleEndian.AppendUint64(nil, uint64(len(key)))...)
	if _, err := conn.Write(append(msg, key...)); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(conn, 1<<20))
	switch {
	case err != nil:
		return nil, err
	case len(b) < 13:
		return nil, errors.New("no answer")
	case strings.HasPrefix(string(b[13:]), "ZBX_NOTSUPPORTED"):
		return nil, errors.New("not supported")
	}
	return b[13:], nil
}

// startCollectd starts a collectd that reads about what node_exporter reads; without
// a writer it drops the values.
func startCollectd(ctx context.Context, o options) (hostPeer, error) {
	path, root, err := unpacked(o, "collectd-core", "collectd")
	if err != nil {
		return hostPeer{}, err
	}
	dir, err := os.MkdirTemp(o.work, "collectd-host-")
	if err != nil {
		return hostPeer{}, err
	}
	file := filepath.Join(dir, "collectd.conf")
	text := fmt.Sprintf("BaseDir %q\nPIDFile %q\nInterval %d\nPluginDir %q\nTypesDB %q\n", dir, filepath.Join(dir, "pid"), int(hostInterval.Seconds()), filepath.Join(root, "usr/lib/collectd"), filepath.Join(root, "usr/share/collectd/types.db"))
	plugins := strings.Fields("conntrack contextswitch cpu df disk entropy fhcount interface irq load memory numa processes protocols swap tcpconns uptime users vmem")
	for _, name := range plugins {
		text += "LoadPlugin " + name + "\n"
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return hostPeer{}, err
	}
	p, err := start(ctx, o, path, "-f", "-C", file)
	if err != nil {
		return hostPeer{}, err
	}
	return hostPeer{p, fmt.Sprintf("collectd reads with %d plugins and drops the values", len(plugins)), nil}, nil
}
