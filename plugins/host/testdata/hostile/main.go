// Command hostile is a runner of remedies that behaves as badly as the remedy's
// name says; the remedy everything is each of them in turn, which it counts in
// the file of the setting count. The tests build it and run it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	"github.com/faultline/faultline/plugins/remedy"
	"github.com/faultline/faultline/plugins/rpc"
)

type hostile struct{ count atomic.Pointer[string] }

func main() {
	h := &hostile{}
	rpc.Serve(rpc.Plugin{Version: "1", Runner: h, Configure: func(_ context.Context, settings map[string]string) error {
		file := settings["count"]
		h.count.Store(&file)
		return nil
	}})
}

func (*hostile) Name() string { return "hostile" }

// ways are what everything is in turn.
var ways = []string{"crash", "lie-state", "flood", "hog", "hang", "lie-number", "lie-pin", "deny"}

// way is the next of them.
func (h *hostile) way() string {
	file := h.count.Load()
	if file == nil || *file == "" {
		return "deny"
	}
	f, err := os.OpenFile(*file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return "deny"
	}
	defer func() { _ = f.Close() }()
	_, _ = f.WriteString(".")
	st, err := f.Stat()
	if err != nil {
		return "deny"
	}
	return ways[(int(st.Size())-1)%len(ways)]
}

func (h *hostile) Run(ctx context.Context, o remedy.Order, out io.Writer) (remedy.Outcome, error) {
	way := o.Remedy
	if way == "everything" {
		way = h.way()
	}
	_, _ = fmt.Fprintln(out, "I am about to", way)
	switch way {
	case "crash":
		fmt.Fprintln(os.Stderr, "[ERROR] crashed on purpose")
		os.Exit(9)
	case "hang":
		_ = exec.Command("sleep", "1000").Start()
		select {}
	case "flood":
		for ctx.Err() == nil {
			_, _ = io.WriteString(out, strings.Repeat("more and more ", 2000)+"\n")
		}
		return remedy.Outcome{State: remedy.Done, Summary: strings.Repeat("long ", 10_000), Pin: "p"}, nil
	case "hog":
		var kept [][]byte
		for {
			b := make([]byte, 4<<20)
			for n := range b {
				b[n] = byte(n)
			}
			kept = append(kept, b)
			time.Sleep(time.Duration(len(kept)/1000) * time.Millisecond)
		}
	case "lie-state":
		return remedy.Outcome{State: "glorious", Pin: "p"}, nil
	case "lie-number":
		return remedy.Outcome{State: remedy.Done, Changed: -7, Pin: "p"}, nil
	case "lie-pin":
		return remedy.Outcome{State: remedy.Done, Pin: strings.Repeat("p", 5000)}, nil
	case "deny":
		return remedy.Outcome{}, errors.New("\x1b[2J nothing happened, honestly")
	}
	return remedy.Outcome{State: remedy.Done, Summary: "well", Changed: 1, Pin: "p"}, nil
}

// Find has never heard of anything, or of all that it is asked.
func (h *hostile) Find(_ context.Context, key string) (remedy.Outcome, bool, error) {
	return remedy.Outcome{State: "glorious", Changed: -1}, strings.HasPrefix(key, "known"), nil
}
