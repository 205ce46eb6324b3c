package ansible

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/faultline/faultline/plugins/remedy"
)

// limitName is the parameter that says on which host of the inventory a playbook
// works; it becomes --limit and not a variable.
const limitName = "limit"

var limitForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$`)

// variables writes parameters, whose form is checked already, as a file of variables in which every value is
// marked !unsafe: Ansible then takes it as it is and never as a template.
func variables(params map[string]string) ([]byte, error) {
	var b strings.Builder
	b.WriteString("---\n")
	for _, name := range slices.Sorted(maps.Keys(params)) {
		value := params[name]
		switch {
		case name == limitName && !limitForm.MatchString(value):
			return nil, fmt.Errorf("parameter limit: %q is no single host or group", value)
		case name == limitName:
			continue
		}
		fmt.Fprintf(&b, "%s: !unsafe %s\n", name, quoted(value))
	}
	if b.Len() == len("---\n") {
		b.WriteString("{}\n")
	}
	return []byte(b.String()), nil
}

// quoted is a text in YAML's single quotes, in which nothing but the quote itself
// means anything.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// command is what carries the order out, without a shell.
func (w *work) command(dir string, o remedy.Order) ([]string, error) {
	top := filepath.Join(dir, "p")
	playbook := filepath.Join(top, o.Remedy+".yml")
	if st, err := os.Stat(playbook); err != nil || !st.Mode().IsRegular() {
		return nil, fmt.Errorf("there is no playbook %s.yml", o.Remedy)
	}
	inventory := filepath.Join(top, w.o.Inventory)
	if _, err := os.Stat(inventory); err != nil {
		return nil, fmt.Errorf("there is no inventory %s", w.o.Inventory)
	}
	text, err := variables(o.Parameters)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "none.cfg"), []byte("[defaults]\n"), 0o600); err != nil {
		return nil, err
	}
	vars := filepath.Join(dir, "vars.yml")
	if err := os.WriteFile(vars, text, 0o600); err != nil {
		return nil, err
	}
	c := []string{w.o.Program, "--inventory=" + inventory, "--extra-vars=@" + vars}
	if limit := o.Parameters[limitName]; limit != "" {
		c = append(c, "--limit="+limit)
	}
	if o.DryRun {
		c = append(c, "--check", "--diff")
	}
	if w.o.User != "" {
		c = append(c, "--user="+w.o.User)
	}
	if w.o.KeyFile != "" {
		c = append(c, "--private-key="+w.o.KeyFile)
	}
	if w.o.Vault != "" {
		file := filepath.Join(dir, "vault")
		if err := os.WriteFile(file, []byte(w.o.Vault.Reveal()), 0o600); err != nil {
			return nil, err
		}
		c = append(c, "--vault-password-file="+file)
	}
	return append(c, playbook), nil
}

// environment is all that the playbook's program sees of ours.
func environment(dir string) []string {
	config := filepath.Join(dir, "p", "ansible.cfg")
	if _, err := os.Stat(config); err != nil {
		config = filepath.Join(dir, "none.cfg") // not that of the machine
	}
	return []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=" + dir, "TMPDIR=" + dir, "ANSIBLE_CONFIG=" + config,
		"ANSIBLE_HOME=" + filepath.Join(dir, ".ansible"), "ANSIBLE_NOCOLOR=1", "ANSIBLE_RETRY_FILES_ENABLED=0", "ANSIBLE_STDOUT_CALLBACK=default",
		"ANSIBLE_CHECK_MODE_MARKERS=1", "ANSIBLE_LOCALHOST_WARNING=0", "ANSIBLE_INVENTORY_UNPARSED_WARNING=1", "PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1"}
}

// carryOut runs the command under a keeper until it ends, its time is over or ctx
// ends; nothing of it is left afterwards.
func (w *work) carryOut(ctx context.Context, command []string, out io.Writer) remedy.Outcome {
	began := time.Now()
	seen := &recap{to: out}
	code, err := w.keep(ctx, filepath.Dir(filepath.Dir(command[len(command)-1])), command, seen)
	seen.end()
	table, length := seen.summary(), time.Since(began).Round(time.Second)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return remedy.Outcome{State: remedy.Stopped, Summary: spaced("ended after %s, its time: some of it may have been done.", length, table),
			SummaryZH: spaced("运行 %s 后因超时终止：部分操作可能已执行。", length, table)}
	case ctx.Err() != nil:
		return remedy.Outcome{State: remedy.Stopped, Summary: spaced("ended in the middle after %s: some of it may have been done.", length, table),
			SummaryZH: spaced("运行 %s 后中途终止：部分操作可能已执行。", length, table)}
	case err != nil:
		return remedy.Outcome{State: remedy.Failed, Summary: err.Error(), Changed: seen.changed}
	case code != 0:
		return remedy.Outcome{State: remedy.Failed, Summary: spaced("ansible-playbook ended with %d.", code, table), SummaryZH: spaced("ansible-playbook 退出码 %d。", code, table), Changed: seen.changed}
	case seen.hosts == 0:
		return remedy.Outcome{State: remedy.Failed, Summary: "no host of the inventory matched: nothing was done", SummaryZH: "清单中没有匹配的主机：未执行任何操作"}
	}
	return remedy.Outcome{State: remedy.Done, Summary: table, SummaryZH: seen.summaryZH(), Changed: seen.changed}
}

// spaced is a sentence of one value with Ansible's last table behind it.
func spaced(sentence string, value any, table string) string {
	return strings.TrimSpace(fmt.Sprintf(sentence, value) + " " + table)
}

// keep starts the command under a keeper and returns its exit code.
func (w *work) keep(ctx context.Context, dir string, command []string, out io.Writer) (code int, err error) {
	life, ours, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer func() { _ = life.Close() }()
	var once sync.Once
	release := func() { once.Do(func() { _ = ours.Close() }) }
	defer release()
	args := append(slices.Clone(w.o.Keeper), command...)
	cmd := exec.CommandContext(context.WithoutCancel(ctx), args[0], args[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles, cmd.WaitDelay = filepath.Join(dir, "p"), environment(dir), out, out, []*os.File{life}, 2*time.Second
	apart(cmd)
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("start %s: %w", command[0], err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		terminate(cmd.Process.Pid)
		if err, ok := within(ended, w.o.Grace); ok {
			return cmd.ProcessState.ExitCode(), exitOnly(err)
		}
		release() // the keeper ends everything
		var ok bool
		if err, ok = within(ended, w.o.Grace); !ok {
			killAll(cmd.Process.Pid)
			err = <-ended
		}
	}
	if err := exitOnly(err); err != nil {
		return 0, err
	}
	return cmd.ProcessState.ExitCode(), nil
}

func within(ended <-chan error, d time.Duration) (error, bool) { //nolint:revive // the error is what is waited for
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case err := <-ended:
		return err, true
	case <-t.C:
		return nil, false
	}
}

// exitOnly drops an error that is nothing but an exit code.
func exitOnly(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) || errors.Is(err, exec.ErrWaitDelay) {
		return nil
	}
	return err
}

// recap reads Ansible's last table as it goes by.
type recap struct {
	to   io.Writer
	line []byte

	in                                          bool
	hosts, ok, changed, unreachable, failedHost int
}

var recapRow = regexp.MustCompile(`^\S.* : ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)`)

// Write implements io.Writer.
func (r *recap) Write(b []byte) (int, error) {
	for _, c := range b {
		if c == '\n' {
			r.row(string(r.line))
			r.line = r.line[:0]
		} else if len(r.line) < 4096 {
			r.line = append(r.line, c)
		}
	}
	return r.to.Write(b)
}

func (r *recap) end() { r.row(string(r.line)) }

func (r *recap) row(text string) {
	if strings.HasPrefix(text, "PLAY RECAP ***") {
		r.in, r.hosts, r.ok, r.changed, r.unreachable, r.failedHost = true, 0, 0, 0, 0, 0
		return
	}
	m := recapRow.FindStringSubmatch(text)
	if !r.in || m == nil {
		return
	}
	r.hosts++
	for n, to := range []*int{&r.ok, &r.changed, &r.unreachable, &r.failedHost} {
		v, _ := strconv.Atoi(m[n+1])
		*to += v
	}
}

func (r *recap) summary() string {
	if r.hosts == 0 {
		return ""
	}
	return fmt.Sprintf("hosts=%d ok=%d changed=%d unreachable=%d failed=%d", r.hosts, r.ok, r.changed, r.unreachable, r.failedHost)
}

func (r *recap) summaryZH() string {
	if r.hosts == 0 {
		return ""
	}
	return fmt.Sprintf("主机 %d 台：成功 %d 项，变更 %d 项，不可达 %d 台，失败 %d 项", r.hosts, r.ok, r.changed, r.unreachable, r.failedHost)
}
