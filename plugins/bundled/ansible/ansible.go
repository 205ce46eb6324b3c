// Package ansible carries remedies out as Ansible playbooks: a runner of
// plugins/remedy around the program ansible-playbook. What an order may say is
// a playbook's name and values for its variables; the playbook, its inventory
// and everything it includes are the operator's, copied and hashed before each
// run, so that what runs is what was looked at. It decides nothing and asks
// nobody: that a remedy was approved is its caller's affair.
package ansible

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/plugins/remedy"
)

// Options configure a Runner.
type Options struct {
	Playbooks string        // directory of playbooks and all they need; NAME.yml is the remedy NAME
	Inventory string        // below it; "" is "inventory"
	Book      string        // directory that remembers what was begun; outlives restarts
	Program   string        // "" is /usr/bin/ansible-playbook
	User      string        // signs in as; "" is the inventory's or ansible.cfg's
	KeyFile   string        // private key for SSH; "" is none
	Vault     secret.String // password of encrypted variables
	Keeper    []string      // starts this package's Keep: the program itself and its arguments
	Timeout   time.Duration // of an order that names none; 0 is 30 min
	Grace     time.Duration // between being asked to end and being ended; 0 is 5 s
	Temp      string        // for copies; "" is the system's
}

// Runner is a remedy.Runner.
type Runner struct {
	o    Options
	book *book

	mu      sync.Mutex // guards running
	running map[string]bool
}

var _ remedy.Runner = (*Runner)(nil)

// remedyName is what a remedy may be called: it becomes a file's name.
var remedyName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)

// New returns a Runner. The error names everything that is wrong with the options.
func New(o Options) (*Runner, error) {
	if o.Program == "" {
		o.Program = "/usr/bin/ansible-playbook"
	}
	if o.Inventory == "" {
		o.Inventory = "inventory"
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Minute
	}
	if o.Grace == 0 {
		o.Grace = 5 * time.Second
	}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if !filepath.IsAbs(o.Playbooks) || !filepath.IsAbs(o.Book) {
		fault("playbooks and book: absolute paths of directories are needed")
	} else if st, err := os.Stat(o.Playbooks); err != nil || !st.IsDir() {
		fault("playbooks: %s is no directory", o.Playbooks)
	}
	if !filepath.IsLocal(o.Inventory) {
		fault("inventory: %q is not below playbooks", o.Inventory)
	}
	if o.KeyFile != "" && !filepath.IsAbs(o.KeyFile) {
		fault("private_key_file: %q is not absolute", o.KeyFile)
	}
	if st, err := os.Stat(o.Program); err != nil || st.IsDir() {
		fault("program: %s is not there; install ansible-core", o.Program)
	}
	if len(o.Keeper) == 0 {
		fault("no keeper")
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	b, err := openBook(o.Book)
	if err != nil {
		return nil, err
	}
	return &Runner{o: o, book: b, running: map[string]bool{}}, nil
}

// Close gives the book free for another Runner.
func (r *Runner) Close() error { return r.book.close() }

// Name implements remedy.Runner.
func (*Runner) Name() string { return "ansible" }

// Find implements remedy.Runner.
func (r *Runner) Find(_ context.Context, key string) (remedy.Outcome, bool, error) {
	o, found, err := r.book.find(key)
	if err != nil {
		return o, false, &remedy.Error{Op: "book", Begun: true, Err: err, Hint: "look at the directory of the setting book"}
	}
	return o, found, nil
}

// Run implements remedy.Runner.
func (r *Runner) Run(ctx context.Context, o remedy.Order, out io.Writer) (remedy.Outcome, error) {
	before := func(op, hint string, err error) (remedy.Outcome, error) {
		return remedy.Outcome{}, &remedy.Error{Op: op, Err: err, Hint: hint}
	}
	if !remedyName.MatchString(o.Remedy) {
		return before("playbook", "name a playbook of the directory, without .yml", fmt.Errorf("%q is no name", o.Remedy))
	}
	if o.Key == "" {
		return before("order", "", errors.New("it has no key"))
	}
	free, err := r.alone(o.Key)
	if err != nil {
		return remedy.Outcome{}, err
	}
	defer free()
	if kept, found, err := r.Find(ctx, o.Key); err != nil || found {
		return r.again(kept, err)
	}
	dir, err := os.MkdirTemp(r.o.Temp, "flr")
	if err != nil {
		return before("temporary directory", "", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	pin, err := stage(r.o.Playbooks, filepath.Join(dir, "p"))
	if err != nil {
		return before("playbooks", "", err)
	}
	if o.Pin != "" && o.Pin != pin {
		return before("playbooks", "propose it again: its dry run is of what there is no more", errors.New("the playbook or what it needs has changed since its dry run"))
	}
	c, err := r.command(dir, o)
	if err != nil {
		return before("order", "", err)
	}
	if err := r.book.begin(o, pin); err != nil {
		return before("book", "look at the directory of the setting book", err)
	}
	got := r.carryOut(ctx, o, c, out)
	got.Pin = pin
	if err := r.book.end(o.Key, got); err != nil {
		_, _ = fmt.Fprintf(out, "\n[the outcome could not be kept: %v]\n", err)
	}
	return got, nil
}

// alone keeps a second caller with the same key out while the first is at it.
func (r *Runner) alone(key string) (free func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running[key] {
		return nil, &remedy.Error{Op: "order", Begun: true, Err: errors.New("it is being carried out")}
	}
	r.running[key] = true
	return func() {
		r.mu.Lock()
		delete(r.running, key)
		r.mu.Unlock()
	}, nil
}

// again is the answer to an order that was begun before.
func (r *Runner) again(kept remedy.Outcome, err error) (remedy.Outcome, error) {
	if err != nil || kept.State != remedy.Begun {
		return kept, err
	}
	return remedy.Outcome{}, &remedy.Error{Op: "order", Begun: true, Err: errors.New("it was begun before, and nobody knows how it ended"), Hint: "look at what it was to change"}
}
