package trap

import (
	"net/netip"
	"runtime"
	"testing"

	"github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/internal/secret"
)

// BenchmarkReceive measures one datagram from the socket to the queue, by what
// becomes of it.
func BenchmarkReceive(b *testing.B) {
	user := snmp.User{Name: "u", Auth: snmp.SHA256, AuthPassword: authPassword, Priv: snmp.AES128, PrivPassword: privPassword}
	target := listenRaw(b)
	if err := send(b, b.TempDir(), "snmptrap", append([]string{"-v3", "-u", "u", "-l", "authPriv", "-a", "SHA-256", "-A", authPassword, "-x", "AES", "-X", privPassword,
		target.LocalAddr().String()}, linkDown()...)...); err != nil {
		b.Fatal(err)
	}
	secured := answered(b, target)
	from := answer{to: netip.MustParseAddrPort("10.0.0.1:162")}
	plenty := Options{Communities: []secret.String{"public"}, Users: []snmp.User{user}, Notifications: shipped(b), SourceRate: 1e9, SourceBurst: 1e9, GlobalRate: 1e9, GlobalBurst: 1e9, DatagramRate: 1e9}
	few := plenty
	few.SourceRate, few.SourceBurst, few.DatagramRate = 1, 1, 1
	name := []byte("GigabitEthernet0/0/7")
	fresh := func(i int) []byte {
		return v2c("public", 0xa7, i, i+1, ifDown, ifIndex(7), bind0("1.3.6.1.2.1.31.1.1.1.1.7", 4, name))
	}
	for _, bb := range []struct {
		name     string
		options  Options
		datagram func(int) []byte
	}{
		{"event 2c", plenty, fresh},
		{"repeat 3 authPriv", plenty, func(int) []byte { return append([]byte(nil), secured...) }},
		{"wrong community", plenty, func(i int) []byte { return v2c("wrong", 0xa7, i, i+1, ifDown, ifIndex(7)) }},
		{"flood", few, fresh},
	} {
		b.Run(bb.name, func(b *testing.B) {
			r := receiver(b, bb.options)
			datagrams := make([][]byte, 4096)
			for i := range datagrams {
				datagrams[i] = bb.datagram(i)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				r.receive(datagrams[i%len(datagrams)], from)
				for len(r.queue) > 0 {
					<-r.queue
				}
			}
		})
	}
}

// BenchmarkMemory measures what a receiver and the names of all notifications
// keep, in bytes.
func BenchmarkMemory(b *testing.B) {
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	names := shipped(b)
	after := heap()
	r := receiver(b, Options{Notifications: names})
	with := heap()
	for b.Loop() {
	}
	b.ReportMetric(float64(after-before), "names-bytes")
	b.ReportMetric(float64(with-after), "receiver-bytes")
	runtime.KeepAlive(r)
}
