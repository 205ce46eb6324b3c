package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/faultline/faultline/plugins/host/spec"
	"github.com/faultline/faultline/plugins/rpc"
)

// run is one process of a plugin from start to end.
type run struct {
	unit   *unit
	proc   *process
	client *plugin.Client
	rpc    *rpc.Client
	fence  *fence
	tmp    string
	look   memoryLook // at its memory
}

// once runs the plugin until it ends, has to be ended, or ctx ends. The reason
// is one of the words end….
func (u *unit) once(ctx context.Context) (reason string, err error) {
	u.enter(spec.Starting, "", time.Time{})
	program, err := stage(&u.spec, u.dir)
	if err != nil {
		return endStart, err
	}
	r := &run{unit: u, fence: newFence(u.cgroup, u.spec.Name, u.limits.Memory, u.limits.Processes)}
	if r.tmp, err = os.MkdirTemp("", "flp"); err != nil {
		return endStart, fmt.Errorf("plugin %s: %w", u.spec.Name, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // before close: what waits for the log's pace must not hold it up
	defer r.close(cancel)
	if err := r.start(ctx, program); err != nil {
		return endStart, err
	}
	return r.watch(ctx)
}

// command is how the program is started: nothing of our environment reaches it.
func (r *run) command(program string) (*exec.Cmd, error) {
	cmd := exec.CommandContext(context.Background(), program, r.unit.spec.Args...) // ended by close, with its group
	cmd.Dir = filepath.Dir(program)
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "HOME=" + r.tmp, "TMPDIR=" + r.tmp, "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1",
		fmt.Sprintf("GOMEMLIMIT=%d", r.unit.limits.Memory/10*9)}
	for _, name := range []string{"SystemRoot", "TZ"} { // Windows programs cannot do without the first
		if v := os.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	want, err := hex.DecodeString(r.unit.spec.SHA256)
	if err != nil {
		return nil, fmt.Errorf("sha256: %w", err)
	}
	// The copy was checked while it was made; this is go-plugin's own check of it.
	if ok, err := (&plugin.SecureConfig{Checksum: want, Hash: sha256.New()}).Check(program); err != nil || !ok {
		return nil, errors.Join(&Refusal{Plugin: r.unit.spec.Name, Hint: "the copy in the host's directory changed", Err: errors.New("checksum")}, err)
	}
	return cmd, nil
}

// start starts the process and asks it what it is.
func (r *run) start(ctx context.Context, program string) error {
	u := r.unit
	cmd, err := r.command(program)
	if err != nil {
		return err
	}
	r.proc = newProcess(cmd, r.fence)
	r.client = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: rpc.Handshake(), VersionedPlugins: rpc.Versions(), AutoMTLS: true, SkipHostEnv: true,
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC}, StartTimeout: u.limits.Start,
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: r.tmp},
		Logger:           hclog.New(&hclog.LoggerOptions{Level: hclog.Off}),
		Stderr:           &stream{to: u.capture, ctx: ctx}, SyncStdout: &stream{to: u.capture, ctx: ctx}, SyncStderr: &stream{to: u.capture, ctx: ctx},
		GRPCDialOptions: []grpc.DialOption{grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(u.limits.Answer), grpc.MaxCallSendMsgSize(maxTicket))},
		RunnerFunc: func(_ hclog.Logger, c *exec.Cmd, _ string) (runner.Runner, error) {
			cmd.Env = append(cmd.Env, c.Env...)
			return r.proc, nil
		},
	})
	u.mu.Lock()
	u.starts++
	u.bound = r.fence.by()
	u.mu.Unlock()
	sctx, cancel := context.WithTimeout(ctx, u.limits.Start)
	defer cancel()
	if err := r.connect(sctx); err != nil {
		return r.why(err)
	}
	about, err := r.greet(sctx)
	if err != nil {
		return r.why(err)
	}
	u.mu.Lock()
	u.client, u.about, u.proc, u.bad = r.rpc, about, r.proc, 0
	u.mu.Unlock()
	select {
	case <-u.struck: // of the run before
	default:
	}
	u.enter(spec.Running, "", time.Time{})
	u.log.Info("plugin runs", "says", about.Name, "version", about.Version, "pid", r.proc.pid, "memory_bound_by", r.fence.by())
	return nil
}

// maxTicket bounds one message to a plugin, in bytes.
const maxTicket = 64 << 20

// connect has go-plugin start the process and shake hands. go-plugin cannot be
// interrupted there: ending the process does it.
func (r *run) connect(ctx context.Context) error {
	type result struct {
		rpc *rpc.Client
		err error
	}
	done := make(chan result, 1)
	go func() {
		protocol, err := r.client.Client()
		if err != nil {
			done <- result{nil, err}
			return
		}
		raw, err := protocol.Dispense(rpc.PluginName)
		c, _ := raw.(*rpc.Client)
		done <- result{c, err}
	}()
	select {
	case got := <-done:
		r.rpc = got.rpc
		return got.err
	case <-ctx.Done():
		r.proc.killGroup()
		got := <-done
		return errors.Join(errors.New("did not begin to speak in time"), got.err)
	case <-r.proc.done:
		got := <-done
		r.rpc = got.rpc
		return got.err
	}
}

// greet asks the plugin what it is and hands over its settings.
func (r *run) greet(ctx context.Context) (rpc.Description, error) {
	u := r.unit
	about, err := r.rpc.Describe(ctx)
	if err != nil {
		return about, err
	}
	about.Name, about.Version = cut(printable(about.Name), 64), cut(printable(about.Version), 64)
	if !about.Serves(u.spec.Contract) {
		return about, &Refusal{Plugin: u.spec.Name, Hint: "set contract to one that the program serves",
			Err: fmt.Errorf("the program serves %s, not %s", cut(strings.Join(about.Contracts, ", "), 64), u.spec.Contract)}
	}
	return about, r.rpc.Configure(ctx, u.values)
}

// why adds to a failed start what the plugin said last.
func (r *run) why(err error) error {
	if refusal := (*Refusal)(nil); errors.As(err, &refusal) {
		return err
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	if strings.Contains(text, "incompatible API version") {
		return &Refusal{Plugin: r.unit.spec.Name, Hint: fmt.Sprintf("build the plugin for version %d of the contracts", rpc.Version), Err: errors.New(text)}
	}
	if end := r.exit(); end != "" {
		text += ": " + end
	}
	return fmt.Errorf("plugin %s: start: %s", r.unit.spec.Name, text)
}

// exit is how the process ended, if it did, with its last words.
func (r *run) exit() string {
	if r.proc == nil {
		return ""
	}
	return r.unit.exit(r.proc)
}

func (u *unit) exit(p *process) string {
	select {
	case <-p.done:
	case <-time.After(drain / 2):
		return ""
	}
	select {
	case <-p.read:
	case <-time.After(2 * drain):
	}
	text := "ended"
	if p.err != nil {
		text = p.err.Error()
	}
	if _, _, last := u.capture.snapshot(); len(last) > 0 {
		text += ": " + lastWords(last)
	}
	return text
}

// close ends the process, orderly if there is time, and leaves nothing behind.
func (r *run) close(cancel context.CancelFunc) {
	u := r.unit
	u.mu.Lock()
	u.client, u.memory = nil, 0
	u.mu.Unlock()
	cancel()
	if r.client != nil {
		t := time.AfterFunc(u.pace.Grace, r.proc.killGroup)
		r.client.Kill()
		t.Stop()
		r.proc.killGroup()
		select {
		case <-r.proc.began:
			<-r.proc.done
		default:
		}
	}
	r.fence.remove()
	_ = os.RemoveAll(r.tmp)
}

// early is how long before our own clock a plugin may end a call at its deadline,
// which is told to it as the time that is left.
const early = 100 * time.Millisecond

// callOutcome tells why a call went wrong: the caller gave up, the plugin did
// not answer in time, or what it did was wrong.
func callOutcome(caller, call context.Context, err error) string {
	switch code := status.Code(err); {
	case errors.Is(caller.Err(), context.Canceled):
		return "canceled"
	case errors.Is(call.Err(), context.DeadlineExceeded):
		return "timeout"
	case code == codes.Canceled || code == codes.DeadlineExceeded:
		if at, ok := call.Deadline(); ok && time.Until(at) < early {
			return "timeout"
		}
	}
	return "broken"
}

// explain turns a failed call into words for people.
func (u *unit) explain(err error, outcome string, took time.Duration, p *process) error {
	if outcome == "timeout" {
		return &Fault{u.spec.Name, fmt.Sprintf("no answer within %s", took.Round(time.Millisecond))}
	}
	text := err.Error()
	if s, ok := status.FromError(err); ok {
		text = s.Message()
		if (s.Code() == codes.Unavailable || s.Code() == codes.Canceled) && outcome != "canceled" { // the second: we hung up on a process that had ended
			if end := u.exit(p); end != "" {
				return &Fault{u.spec.Name, "ended during the call: " + end}
			}
		}
	}
	return &Fault{u.spec.Name, u.capture.masked(cut(printable(text), maxLine))}
}
