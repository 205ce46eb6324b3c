package seal

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/internal/pki"
	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
)

func key(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := pki.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestWorkIsReadableByItsAgentAlone(t *testing.T) {
	mine, other := key(t), key(t)
	w := wire.Work{Version: 7, Targets: []base.Target{
		{ID: "a", Input: "snmp", Options: map[string]string{"community": "hunter2", "version": "2c"}},
		{ID: "b", Input: "snmp", Options: map[string]string{"user": "u", "auth_password": "hunter2"}},
		{ID: "c", Input: "probe"},
	}}
	sealed, err := Work(mine.Public(), "b2", w)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(sealed)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "hunter2") || !strings.Contains(string(text), `"version":"2c"`) {
		t.Errorf("on the wire: %s", text)
	}
	if w.Targets[0].Options["community"] != "hunter2" {
		t.Error("sealing changed the work it was handed")
	}
	back, err := OpenWork([]crypto.PrivateKey{other, mine}, "b2", sealed)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(back, w); diff != "" {
		t.Errorf("opened work (-got +want)\n%s", diff)
	}
	changed := sealed
	changed.Version = 8
	bent := sealed
	bent.Secrets = "A" + sealed.Secrets[1:]
	for name, try := range map[string]func() (wire.Work, error){
		"another agent's key": func() (wire.Work, error) { return OpenWork([]crypto.PrivateKey{other}, "b2", sealed) },
		"another agent":       func() (wire.Work, error) { return OpenWork([]crypto.PrivateKey{mine}, "b3", sealed) },
		"another version":     func() (wire.Work, error) { return OpenWork([]crypto.PrivateKey{mine}, "b2", changed) },
		"changed on the way":  func() (wire.Work, error) { return OpenWork([]crypto.PrivateKey{mine}, "b2", bent) },
		"no key":              func() (wire.Work, error) { return OpenWork(nil, "b2", sealed) },
	} {
		if _, err := try(); !errors.Is(err, ErrOpen) {
			t.Errorf("%s: %v, want ErrOpen", name, err)
		}
	}
}

func TestWhatHasNoSecretIsNotSealed(t *testing.T) {
	w := wire.Work{Version: 7, Targets: []base.Target{{ID: "c", Input: "probe", Options: map[string]string{"module": "icmp"}}}}
	got, err := Work(ed25519.PublicKey(make([]byte, ed25519.PublicKeySize)), "b2", w)
	if err != nil || !cmp.Equal(got, w) {
		t.Errorf("%+v, %v", got, err)
	}
	w.Targets[0].Options["community"] = "x"
	if _, err := Work(ed25519.PublicKey(make([]byte, ed25519.PublicKeySize)), "b2", w); !errors.Is(err, ErrKey) {
		t.Errorf("an Ed25519 key: %v, want ErrKey", err)
	}
}
