package snmp

import (
	"bytes"
	"errors"
	"testing"

	"github.com/gosnmp/gosnmp"
)

// sampleInform is an inform of version 2c with a request-id below zero, as some
// agents number them.
func sampleInform() (message, list []byte) {
	bind := appendElement(appendElement(nil, ObjectID, MustParseOID("1.3.6.1.6.3.1.1.4.1.0")), ObjectID, MustParseOID("1.3.6.1.6.3.1.1.5.3"))
	list = appendElement(nil, tagSequence, bind)
	pdu := appendAnswer(nil, PDUInform, []byte{0xfe}, list)
	message = append(appendElement([]byte{Integer, 1, 1}, OctetString, "public"), pdu...)
	return appendElement(nil, tagSequence, message), list
}

func TestInformIsAnswered(t *testing.T) {
	inform, list := sampleInform()
	m, err := ParseMessage(inform)
	if err != nil || m.Version != V2c || string(m.Community) != "public" || m.PDU.Tag != PDUInform {
		t.Fatalf("%+v, %v", m, err)
	}
	vb := m.PDU.Varbinds()
	if !vb.Next() || vb.Value.OID() != MustParseOID("1.3.6.1.6.3.1.1.5.3") || vb.Next() || vb.Cut() {
		t.Errorf("%+v", vb)
	}
	answer := m.AppendResponse([]byte("before"), Authority{}, nil)
	if !bytes.HasPrefix(answer, []byte("before")) {
		t.Fatalf("%x", answer)
	}
	r, err := ParseMessage(answer[len("before"):])
	if err != nil || r.PDU.Tag != pduResponse || !bytes.Equal(r.PDU.RequestID(), []byte{0xfe}) || !bytes.Equal(r.PDU.list, list) || string(r.Community) != "public" {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestTrapOfGosnmp reads what another implementation encodes.
func TestTrapOfGosnmp(t *testing.T) {
	packet := &gosnmp.SnmpPacket{Version: gosnmp.Version1, Community: "public", PDUType: gosnmp.Trap,
		SnmpTrap:  gosnmp.SnmpTrap{Enterprise: ".1.3.6.1.4.1.318", AgentAddress: "10.0.0.9", GenericTrap: 6, SpecificTrap: 5, Timestamp: 4711},
		Variables: []gosnmp.SnmpPDU{{Name: ".1.3.6.1.4.1.318.2.3.3.0", Type: gosnmp.OctetString, Value: "on battery"}}}
	b, err := packet.MarshalMsg()
	if err != nil {
		t.Fatal(err)
	}
	m, err := ParseMessage(b)
	if err != nil {
		t.Fatal(err)
	}
	p := &m.PDU
	if p.Tag != PDUTrapV1 || p.Enterprise.String() != "1.3.6.1.4.1.318" || p.Agent.String() != "10.0.0.9" || p.Generic != 6 || p.Specific != 5 || p.Uptime != 4711 {
		t.Errorf("%+v", p)
	}
	vb := p.Varbinds()
	if !vb.Next() || string(vb.Value.Bytes()) != "on battery" {
		t.Errorf("%+v", vb)
	}
}

// TestMessageOfVersion3: only the right keys open a message, what trails it does
// not matter, and a message may be tried with several.
func TestMessageOfVersion3(t *testing.T) {
	strong := User{Name: "u", Auth: SHA256, AuthPassword: "auth-secret-1", Priv: AES256C, PrivPassword: "priv-secret-1"}
	other := strong
	other.AuthPassword = "something else"
	private := strong
	private.PrivPassword = "something else"
	engine := "engine-1"
	keys := func(u User) *Keys {
		r, err := NewRecipient(u)
		if err != nil {
			t.Fatal(err)
		}
		return r.Keys(engine)
	}
	sender := keys(strong)
	sender.full = newSealer(strong, engine, sender.recipient.key)
	_, list := sampleInform()
	trap := &Message{Version: V3, User: []byte("u")}
	b := trap.seal(nil, flagAuth|flagPriv, Authority{engine, 3, 1000}, sender, engine, appendAnswer(nil, PDUTrap, []byte{7}, list))
	m, err := ParseMessage(append(b, "trailing"...))
	if err != nil || !m.Auth || !m.Priv || m.Reportable || string(m.Engine) != engine || string(m.User) != "u" || m.Boots != 3 || m.Time != 1000 {
		t.Fatalf("%+v, %v", m, err)
	}
	plain := strong
	plain.Priv, plain.PrivPassword = NoPriv, ""
	for _, tt := range []struct {
		name string
		user User
		want error
	}{
		{"wrong password", other, USMDigest}, {"wrong privacy password", private, USMDecrypt}, {"user of a lower level", plain, USMLevel}, {"right", strong, nil},
	} {
		if err := m.Open(keys(tt.user)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	if m.PDU.Tag != PDUTrap || !bytes.Equal(m.PDU.list, list) {
		t.Errorf("%+v", m.PDU)
	}
	if err := m.OpenPlain(); !errors.Is(err, USMLevel) {
		t.Errorf("opened without keys: %v", err)
	}
}

func TestMessagesThatAreNone(t *testing.T) {
	inform, _ := sampleInform()
	for _, b := range [][]byte{nil, {0x30}, {0x30, 0}, []byte("GET / HTTP/1.1\r\n\r\n"), {0x30, 3, 2, 1, 1}, {0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 2, 1, 1},
		inform[:8], inform[:18], appendElement(nil, tagSequence, []byte{Integer, 1, 3})} {
		if m, err := ParseMessage(b); !errors.Is(err, ErrNoMessage) {
			t.Errorf("%x is %+v, %v", b, m, err)
		}
	}
	var v VersionError
	if _, err := ParseMessage([]byte{0x30, 3, 2, 1, 2}); !errors.As(err, &v) || v != 2 {
		t.Errorf("version 2u: %v", err)
	}
	for n := range inform { // cut anywhere: no panic, and never whole
		if m, err := ParseMessage(inform[:n]); err == nil {
			for vb := m.PDU.Varbinds(); ; {
				if !vb.Next() {
					if !vb.Cut() {
						t.Errorf("cut at %d and called whole", n)
					}
					break
				}
			}
		}
	}
}
