package host

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"regexp"
	"strconv"
)

var netstatNames = regexp.MustCompile(`^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$`)

func (l *linux) netstat(_ context.Context, e *emitter) error {
	for _, file := range []string{"net/netstat", "net/snmp"} {
		b, err := e.read(l.proc(file))
		if err != nil {
			return err
		}
		netstatPairs(b, e)
	}
	b, err := e.read(l.proc("net/snmp6"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	eachLine(b, func(f [][]byte) {
		if len(f) != 2 {
			return
		}
		six := bytes.IndexByte(f[0], '6') // Ip6InOctets is Ip6_InOctets
		v, ok := parseNumber(f[1])
		if six < 0 || !ok {
			return
		}
		putNetstat(e, f[0][:six+1], f[0][six+1:], v)
	})
	return nil
}

// netstatPairs reads lines of names, each followed by a line of numbers.
func netstatPairs(b []byte, e *emitter) {
	for len(b) > 0 {
		var heads, values []byte
		heads, b, _ = bytes.Cut(b, []byte{'\n'})
		values, b, _ = bytes.Cut(b, []byte{'\n'})
		group, heads, _ := bytes.Cut(heads, []byte{':'})
		_, values, _ = bytes.Cut(values, []byte{':'})
		for len(heads) > 0 && len(values) > 0 {
			var name, value []byte
			name, heads = nextWord(heads)
			value, values = nextWord(values)
			if v, ok := parseNumber(value); ok {
				putNetstat(e, group, name, v)
			}
		}
	}
}

// putNetstat hands over a counter that node_exporter's default takes too.
func putNetstat(e *emitter, group, name []byte, v float64) {
	const prefix = "node_netstat_"
	full := e.concat([]byte(prefix), group, []byte("_"), name)
	if netstatNames.MatchString(full[len(prefix):]) {
		e.put(full, v)
	}
}

func nextWord(b []byte) (word, rest []byte) {
	b = bytes.TrimLeft(b, " ")
	word, rest, _ = bytes.Cut(b, []byte{' '})
	return word, rest
}

func (l *linux) sockstat(_ context.Context, e *emitter) error {
	const page = 4096
	for _, file := range []string{"net/sockstat", "net/sockstat6"} {
		b, err := e.read(l.proc(file))
		if errors.Is(err, fs.ErrNotExist) && file == "net/sockstat6" {
			return nil
		}
		if err != nil {
			return err
		}
		eachLine(b, func(f [][]byte) {
			if len(f) == 0 {
				return
			}
			group := bytes.TrimSuffix(f[0], []byte(":"))
			for i := 1; i+1 < len(f); i += 2 {
				v, ok := parseNumber(f[i+1])
				if !ok {
					continue
				}
				e.put(e.concat([]byte("node_sockstat_"), group, []byte("_"), f[i]), v)
				if string(f[i]) == "mem" {
					e.put(e.concat([]byte("node_sockstat_"), group, []byte("_mem_bytes")), v*page)
				}
			}
		})
	}
	return nil
}

var softnetNames = []struct {
	column int
	name   string
}{
	{0, "node_softnet_processed_total"}, {1, "node_softnet_dropped_total"}, {2, "node_softnet_times_squeezed_total"},
	{8, "node_softnet_cpu_collision_total"}, {9, "node_softnet_received_rps_total"},
	{10, "node_softnet_flow_limit_count_total"}, {11, "node_softnet_backlog_len"},
}

func (l *linux) softnet(_ context.Context, e *emitter) error {
	b, err := e.read(l.proc("net/softnet_stat"))
	if err != nil {
		return err
	}
	cpu := 0
	eachLine(b, func(f [][]byte) {
		if len(f) == 0 {
			return
		}
		name := strconv.Itoa(cpu)
		if len(f) > 12 { // newer kernels say which processor the line is of
			if n, err := strconv.ParseUint(string(f[12]), 16, 32); err == nil {
				name = strconv.FormatUint(n, 10)
			}
		}
		for _, s := range softnetNames {
			if s.column < len(f) {
				if v, err := strconv.ParseUint(string(f[s.column]), 16, 64); err == nil {
					e.put(s.name, float64(v), "cpu", name)
				}
			}
		}
		cpu++
	})
	return nil
}

// conntrack reads how full the connection table is.
func (l *linux) conntrack(_ context.Context, e *emitter) error {
	v, ok := e.number(l.proc("sys/net/netfilter/nf_conntrack_count"))
	if !ok {
		return fs.ErrNotExist
	}
	e.put("node_nf_conntrack_entries", v)
	if v, ok := e.number(l.proc("sys/net/netfilter/nf_conntrack_max")); ok {
		e.put("node_nf_conntrack_entries_limit", v)
	}
	return nil
}

func (l *linux) arp(_ context.Context, e *emitter) error {
	b, err := e.read(l.proc("net/arp"))
	if err != nil {
		return err
	}
	counts := map[string]float64{}
	eachLine(b, func(f [][]byte) {
		if len(f) == 6 && string(f[3]) != "00:00:00:00:00:00" {
			counts[e.word(f[5])]++
		}
	})
	for device, n := range counts {
		e.put("node_arp_entries", n, "device", device)
	}
	return nil
}

var netdevNames = [...]string{
	"node_network_receive_bytes_total", "node_network_receive_packets_total", "node_network_receive_errs_total", "node_network_receive_drop_total",
	"node_network_receive_fifo_total", "node_network_receive_frame_total", "node_network_receive_compressed_total", "node_network_receive_multicast_total",
	"node_network_transmit_bytes_total", "node_network_transmit_packets_total", "node_network_transmit_errs_total", "node_network_transmit_drop_total",
	"node_network_transmit_fifo_total", "node_network_transmit_colls_total", "node_network_transmit_carrier_total", "node_network_transmit_compressed_total",
}

func (l *linux) netdev(_ context.Context, e *emitter) error {
	b, err := e.read(l.proc("net/dev"))
	if err != nil {
		return err
	}
	var fields [len(netdevNames)][]byte
	for len(b) > 0 {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte{'\n'})
		name, rest, ok := bytes.Cut(line, []byte{':'})
		if !ok {
			continue // heads
		}
		device := e.word(bytes.TrimSpace(name))
		for i, f := range split(rest, fields[:0]) {
			if v, ok := parseNumber(f); ok {
				e.put(netdevNames[i], v, "device", device)
			}
		}
	}
	return nil
}
