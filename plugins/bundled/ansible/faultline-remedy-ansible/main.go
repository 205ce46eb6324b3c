// Command faultline-remedy-ansible is Ansible as a remedy plugin: playbooks that
// a person approved, in a process of their own. Started as a keeper it looks
// after one run.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"sync/atomic"

	"github.com/faultline/faultline/plugins/bundled/ansible"
	"github.com/faultline/faultline/plugins/desk"
	"github.com/faultline/faultline/plugins/remedy"
	"github.com/faultline/faultline/plugins/rpc"
)

// version is set by the build.
var version = "dev"

// late is a runner that knows its playbooks once its settings came.
type late struct {
	runner atomic.Pointer[ansible.Runner]
}

var errEarly = &remedy.Error{Op: "ansible", Again: true, Err: errors.New("the settings have not come yet")}

func (l *late) Name() string { return "ansible" }

func (l *late) Run(ctx context.Context, o remedy.Order, out io.Writer) (remedy.Outcome, error) {
	if r := l.runner.Load(); r != nil {
		return r.Run(ctx, o, out)
	}
	return remedy.Outcome{}, errEarly
}

func (l *late) Find(ctx context.Context, key string) (remedy.Outcome, bool, error) {
	if r := l.runner.Load(); r != nil {
		return r.Find(ctx, key)
	}
	return remedy.Outcome{}, false, errEarly
}

func (l *late) configure(_ context.Context, values map[string]string) error {
	r, err := ansible.FromSettings(desk.NewSettings(values))
	if err != nil {
		return err
	}
	l.runner.Store(r)
	return nil
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == ansible.KeepArgument {
		os.Exit(ansible.Keep(os.Args[2:]))
	}
	l := &late{}
	rpc.Serve(rpc.Plugin{Version: version, Runner: l, Configure: l.configure})
}
