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
	"time"

	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/plugins/remedy"
	"github.com/faultline/faultline/plugins/runner"
)

// Options configure a runner.
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

// work is the runner's work: playbooks.
type work struct{ o Options }

// New returns a runner of playbooks. The error names everything that is wrong with the options.
func New(o Options) (*runner.Runner, error) {
	if o.Program == "" {
		o.Program = "/usr/bin/ansible-playbook"
	}
	if o.Inventory == "" {
		o.Inventory = "inventory"
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
	return runner.New(o.Book, o.Timeout, &work{o})
}

// Name implements runner.Work.
func (*work) Name() string { return "ansible" }

// Prepare implements runner.Work: what runs is a copy, which is hashed.
func (w *work) Prepare(o remedy.Order) (runner.Job, error) {
	dir, err := os.MkdirTemp(w.o.Temp, "flr")
	if err != nil {
		return runner.Job{}, err
	}
	drop := func() { _ = os.RemoveAll(dir) }
	pin, err := stage(w.o.Playbooks, filepath.Join(dir, "p"))
	if err != nil {
		drop()
		return runner.Job{}, &remedy.Error{Op: "playbooks", Err: err}
	}
	c, err := w.command(dir, o)
	if err != nil {
		drop()
		return runner.Job{}, &remedy.Error{Op: "order", Err: err}
	}
	return runner.Job{Pin: pin, Close: drop, Do: func(ctx context.Context, out io.Writer) remedy.Outcome { return w.carryOut(ctx, c, out) }}, nil
}
