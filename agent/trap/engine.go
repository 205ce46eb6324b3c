package trap

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/faultline/faultline/agent/snmp"
)

// engineFile keeps the engine's identity in the data directory.
const engineFile = "trap-engine.json"

// engine is our authoritative engine, which informs of version 3 are sent to: an
// identity that stays, a count of its starts and its seconds since the last one
// (RFC 3414, section 2.2).
type engine struct {
	id    string
	boots uint32
	start time.Time // monotonic
}

// identity is the file's content.
type identity struct {
	EngineID string `json:"engine_id"` // hex
	Boots    uint32 `json:"engine_boots"`
}

// openEngine reads the identity and counts one more start, on disk before it is
// used. Without a directory, and where the file cannot be understood, the engine
// is a new one, which senders discover again.
func openEngine(dir string) (*engine, error) {
	known, err := readIdentity(dir)
	if err != nil {
		return nil, err
	}
	id, err := hex.DecodeString(known.EngineID)
	if err != nil || len(id) < 5 || len(id) > 32 {
		id, known.Boots = newEngineID(), 0
	}
	e := &engine{id: string(id), boots: min(known.Boots, math.MaxInt32-1) + 1, start: time.Now()}
	if dir == "" {
		return e, nil
	}
	return e, writeIdentity(dir, identity{hex.EncodeToString(id), e.boots})
}

// newEngineID makes an identity of the form that RFC 3411, section 5 gives to
// octets of one's own choice, below no enterprise's number.
func newEngineID() []byte {
	id := append([]byte{0x80, 0, 0, 0, 5}, make([]byte, 12)...)
	_, _ = rand.Read(id[5:]) // never fails
	return id
}

func readIdentity(dir string) (identity, error) {
	var i identity
	if dir == "" {
		return i, nil
	}
	b, err := os.ReadFile(filepath.Join(dir, engineFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return i, nil
	case err != nil:
		return i, fmt.Errorf("read the trap engine's identity: %w", err)
	}
	if json.Unmarshal(b, &i) != nil {
		return identity{}, nil
	}
	return i, nil
}

// writeIdentity replaces the file as a whole.
func writeIdentity(dir string, i identity) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write the trap engine's identity: %w", err)
		}
	}()
	b, err := json.Marshal(i)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, engineFile+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, engineFile))
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	return syncDir(dir)
}

// syncDir makes a new name durable, where the system can.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// now is the engine as it answers now.
func (e *engine) now() snmp.Authority {
	return snmp.Authority{ID: e.id, Boots: e.boots, Time: uint32(min(time.Since(e.start)/time.Second, math.MaxInt32))}
}

// timeWindow is by how many seconds clocks may differ (RFC 3414, section 2.2.3).
const timeWindow = 150

// timely tells whether a message to our engine is of now.
func timely(a snmp.Authority, boots, t uint32) bool {
	d := int64(t) - int64(a.Time)
	return a.Boots < math.MaxInt32 && boots == a.Boots && d <= timeWindow && d >= -timeWindow
}

// clock is what is known of the clock of a sender's engine.
type clock struct {
	boots  uint32
	latest uint32    // the newest time received …
	at     time.Time // … at this time
}

// accept judges the time of an authentic message and learns from it (RFC 3414,
// section 3.2, step 7b).
func (c *clock) accept(boots, t uint32, now time.Time) bool {
	known := !c.at.IsZero()
	if known && (boots < c.boots || boots == c.boots && int64(t) < c.estimate(now)-timeWindow) || boots >= math.MaxInt32 {
		return false
	}
	if !known || boots > c.boots || t > c.latest {
		*c = clock{boots, t, now}
	}
	return true
}

// estimate is what the clock should show now.
func (c *clock) estimate(now time.Time) int64 {
	return int64(c.latest) + int64(now.Sub(c.at)/time.Second)
}
