// Package drill runs drills (演练): a stored story is played as time goes by at a
// site of the operator's own company, and the engine, the processes, the people
// and the clocks deal with it as with a real fault, apart from every real one.
// At its end it is scored against what the story says is true, and filed with a
// log whose entries are chained by hashes. Playing is package scenario's, judging
// the engine's; nothing here measures or sends.
package drill

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/faultline/faultline/collector/scenario"
	"github.com/faultline/faultline/internal/lang"
)

// States of a drill.
const (
	Running = "running"
	Ended   = "ended"
)

// What the log of a drill says.
const (
	ActStarted  = "started"
	ActRepaired = "repaired" // the story's fault is over from now on
	ActStopped  = "stopped"  // by a person, before its end
	ActEnded    = "ended"    // all its incidents are closed, or its time is over
	ActScored   = "scored"
	ActSigned   = "signed"
)

// Reasons why a drill ended.
const (
	ReasonFinished = "finished" // every incident went to its end
	ReasonLimit    = "limit"    // its time was over
	ReasonStopped  = "stopped"
)

// Record is one drill, whole: what was played, who did what with it, and what
// came of it. It is stored as it is.
type Record struct {
	ID       string         `json:"id"`
	State    string         `json:"state"`
	Story    string         `json:"story"` // its id
	Title    lang.Text      `json:"title"`
	Brief    lang.Text      `json:"brief"`
	Site     string         `json:"site"`
	Scenario string         `json:"scenario"` // the story as written out for the site
	Truth    scenario.Truth `json:"truth"`
	Vendors  bool           `json:"vendors"`            // vendors take part: they are told as of a real fault, marked as a drill
	Hold     time.Duration  `json:"hold,omitempty"`     // for how long recovery must be measured; 0: as the process says
	RepairBy time.Time      `json:"repair_by,omitzero"` // the fault is over then at the latest; zero: when the leader says so

	Leader    string    `json:"leader"`
	StartedAt time.Time `json:"started_at"`
	Limit     time.Time `json:"limit"` // it ends then at the latest
	MendedAt  time.Time `json:"mended_at,omitzero"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	Reason    string    `json:"reason,omitempty"`
	Words     string    `json:"words,omitempty"` // of who stopped it

	Incidents []Chain    `json:"incidents"` // all that were opened for it
	Score     *Score     `json:"score,omitempty"`
	Signed    *Signature `json:"signed,omitempty"`
	Log       []Entry    `json:"log"`
}

// Chain is one incident of a drill with the head of its log, as it was when the
// drill was scored.
type Chain struct {
	ID      string `json:"id"`
	Number  string `json:"number"`
	Version int64  `json:"version"` // events
	Head    string `json:"head"`    // hash of the last
}

// Signature is the leader's under the report.
type Signature struct {
	By   string    `json:"by"`   // account
	Name string    `json:"name"` // as written
	At   time.Time `json:"at"`
}

// Entry is one line of a drill's log. Each names the hash of the one before.
type Entry struct {
	Seq      int       `json:"seq"` // 1, 2, ...
	At       time.Time `json:"at"`
	By       string    `json:"by"`
	Act      string    `json:"act"`
	Detail   string    `json:"detail,omitempty"`
	PrevHash string    `json:"prev_hash"`
	Hash     string    `json:"hash"`
}

// add appends to the log.
func (r *Record) add(at time.Time, by, act, detail string) {
	e := Entry{Seq: len(r.Log) + 1, At: at.UTC(), By: by, Act: act, Detail: detail}
	if len(r.Log) > 0 {
		e.PrevHash = r.Log[len(r.Log)-1].Hash
	}
	e.Hash = e.sum()
	r.Log = append(r.Log, e)
}

func (e Entry) sum() string {
	e.Hash = ""
	b, err := json.Marshal(e)
	if err != nil { // strings, numbers and times always have their JSON
		panic(fmt.Sprintf("entry of a drill: %v", err))
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// Verify returns an error naming the first entry of the log that is not what its
// hash says, or does not follow the one before.
func (r Record) Verify() error {
	prev := ""
	for n, e := range r.Log {
		if e.Seq != n+1 || e.PrevHash != prev || e.Hash != e.sum() {
			return fmt.Errorf("drill %s: entry %d of its log was changed after it was written, or does not follow its predecessor", r.ID, n+1)
		}
		prev = e.Hash
	}
	return nil
}

// digest is the hash of what was decided on: it stands in the log, so that a
// score cannot be changed without the log showing it.
func digest(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("digest: %w", err)
	}
	h := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(h[:]), nil
}
