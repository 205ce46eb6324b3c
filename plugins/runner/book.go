package runner

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/faultline/faultline/plugins/remedy"
)

// book remembers on disk what was begun, and how it ended. One process has it.
type book struct {
	dir  string
	lock *os.File
}

// page is what is kept of one order.
type page struct {
	Key       string    `json:"key"`
	Remedy    string    `json:"remedy"`
	DryRun    bool      `json:"dry_run,omitempty"`
	BegunAt   time.Time `json:"begun_at"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	State     string    `json:"state"`
	Summary   string    `json:"summary,omitempty"`
	SummaryZH string    `json:"summary_zh,omitempty"`
	Changed   int       `json:"changed,omitempty"`
	Pin       string    `json:"pin"`
}

// keep is how long a page is kept: longer than any effect is tried again.
const keep = 400 * 24 * time.Hour

// openBook takes the directory for this process alone and drops old pages.
func openBook(dir string) (*book, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("book: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("book: %w", err)
	}
	if err := lockFile(f); err != nil {
		return nil, errors.Join(fmt.Errorf("book: %s is in use by another process: %w", dir, err), f.Close())
	}
	b := &book{dir: dir, lock: f}
	old, _ := filepath.Glob(filepath.Join(dir, "*.json"))
	for _, name := range old {
		if st, err := os.Stat(name); err == nil && time.Since(st.ModTime()) > keep {
			_ = os.Remove(name)
		}
	}
	return b, nil
}

func (b *book) close() error { return b.lock.Close() }

func (b *book) file(key string) string {
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(b.dir, hex.EncodeToString(sum[:])+".json")
}

func (b *book) read(key string) (page, error) {
	var p page
	text, err := os.ReadFile(b.file(key))
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return p, fmt.Errorf("%s: %w", b.file(key), err)
	}
	if p.Key != key {
		return p, fmt.Errorf("%s is of another order", b.file(key))
	}
	return p, nil
}

// find returns what is kept of the order.
func (b *book) find(key string) (remedy.Outcome, bool, error) {
	p, err := b.read(key)
	if errors.Is(err, fs.ErrNotExist) {
		return remedy.Outcome{}, false, nil
	}
	if err != nil {
		return remedy.Outcome{}, false, err
	}
	return remedy.Outcome{State: p.State, Summary: p.Summary, SummaryZH: p.SummaryZH, Changed: p.Changed, Pin: p.Pin}, true, nil
}

// begin writes that the order is begun, on disk before anything is done. It is an
// error when it was begun before.
func (b *book) begin(o remedy.Order, pin string) error {
	text, err := json.Marshal(page{Key: o.Key, Remedy: o.Remedy, DryRun: o.DryRun, BegunAt: time.Now().UTC(), State: remedy.Begun, Pin: pin})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(b.file(o.Key), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close(), b.sync())
}

// end writes how the order ended.
func (b *book) end(key string, o remedy.Outcome) error {
	p, err := b.read(key)
	if err != nil {
		return err
	}
	p.State, p.Summary, p.SummaryZH, p.Changed, p.EndedAt = o.State, o.Summary, o.SummaryZH, o.Changed, time.Now().UTC()
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	fresh := b.file(key) + ".new"
	f, err := os.OpenFile(fresh, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return errors.Join(os.Rename(fresh, b.file(key)), b.sync())
}

// sync makes new names in the directory last.
func (b *book) sync() error {
	d, err := os.Open(b.dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
