package ipmi

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/faultline/faultline/agent/input/inputtest"
)

// TestSuites logs in to a BMC of the test's own with each cipher suite: ipmi_sim
// has 3 only. Its half of the login is written from the specification (13.28).
func TestSuites(t *testing.T) {
	for _, c := range suites {
		address := ownBMC(t, c)
		r := inputtest.Up(t, New(Options{}), target(address))
		r.Want(t, "ipmi_chassis_power_state", 1)
		inputtest.Down(t, New(Options{}), target(address, "password", "wrong"), "denied")
	}
}

// ownBMC answers logins with one suite, and device id, chassis status and event
// log; it has no sensors.
func ownBMC(t *testing.T, c suite) string {
	t.Helper()
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		s := &side{suite: c}
		b := make([]byte, maxPacket)
		for {
			n, from, err := l.ReadFrom(b)
			if err != nil {
				return
			}
			if out := s.answer(b[:n]); out != nil {
				_, _ = l.WriteTo(out, from)
			}
		}
	}()
	return l.LocalAddr().String()
}

// side is the BMC's side of one session.
type side struct {
	suite                   suite
	keys                    keys
	console, mine, who, rnd []byte
	number                  uint32
}

var guid, secretRandom = bytes.Repeat([]byte{0x5a}, 16), bytes.Repeat([]byte{0x33}, 16)

func (s *side) answer(b []byte) []byte {
	if b[5]&sealedFlags != 0 {
		return s.command(b)
	}
	kind, _, p, err := unpack(keys{}, b)
	if err != nil {
		return nil
	}
	switch kind {
	case payloadOpen:
		s.console, s.mine = slices.Clone(p[4:8]), []byte{9, 8, 7, 6}
		if p[12] != s.suite.auth {
			return pack(keys{}, payloadOpened, 0, 0, slices.Concat([]byte{p[0], 0x11, 0, 0}, s.console))
		}
		return pack(keys{}, payloadOpened, 0, 0, slices.Concat([]byte{p[0], 0, p[1], 0}, s.console, s.mine, p[8:32]))
	case payloadRAKP1:
		s.rnd, s.who = slices.Clone(p[8:24]), append([]byte{p[24]}, p[27:]...)
		return pack(keys{}, payloadRAKP2, 0, 0, slices.Concat([]byte{p[0], 0, 0, 0}, s.console, secretRandom, guid, s.suite.sum([]byte(password), s.console, s.mine, s.rnd, secretRandom, guid, s.who)))
	case payloadRAKP3:
		if !bytes.Equal(p[8:], s.suite.sum([]byte(password), secretRandom, s.console, s.who)) {
			return pack(keys{}, payloadRAKP4, 0, 0, slices.Concat([]byte{p[0], 0x0f, 0, 0}, s.console))
		}
		sik := s.suite.sum([]byte(password), s.rnd, secretRandom, s.who)
		s.keys = keys{s.suite, s.suite.sum(sik, bytes.Repeat([]byte{1}, 20)), s.suite.sum(sik, bytes.Repeat([]byte{2}, 20))[:16]}
		return pack(keys{}, payloadRAKP4, 0, 0, slices.Concat([]byte{p[0], 0, 0, 0}, s.console, s.suite.sum(sik, s.rnd, s.mine, guid)[:s.suite.signature]))
	}
	return nil
}

func (s *side) command(b []byte) []byte {
	_, _, p, err := unpack(s.keys, b)
	if err != nil {
		return nil
	}
	data := map[[2]byte]string{
		{netApp, 1}: "20010203510200a20200010000000000", {netChassis, 1}: "01000000", {netStorage, 0x40}: "51000000100000000000000000" + "02", {netStorage, 0x20}: "510000ffff000000000000000002",
	}[[2]byte{p[1] >> 2, p[5]}]
	code := byte(0)
	if data == "" {
		code = 0xc1
	}
	raw, _ := hex.DecodeString(data)
	out := []byte{softwareAddress, (p[1]>>2 + 1) << 2, 0, controller, p[4], p[5], code}
	out[2] = checksum(out[:2])
	out = append(out, raw...)
	out = append(out, checksum(out[3:]))
	s.number++
	return pack(s.keys, payloadIPMI, binary.LittleEndian.Uint32(s.console), s.number, out)
}

func testKeys(c suite) keys { return keys{c, bytes.Repeat([]byte{7}, 20), bytes.Repeat([]byte{8}, 16)} }

// TestSealed: what was sealed is opened again, and nothing else is.
func TestSealed(t *testing.T) {
	for _, c := range suites {
		k := testKeys(c)
		for n := range 40 {
			text := bytes.Repeat([]byte{byte(n)}, n)
			b := pack(k, payloadIPMI, 5, 6, text)
			kind, id, got, err := unpack(k, b)
			if err != nil || kind != payloadIPMI || id != 5 || !bytes.Equal(got, text) {
				t.Fatalf("suite %d, %d bytes: %v %v %x %v", c.id, n, kind, id, got, err)
			}
			for i := 4; i < len(b); i++ {
				b[i] ^= 1
				if _, _, _, err := unpack(k, b); err == nil {
					t.Errorf("suite %d, %d bytes: byte %d changed and taken", c.id, n, i)
				}
				b[i] ^= 1
			}
		}
		if _, _, _, err := unpack(k, pack(keys{}, payloadIPMI, 5, 6, []byte("x"))); err == nil {
			t.Error("an open packet is taken within a session")
		}
	}
}

func FuzzPacket(f *testing.F) {
	f.Add(pack(keys{}, payloadRAKP2, 0, 0, []byte{1, 0, 0, 0, 1, 2, 3, 4}))
	f.Add(pack(testKeys(suites[1]), payloadIPMI, 1, 1, message(netApp, 0, 1, 1, nil)))
	f.Fuzz(func(_ *testing.T, b []byte) {
		for _, k := range []keys{{}, testKeys(suites[0]), testKeys(suites[1])} {
			_, _, _, _ = unpack(k, b)
		}
		_, _ = decrypt(bytes.Repeat([]byte{8}, 16), b)
		_, _, _ = reply(b, netApp, 1, 1)
		_ = parseReading(b)
	})
}

func FuzzSDR(f *testing.F) {
	f.Add(full(1, 1, 1, 1, 1, 0, "Inlet Temp"), byte(20), uint16(0))
	f.Add(compact(4, 8, 0x6f, 2, "PS"), byte(1), uint16(3))
	f.Fuzz(func(t *testing.T, b []byte, raw byte, bits uint16) {
		found, _ := parseSDR(b)
		if len(found) > 15 {
			t.Errorf("%d sensors of one record", len(found))
		}
		for i := range found {
			found[i].emit(reading{raw, bits, true}, func(metric string, v float64, labels map[string]string) {
				if v != v || !strings.HasPrefix(metric, "ipmi_") || labels["name"] == "" {
					t.Errorf("%s %v %v", metric, v, labels)
				}
			})
		}
	})
}
