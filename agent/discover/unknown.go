package discover

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/agent/discover/draft"
	"github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/internal/profile"
)

// Unknown says which device to draft a profile of.
type Unknown struct {
	Config   snmp.Config
	Profiles *profile.Set // the present ones: what they read is left out
	Name     string       // of the profile; "" is made of the maker's name and number
	Subtrees []string     // to walk; none: those of enterprises that the device has
	Objects  int          // to read at most; default 20,000
	All      bool         // also what present profiles read
}

// Drafted is a draft and what it took.
type Drafted struct {
	Name     string // of the profile; its file is Name.yaml
	Text     []byte
	Objects  int
	Tables   int
	Scalars  int
	Requests uint64
	Took     time.Duration
}

// Draft walks a device within ctx and drafts a profile of it, which passes the
// check of profiles. What could be read until ctx ended is in the draft; the error
// says that the device did not answer or showed nothing to draft of.
func (u Unknown) Draft(ctx context.Context) (*Drafted, error) {
	if u.Objects <= 0 {
		u.Objects = 20_000
	}
	if u.Name != "" && !goodName.MatchString(u.Name) {
		return nil, fmt.Errorf("draft profile: name %q: want lower-case letters, digits and dashes", u.Name)
	}
	u.Config.MaxRows = u.Objects
	start := time.Now()
	network := snmp.NewTransport(snmp.Options{})
	defer func() { _ = network.Close() }()
	s, err := network.Open(ctx, u.Config)
	if err != nil {
		return nil, fmt.Errorf("draft profile: %w", err)
	}
	defer s.Close()
	w := &unknown{Unknown: u, reader: &reader{net: network, session: s, config: u.Config, profiles: u.Profiles, places: map[int]int{}}, covered: map[string]bool{}}
	if err := w.walkAll(ctx); err != nil {
		return nil, fmt.Errorf("draft profile of %s: %w", u.Config.Address, err)
	}
	shape := draft.Find(w.found)
	name := w.name()
	d := &Drafted{Name: name, Objects: len(w.found), Tables: len(shape.Tables), Scalars: len(shape.Scalars), Requests: s.Stats().Sent, Took: time.Since(start)}
	d.Text = draft.Write(w.describe(name), shape)
	if _, _, err := profile.Parse(name+".yaml", d.Text); err != nil {
		return nil, fmt.Errorf("draft profile of %s: the draft is faulty, which is a fault of this program: %w", u.Config.Address, err)
	}
	return d, nil
}

// unknown is a device being walked.
type unknown struct {
	Unknown
	*reader
	plan    *profile.Plan
	covered map[string]bool // objects that profiles read: scalars, columns and whole subtrees
	skipped int             // objects left out for that
	found   []draft.Instance
	walked  []string
}

func (w *unknown) walkAll(ctx context.Context) error {
	if err := w.readSystem(ctx); err != nil {
		return err
	}
	if err := w.identify(ctx); err != nil {
		return err
	}
	if err := w.cover(ctx); err != nil {
		return err
	}
	roots := w.Subtrees
	if len(roots) == 0 {
		var err error
		if roots, err = w.enterprises(ctx); err != nil {
			return err
		}
	}
	for _, r := range roots {
		if err := w.walkTree(ctx, r); err != nil {
			w.problem("%s: %v", r, err)
			if ctx.Err() != nil {
				break
			}
		}
	}
	if len(w.found) == 0 {
		return w.nothing()
	}
	return nil
}

// nothing says why there is nothing to draft of.
func (w *unknown) nothing() error {
	switch {
	case len(w.facts.Problems) > 0:
		return errors.New(w.facts.Problems[len(w.facts.Problems)-1])
	case w.skipped > 0:
		return fmt.Errorf("all of the %d objects that it shows are read by present profiles; --all drafts them again", w.skipped)
	}
	return errors.New("it shows no objects of enterprises; --subtree names others")
}

// cover notes what the profiles that fit read already.
func (w *unknown) cover(ctx context.Context) error {
	f := &w.facts
	id := profile.Identification{SysObjectID: f.SysObjectID, SysDescr: f.SysDescr, SysName: f.SysName, Has: map[string]bool{}}
	if err := w.probeInto(ctx, w.Profiles.Probes(id), id.Has); err != nil {
		return err
	}
	w.plan = w.Profiles.Select(id)
	if w.All {
		return nil
	}
	for _, t := range w.plan.Tables {
		w.coverTable(t)
	}
	for _, i := range w.plan.Identity {
		for _, sources := range []profile.Sources{i.Vendor, i.OS, i.Model, i.Version, i.Serial} {
			for _, s := range sources {
				w.covered[s.OID], w.covered[s.Column] = true, true
			}
		}
	}
	return nil
}

func (w *unknown) coverTable(t *profile.Table) {
	for _, cells := range []map[string]*profile.Cell{t.Labels, t.Cells} {
		for _, c := range cells {
			w.covered[c.OID] = true
		}
	}
	for i := range t.Columns {
		w.covered[t.Columns[i].OID] = true
	}
	for _, all := range [][]profile.Sensor{t.Sensors, t.Processors} {
		for i := range all {
			w.covered[all[i].OID] = true
			if all[i].State != nil {
				w.covered[all[i].State.OID] = true
			}
		}
	}
	for _, all := range [][]profile.Pool{t.Memory, t.Storage} {
		for i := range all {
			for _, r := range all[i].Refs() {
				w.covered[r.OID] = true
			}
		}
	}
}

// mostEnterprises is how many makers' subtrees of one device are walked.
const mostEnterprises = 16

// common are the subtrees of net-snmp and UCD, which layers describe.
var common = []string{"1.3.6.1.4.1.2021", "1.3.6.1.4.1.8072"}

// enterprises finds whose subtrees the device has, one request each.
func (w *unknown) enterprises(ctx context.Context) ([]string, error) {
	const root = "1.3.6.1.4.1"
	base := snmp.MustParseOID(root)
	var all []string
	for next := snmp.MustParseOID(root + ".0"); len(all) < mostEnterprises; {
		var number uint32
		_, err := w.session.Next(ctx, []snmp.OID{next}, func(_ int, oid []byte, _ snmp.Value) {
			if o := snmp.OID(oid); o.Below(base) {
				number = snmp.IndexNumbers(nil, o[len(base):])[0]
			}
		})
		if err != nil {
			return nil, err
		}
		at := fmt.Sprintf("%s.%d", root, number)
		if number == 0 || slices.Contains(all, at) { // the end, or an agent that runs in circles
			break
		}
		all = append(all, at)
		next = snmp.MustParseOID(fmt.Sprintf("%s.%d", root, uint64(number)+1))
	}
	own := slices.DeleteFunc(slices.Clone(all), func(o string) bool { return slices.Contains(common, o) })
	if len(own) > 0 {
		return own, nil
	}
	return all, nil
}

// walkTree reads one subtree as if it were one column.
func (w *unknown) walkTree(ctx context.Context, root string) error {
	oid, err := snmp.ParseOID(root)
	if err != nil {
		return err
	}
	w.walked = append(w.walked, root)
	path := numbers(root)
	w.learned.Rows = nil
	out, err := w.session.Walk(ctx, &w.learned, []snmp.OID{oid}, func(_ int, index []byte, v snmp.Value) {
		i := draft.Instance{OID: snmp.IndexNumbers(slices.Clone(path), index), Type: v.Type, Text: text(v), Octets: slices.Clone(v.Bytes())}
		i.Number, i.IsNum = v.Float64()
		if w.isCovered(i.OID) {
			w.skipped++
		} else if len(w.found) < w.Objects {
			w.found = append(w.found, i)
		}
	})
	if err == nil && !out.Whole() {
		err = out.Columns[0].Fault
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("the time was over after %d objects", len(w.found)+w.skipped)
	}
	return err
}

func numbers(oid string) []uint32 {
	var all []uint32
	for _, part := range strings.Split(oid, ".") {
		var n uint32
		_, _ = fmt.Sscan(part, &n)
		all = append(all, n)
	}
	return all
}

// isCovered tells whether a present profile reads an object: itself or its column.
func (w *unknown) isCovered(oid []uint32) bool {
	const shortest = 8
	dotted := draft.Dotted(oid)
	for n, at := 0, 0; at < len(dotted); at++ {
		if dotted[at] != '.' {
			continue
		}
		if n++; n >= shortest && w.covered[dotted[:at]] {
			return true
		}
	}
	return w.covered[dotted]
}

var goodName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// name makes a name for the profile that no present one has.
func (w *unknown) name() string {
	name := w.Name
	if name == "" {
		name = strings.Trim(notInNames.ReplaceAllString(strings.ToLower(w.facts.Vendor), "-"), "-")
		if name == "" || name[0] < 'a' {
			name = "enterprise"
		}
		if parts := strings.Split(w.facts.SysObjectID, "."); len(parts) > 6 {
			name += "-" + parts[6]
		}
		name += "-draft"
	}
	base := name
	for n := 2; w.Name == "" && w.Profiles.Profile(name) != nil; n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	return name
}

func (w *unknown) describe(name string) draft.Device {
	d := draft.Device{Profile: name, Class: w.plan.Class, Vendor: w.facts.Vendor, SysObjectID: w.facts.SysObjectID, SysDescr: w.facts.SysDescr, Subtrees: w.walked,
		Fits: w.plan.Own, Covered: w.skipped, Notes: w.facts.Problems, At: time.Now()}
	if d.Fits == "z-sysdescr" || w.generic(d.Fits) {
		d.Fits = ""
	}
	return d
}

// generic tells whether a profile only names systems and reads nothing of its own.
func (w *unknown) generic(name string) bool {
	p := w.Profiles.Profile(name)
	return p == nil || len(p.Tables)+len(p.Sensors)+len(p.Scalars)+len(p.Processors)+len(p.Memory)+len(p.Storage) == 0
}
