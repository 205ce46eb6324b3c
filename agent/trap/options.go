package trap

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/internal/selfmetric"
	"github.com/faultline/faultline/plugins/base"
)

// Options are the settings of a Receiver. Sink is required.
type Options struct {
	Listen []string // host:port; default ":162", all addresses of both families

	// Communities and Users are taken from any sender, beside those that the
	// targets in Directory are polled with.
	Communities []secret.String
	Users       []snmp.User
	// Relays are the senders that are believed when they say that a notification
	// comes from another address; none: all are.
	Relays []netip.Prefix
	// EngineResets takes notifications of version 3 from a device whose engine has
	// gone back in time, as those do that forget their engine boots. What was
	// recorded on the line can then be sent again.
	EngineResets bool

	Directory *Directory // whose address is whose; default: an empty one
	// Lookup says whose an address is; default Directory.Lookup.
	Lookup func(netip.Addr) (Device, bool)
	// Profiles are the directories whose notifications*.yaml name what is received;
	// they are read when the first notification comes, since most agents hear few.
	// A later one adds to those before, and is left out where it has faults. None:
	// numbers only. Notifications are those already read.
	Profiles      []fs.FS
	Notifications *profile.Notifications

	// Sink keeps events; when it returns without an error they are on disk, and
	// informs are acknowledged. It is called by one goroutine, may block, and the
	// slice is its to keep.
	Sink func([]base.Event) error
	// Check polls targets at once and returns when they have been. It is called
	// from several goroutines, once a CheckInterval for a device; nil: none.
	Check         func(ctx context.Context, targets []string) error
	CheckInterval time.Duration // default 1 s

	Dir string // of the file that keeps the engine's identity and boots; "": a new engine every time

	SourceRate    float64       // events a second from one source; default 10
	SourceBurst   int           // at once; default 100
	GlobalRate    float64       // events a second from all; default 200
	GlobalBurst   int           // default 2000
	DatagramRate  float64       // datagrams a second looked at from one address; default 2000, twice that at once
	SummaryEvery  time.Duration // between events that say how many were suppressed; default 10 s
	Window        time.Duration // within which a repeat is folded; default 2 min
	Sources       int           // remembered at most; default 4096
	Queue         int           // events waiting for the Sink; default 512
	ReceiveBuffer int           // bytes asked of the kernel for each socket; default 4 MiB

	Agent      string                // put on events
	Now        func() time.Time      // default time.Now
	NewID      func() string         // ids of events; default random
	Logger     *slog.Logger          // default: discard
	Registerer selfmetric.Registerer // default: not registered
}

func (o *Options) setDefaults() error {
	if o.Sink == nil {
		return errors.New("trap: a sink is required")
	}
	if len(o.Listen) == 0 {
		o.Listen = []string{":162"}
	}
	if o.Directory == nil {
		o.Directory = NewDirectory()
	}
	if o.Lookup == nil {
		o.Lookup = o.Directory.Lookup
	}
	setDefault(&o.CheckInterval, time.Second)
	setDefault(&o.SourceRate, 10)
	setDefault(&o.SourceBurst, 100)
	setDefault(&o.GlobalRate, 200)
	setDefault(&o.GlobalBurst, 2000)
	setDefault(&o.DatagramRate, 2000)
	setDefault(&o.SummaryEvery, 10*time.Second)
	setDefault(&o.Window, 2*time.Minute)
	setDefault(&o.Sources, 4096)
	setDefault(&o.Queue, 512)
	setDefault(&o.ReceiveBuffer, 4<<20)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = func() string {
			var b [16]byte
			_, _ = rand.Read(b[:]) // never fails
			return hex.EncodeToString(b[:])
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o.validate()
}

func (o *Options) validate() error {
	var faults []error
	for _, a := range o.Listen {
		if host, _, err := net.SplitHostPort(a); err != nil {
			faults = append(faults, fmt.Errorf("trap: listen %q: want host:port, as in :162", a))
		} else if _, err := netip.ParseAddr(host); host != "" && err != nil {
			faults = append(faults, fmt.Errorf("trap: listen %q: want an address of this machine, not a name", a))
		}
	}
	for i, c := range o.Communities {
		if c == "" {
			faults = append(faults, fmt.Errorf("trap: community %d is empty", i+1))
		}
	}
	for i, u := range o.Users {
		if _, err := snmp.NewRecipient(u); err != nil {
			faults = append(faults, fmt.Errorf("trap: user %d: %w", i+1, err))
		}
	}
	if o.SourceRate < 0 || o.SourceBurst < 0 || o.GlobalRate < 0 || o.GlobalBurst < 0 || o.DatagramRate < 0 || o.Window < 0 ||
		o.SummaryEvery < 0 || o.CheckInterval < 0 || o.Sources < 0 || o.Queue < 0 {
		faults = append(faults, errors.New("trap: negative setting"))
	}
	return errors.Join(faults...)
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
