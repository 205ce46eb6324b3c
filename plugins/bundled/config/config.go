// Package config is the input that reads a network device's running
// configuration by SSH, tells when it changed and shows what changed, with the
// secrets hidden. How a vendor's device is asked is data (vendors/*.yaml). It
// sends only the commands that stand there and changes nothing on a device.
package config

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/faultline/faultline/internal/redact"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

//go:embed vendors/*.yaml
var shipped embed.FS

// Author is who changed a device's configuration, as a log told.
type Author struct {
	User, From string // From: address or terminal; "" if not told
	At         time.Time
}

// Options are the settings of an Input. Dir is required.
type Options struct {
	Dir string // versions, known host keys and the key of masks are kept here, for the agent's user only
	// SecretDir is where the files named by password_file and key_file must lie;
	// "" allows any path. Targets come from the collector, files are ours.
	SecretDir string
	Vendors   fs.FS // *.yaml that add to and replace what is shipped; nil: none
	// Author says who changed the device after a moment, if that is known. It may be
	// called from any goroutine. Nil: only the configuration itself tells.
	Author   func(device string, after time.Time) (Author, bool)
	MaxBytes int // of a configuration; default 4 MiB
	Keep     int // versions of a device; default 20
	Now      func() time.Time
	// Dial connects; default a net.Dialer's DialContext.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Input reads configurations.
type Input struct {
	opts    Options
	vendors map[string]*vendor
	known   *knownHosts
	masker  redact.Masker

	mu     sync.Mutex        // guards alarms
	alarms map[string]string // host key last complained of, by target
}

// New makes an Input and its directory.
func New(o Options) (*Input, error) {
	if o.Dir == "" {
		return nil, errors.New("config: a directory is required")
	}
	o.MaxBytes, o.Keep = cmp.Or(o.MaxBytes, 4<<20), cmp.Or(o.Keep, 20)
	if o.MaxBytes < 1<<10 || o.Keep < 2 {
		return nil, errors.New("config: fewer than 1 KiB or 2 versions would be kept")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	own, err := fs.Sub(shipped, "vendors")
	if err != nil {
		return nil, err
	}
	systems := []fs.FS{own}
	if o.Vendors != nil {
		systems = append(systems, o.Vendors)
	}
	vendors, err := loadVendors(systems...)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	key, err := maskKey(filepath.Join(o.Dir, "mask.key"))
	if err != nil {
		return nil, err
	}
	return &Input{opts: o, vendors: vendors, known: &knownHosts{file: filepath.Join(o.Dir, "known_hosts")},
		masker: redact.Masker{Key: key}, alarms: map[string]string{}}, nil
}

// Name is "config".
func (in *Input) Name() string { return "config" }

// CheckTarget reports what is wrong with the target's options; files are not
// looked at before they are needed.
func (in *Input) CheckTarget(t base.Target) error {
	_, err := in.settings(t)
	return err
}

// Gather reads the configuration once. What is known of earlier versions is told
// also when the device cannot be read.
func (in *Input) Gather(ctx context.Context, t base.Target, sink input.Sink) error {
	s, err := in.settings(t)
	if err != nil {
		return err
	}
	v := &versions{dir: filepath.Join(in.opts.Dir, "versions", fileName(t.ID)), keep: in.opts.Keep}
	if err := v.load(); err != nil {
		return fmt.Errorf("config %s: %w", t.Address, err)
	}
	say := teller{in: in, target: t, sink: sink, at: in.opts.Now()}
	if v.state.Untold != nil { // the event of the last change may not have left
		sink.Event(*v.state.Untold)
	}
	text, err := in.read(ctx, s)
	if err != nil {
		say.failed(v, err)
		return fmt.Errorf("config %s: %w", t.Address, err)
	}
	if err := say.compare(v, s, text); err != nil {
		return fmt.Errorf("config %s: %w", t.Address, err)
	}
	return nil
}

// teller hands over what one reading showed.
type teller struct {
	in     *Input
	target base.Target
	sink   input.Sink
	at     time.Time
}

// put hands over one value; label is names and values in turn.
func (t *teller) put(name string, value float64, label ...string) {
	m := map[string]string{}
	for i := 0; i+1 < len(label); i += 2 {
		m[label[i]] = label[i+1]
	}
	t.sink.Sample(base.Sample{Labels: base.LabelsFrom(name, m), Time: t.at.UnixMilli(), Value: value})
}

// standing tells what is known from before.
func (t *teller) standing(s *state) {
	t.put("faultline_config_changed_timestamp_seconds", seconds(s.ChangedAt))
	t.put("faultline_config_last_read_timestamp_seconds", seconds(s.ReadAt))
	if s.Hash != "" {
		t.put("faultline_config_hash_info", 1, "hash", s.Hash[:16])
	}
}

func seconds(at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return float64(at.UnixMilli()) / 1000
}

// failed tells that the device was not read, and of a host key that changed.
func (t *teller) failed(v *versions, err error) {
	t.put("faultline_config_last_read_success", 0)
	var changed *HostKeyError
	t.put("faultline_config_host_key_changed", truth(errors.As(err, &changed)))
	t.standing(&v.state)
	if changed == nil {
		return
	}
	t.in.mu.Lock()
	defer t.in.mu.Unlock()
	if t.in.alarms[t.target.ID] == changed.Got {
		return
	}
	t.in.alarms[t.target.ID] = changed.Got
	t.sink.Event(base.Event{ID: "host_key/" + t.target.ID + "/" + changed.Got, Kind: base.EventChange, At: t.at, Component: "ssh", Text: changed.Error(),
		Attrs: map[string]string{"what": "host_key", "old": changed.Want, "new": changed.Got}})
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// compare keeps what was read and tells of a change.
func (t *teller) compare(v *versions, s *settings, text string) error {
	plain := s.vendor.normal(text)
	masked := t.in.masker.Config(plain)
	hash := digest(plain)
	before := v.state
	v.state.ReadAt, v.state.Untold = t.at, nil
	var event *base.Event
	if before.Hash != "" && before.Hash != hash {
		old, err := v.read(before.Version)
		if err != nil {
			return err
		}
		who, by := t.author(before, s, text)
		e := t.change(before, hash, diff(old, masked), who, by)
		event = &e
		v.state.ChangedAt, v.state.Untold = t.at, event
	}
	if before.Hash != hash {
		if err := v.write(t.at, hash, masked); err != nil {
			return err
		}
	}
	v.state.Hash = hash
	if err := v.save(); err != nil {
		return err
	}
	if event != nil {
		t.sink.Event(*event)
	}
	if event != nil { // so that nobody takes the old one for lasting
		t.put("faultline_config_hash_info", 0, "hash", before.Hash[:16])
	}
	t.put("faultline_config_last_read_success", 1)
	t.put("faultline_config_host_key_changed", 0)
	t.put("faultline_config_lines", float64(countLines(masked)))
	t.standing(&v.state)
	return nil
}

// author is who made the change: whom a log named since the last reading, else
// whom the configuration names.
func (t *teller) author(before state, s *settings, text string) (a Author, by string) {
	device := cmp.Or(t.target.Labels["device"], t.target.Labels["instance"], t.target.ID)
	if t.in.opts.Author != nil {
		if a, ok := t.in.opts.Author(device, before.ReadAt.Add(-clockSlack)); ok {
			return a, "log"
		}
	}
	if a, ok := s.vendor.author(text); ok {
		return a, "config"
	}
	return Author{}, ""
}

// clockSlack is how much earlier than the last reading a log may tell of a
// change that the reading did not see.
const clockSlack = 5 * time.Second

// change is the event that says what changed.
func (t *teller) change(before state, hash string, d difference, a Author, by string) base.Event {
	e := base.Event{ID: "config/" + t.target.ID + "/" + before.Hash[:16] + "-" + hash[:16] + "/" + strconv.FormatInt(t.at.UnixMilli(), 10),
		Kind: base.EventChange, At: t.at, Text: d.text, Attrs: map[string]string{
			"what": "configuration", "old": before.Hash[:16], "new": hash[:16], "since": before.ReadAt.UTC().Format(time.RFC3339),
			"added": strconv.Itoa(d.added), "removed": strconv.Itoa(d.removed),
		}}
	put := func(k, v string) {
		if v != "" {
			e.Attrs[k] = v
		}
	}
	put("author", a.User)
	put("author_from", a.From)
	put("author_by", by)
	if !a.At.IsZero() {
		e.Attrs["author_at"] = a.At.UTC().Format(time.RFC3339)
	}
	if d.cut {
		e.Attrs["cut"] = "true"
	}
	return e
}
