package spool

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary be the process that TestKill kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv("SPOOL_TEST_APPEND_TO"); dir != "" {
		appendUntilKilled(dir)
		return
	}
	os.Exit(m.Run())
}

// appendUntilKilled appends numbered events and prints each that was confirmed.
func appendUntilKilled(dir string) {
	s, err := Open(Options{Dir: dir, SegmentBytes: 8 << 10})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	for i := 0; ; i++ {
		if err := s.Append(Events, fmt.Appendf(nil, "%d-%d %s", os.Getpid(), i, strings.Repeat("x", i%300))); err != nil {
			fmt.Println("error", err)
			return
		}
		fmt.Printf("%d-%d\n", os.Getpid(), i)
	}
}

// kill -9 at random moments loses nothing that was confirmed.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	rounds := 8
	if os.Getenv("CI") == "true" {
		rounds = 50
	}
	var confirmed []string
	for range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "SPOOL_TEST_APPEND_TO="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		if !lines.Scan() {
			t.Fatal("the process printed nothing")
		}
		confirmed = append(confirmed, lines.Text())
		timer := time.AfterFunc(time.Duration(rand.IntN(60))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		for lines.Scan() {
			confirmed = append(confirmed, lines.Text())
		}
		_ = cmd.Wait()
		timer.Stop()
	}
	s := open(t, Options{Dir: dir})
	defer s.Close()
	found := map[string]bool{}
	for _, e := range drain(t, s, EventsOldest) {
		id, _, _ := strings.Cut(e, " ")
		found[id] = true
	}
	for _, id := range confirmed {
		if !found[id] {
			t.Errorf("%q was confirmed and is lost", id)
		}
	}
	t.Logf("%d kills, %d confirmed, %d found, torn tails cut in the last open: %d", rounds, len(confirmed), len(found), s.Stats().TornTails)
}
