package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"time"

	"github.com/faultline/faultline/plugins/remedy"
)

// Program runs a program without a shell, in a process group of its own, and
// returns its exit code; when ctx ends its whole group is ended. What it prints
// on either of its outputs goes to out. env is all that it sees of variables.
func Program(ctx context.Context, out io.Writer, env []string, name string, args ...string) (code int, err error) {
	var cmd *exec.Cmd
	for n := 0; n == 0 || n < 100 && errors.Is(err, syscall.ETXTBSY); n++ {
		if n > 0 { // just written, and a process that begins beside us holds it open for an instant
			time.Sleep(5 * time.Millisecond)
		}
		cmd = exec.CommandContext(ctx, name, args...)
		cmd.Env, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = env, out, out, 2*time.Second
		group(cmd)
		err = cmd.Run()
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) || errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	if cmd.ProcessState == nil {
		return -1, err
	}
	return cmd.ProcessState.ExitCode(), err
}

// Ended is the outcome of a program: one that ended well says so itself and counts
// as one change, in a dry run as one that it would make.
func Ended(ctx context.Context, code int, err error) remedy.Outcome {
	switch {
	case ctx.Err() != nil:
		return remedy.Outcome{State: remedy.Stopped, Summary: "ended in the middle: some of it may have been done", SummaryZH: "中途终止：部分操作可能已执行"}
	case err != nil:
		return remedy.Outcome{State: remedy.Failed, Summary: err.Error()}
	case code != 0:
		return remedy.Outcome{State: remedy.Failed, Summary: fmt.Sprintf("the program ended with %d", code), SummaryZH: fmt.Sprintf("程序退出码 %d", code)}
	}
	return remedy.Outcome{State: remedy.Done, Summary: "the program went through", SummaryZH: "程序执行完成", Changed: 1}
}
