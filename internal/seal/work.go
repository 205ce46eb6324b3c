package seal

import (
	"crypto"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"

	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
)

// purposeOf binds secrets to one agent and one version of its work.
func purposeOf(agent string, version int64) string {
	return "faultline work v1\x00" + agent + "\x00" + strconv.FormatInt(version, 10)
}

// Work returns w with the secret options of its targets sealed to the agent's
// key. w itself stays as it is.
func Work(pub crypto.PublicKey, agent string, w wire.Work) (wire.Work, error) {
	secrets := map[string]map[string]string{}
	targets := make([]base.Target, len(w.Targets))
	copy(targets, w.Targets)
	for i := range targets {
		t := &targets[i]
		for k, v := range t.Options {
			if !base.SecretOption(k) || v == "" {
				continue
			}
			if secrets[t.ID] == nil {
				secrets[t.ID], t.Options = map[string]string{}, maps.Clone(t.Options)
			}
			secrets[t.ID][k] = v
			delete(t.Options, k)
		}
	}
	if len(secrets) == 0 {
		return w, nil
	}
	plain, err := json.Marshal(secrets)
	if err != nil {
		return w, fmt.Errorf("seal work of agent %s: %w", agent, err)
	}
	if w.Secrets, err = To(pub, purposeOf(agent, w.Version), plain); err != nil {
		return w, fmt.Errorf("seal work of agent %s: %w", agent, err)
	}
	w.Targets = targets
	return w, nil
}

// OpenWork returns w with its secrets back in the targets.
func OpenWork(keys []crypto.PrivateKey, agent string, w wire.Work) (wire.Work, error) {
	if w.Secrets == "" {
		return w, nil
	}
	plain, err := Open(keys, purposeOf(agent, w.Version), w.Secrets)
	if err != nil {
		return w, fmt.Errorf("open secrets of work %d: %w", w.Version, err)
	}
	var secrets map[string]map[string]string
	if err := json.Unmarshal(plain, &secrets); err != nil {
		return w, fmt.Errorf("open secrets of work %d: %w", w.Version, err)
	}
	targets := make([]base.Target, len(w.Targets))
	copy(targets, w.Targets)
	for i := range targets {
		t := &targets[i]
		if own := secrets[t.ID]; own != nil {
			t.Options = maps.Clone(t.Options)
			if t.Options == nil {
				t.Options = map[string]string{}
			}
			maps.Copy(t.Options, own)
		}
	}
	w.Targets, w.Secrets = targets, ""
	return w, nil
}
