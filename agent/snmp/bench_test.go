//go:build unix

package snmp_test

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/faultline/faultline/agent/snmp"
)

// benchDevices is how many devices are asked at once.
const benchDevices = 50

// benchName is a recording with 59 interfaces.
const benchName = "nxos_n9k-c93180yc-fx3"

// fleet starts a responder that plays many devices and returns their addresses.
func fleet(b *testing.B, flags ...string) []string {
	b.Helper()
	port := freePort(b)
	replay(b, append([]string{"-listen", fmt.Sprintf("127.0.2.1+%d:%d", benchDevices, port), "-max-msg", "1472"}, flags...)...)
	var addrs []string
	for i := range benchDevices {
		addrs = append(addrs, fmt.Sprintf("127.0.2.%d:%d", i+1, port))
	}
	return addrs
}

// cpu is what this process has used so far, itself and in the kernel.
func cpu(b *testing.B) (user, system time.Duration) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano()), time.Duration(u.Stime.Nano())
}

// sweep runs one function for each device at once, b.N times, and reports what
// 1,000 variable bindings cost this process; read returns how many came.
func sweep(b *testing.B, n int, read func(device int) int) {
	b.Helper()
	b.ReportAllocs()
	user, system := cpu(b)
	varbinds := 0
	var mu sync.Mutex
	for b.Loop() {
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				got := read(i)
				mu.Lock()
				defer mu.Unlock()
				varbinds += got
			})
		}
		wg.Wait()
	}
	u, k := cpu(b)
	per := func(d time.Duration) float64 { return d.Seconds() * 1000 / float64(varbinds) * 1000 }
	b.ReportMetric(per(u+k-user-system), "cpu-ms/1000vb")
	b.ReportMetric(per(u-user), "user-ms/1000vb")
	b.ReportMetric(float64(varbinds)/float64(b.N), "varbinds/op")
}

var benchRoots = []string{"1.3.6.1.2.1.2.2", "1.3.6.1.2.1.31.1.1"}

// BenchmarkSubtree25 reads both interface tables of 50 devices as snmpbulkwalk
// does: one OID a request, 25 repetitions, one request in flight for each device.
func BenchmarkSubtree25(b *testing.B) {
	addrs := fleet(b)
	b.Run("shared", func(b *testing.B) {
		tr := transport(b)
		var sessions []*snmp.Session
		for _, a := range addrs {
			sessions = append(sessions, open(b, tr, snmp.Config{Address: a, Community: benchName, Timeout: 2 * time.Second, Retries: 3}))
		}
		sweep(b, len(addrs), func(i int) int {
			n := 0
			for _, r := range benchRoots {
				n += subtree(b, sessions[i], snmp.MustParseOID(r))
			}
			return n
		})
	})
	b.Run("gosnmp", func(b *testing.B) {
		var clients []*gosnmp.GoSNMP
		for _, a := range addrs {
			clients = append(clients, client(b, a, benchName))
		}
		sweep(b, len(addrs), func(i int) int {
			n := 0
			for _, r := range benchRoots {
				if err := clients[i].BulkWalk(r, func(gosnmp.SnmpPDU) error { n++; return nil }); err != nil {
					b.Error(err)
				}
			}
			return n
		})
	})
}

// BenchmarkWalk reads both tables column by column, as Walk likes it.
func BenchmarkWalk(b *testing.B) {
	addrs := fleet(b)
	tr := transport(b)
	cols := interfaces()
	sessions := make([]*snmp.Session, len(addrs))
	learned := make([]snmp.Learned, len(addrs))
	for i, a := range addrs {
		sessions[i] = open(b, tr, snmp.Config{Address: a, Community: benchName, Timeout: 2 * time.Second, Retries: 3})
		hello(b, sessions[i])
	}
	var packets int
	sweep(b, len(addrs), func(i int) int {
		o, err := sessions[i].Walk(context.Background(), &learned[i], cols, func(int, []byte, snmp.Value) {})
		if err != nil || !o.Whole() {
			b.Errorf("%v %+v", err, o)
		}
		if i == 0 {
			packets = o.Requests
		}
		return o.Varbinds
	})
	b.ReportMetric(float64(packets), "packets/device")
}

// subtree reads what lies below root with 25 repetitions.
func subtree(b *testing.B, s *snmp.Session, root snmp.OID) int {
	n := 0
	ask := []snmp.OID{root}
	for {
		r, err := s.Do(context.Background(), snmp.Bulk, ask, 0, 25)
		if err != nil {
			b.Error(err)
			return n
		}
		vb := r.Varbinds()
		var last []byte
		for vb.Next() {
			if len(vb.OID) <= len(root) || string(vb.OID[:len(root)]) != string(root) || vb.Value.Type == snmp.EndOfMIBView {
				return n
			}
			if _, ok := vb.Value.Float64(); !ok && vb.Value.Bytes() == nil && vb.Value.OID() == "" {
				b.Errorf("value of type %#x", vb.Value.Type)
			}
			last = vb.OID
			n++
		}
		ask[0] = snmp.OID(last)
	}
}

func client(b *testing.B, addr, community string) *gosnmp.GoSNMP {
	host, port := addr[:len(addr)-6], 0
	fmt.Sscanf(addr[len(addr)-5:], "%d", &port)
	g := &gosnmp.GoSNMP{Target: host, Port: uint16(port), Version: gosnmp.Version2c, Community: community, MaxRepetitions: 25,
		Timeout: 2 * time.Second, Retries: 3}
	if err := g.Connect(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { g.Close() })
	return g
}

// BenchmarkV3 reads 25 variable bindings a message from snmpd with authentication
// and privacy, 40 messages for each operation.
func BenchmarkV3(b *testing.B) {
	a := start(b, "", "createUser u SHA-256 "+authPassword+" AES "+privPassword, "rouser u priv")
	user := snmp.User{Name: "u", Auth: snmp.SHA256, AuthPassword: authPassword, Priv: snmp.AES128, PrivPassword: privPassword}
	const messages = 40
	b.Run("own", func(b *testing.B) {
		s := open(b, transport(b), snmp.Config{Address: a.addr, Version: snmp.V3, User: user})
		sweep(b, 1, func(int) int {
			n := 0
			for range messages {
				r, err := s.Do(context.Background(), snmp.Bulk, []snmp.OID{snmp.MustParseOID("1.3.6.1.2.1")}, 0, 25)
				if err != nil {
					b.Fatal(err)
				}
				for vb := r.Varbinds(); vb.Next(); n++ {
				}
			}
			return n
		})
	})
	b.Run("gosnmp", func(b *testing.B) {
		g := client(b, a.addr, "")
		g.Version, g.SecurityModel, g.MsgFlags = gosnmp.Version3, gosnmp.UserSecurityModel, gosnmp.AuthPriv
		g.SecurityParameters = &gosnmp.UsmSecurityParameters{UserName: "u", AuthenticationProtocol: gosnmp.SHA256, AuthenticationPassphrase: authPassword,
			PrivacyProtocol: gosnmp.AES, PrivacyPassphrase: privPassword}
		if err := g.Connect(); err != nil {
			b.Fatal(err)
		}
		sweep(b, 1, func(int) int {
			n := 0
			for range messages {
				p, err := g.GetBulk([]string{"1.3.6.1.2.1"}, 0, 25)
				if err != nil {
					b.Fatal(err)
				}
				n += len(p.Variables)
			}
			return n
		})
	})
}
