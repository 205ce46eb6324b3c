//go:build unix

package update

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/link"
	"github.com/faultline/faultline/internal/release"
	"github.com/faultline/faultline/internal/wire"
)

// installed is the version of the program that these tests are.
const installed = "0.1.1"

// Environment of the test's own program when it plays the installed agent.
const (
	envDir   = "UPDATE_TEST_DIR"
	envURL   = "UPDATE_TEST_URL"
	envOffer = "UPDATE_TEST_OFFER" // file of a wire.Program and a key
)

func TestMain(m *testing.M) {
	if os.Getenv(envDir) != "" {
		os.Exit(agent())
	}
	os.Exit(m.Run())
}

// offer is what the played agent is offered.
type offer struct {
	Program  wire.Program
	Key      ed25519.PublicKey
	Patience time.Duration
	Rate     int
}

// agent does what `run` does: it starts the proven release, or takes what it is
// offered. It says what became of it.
func agent() int {
	dir := os.Getenv(envDir)
	log := slog.New(slog.DiscardHandler)
	if err := Launch(dir, installed, log); err != nil {
		fmt.Println("launch:", err)
		return 1
	}
	var o offer
	b, err := os.ReadFile(os.Getenv(envOffer))
	if err == nil {
		err = json.Unmarshal(b, &o)
	}
	if err != nil {
		fmt.Println("runs", installed)
		return 0
	}
	u, err := Open(Options{Dir: dir, Keys: []ed25519.PublicKey{o.Key}, Version: installed, Patience: o.Patience, Rate: o.Rate, Logger: log})
	if err != nil {
		fmt.Println("open:", err)
		return 1
	}
	l, err := link.New(link.Options{URL: os.Getenv(envURL)})
	if err != nil {
		fmt.Println("link:", err)
		return 1
	}
	err = u.Prepare(context.Background(), l, o.Program)
	var t *Trial
	if errors.As(err, &t) {
		err = u.Try(context.Background(), t)
	}
	fmt.Println("runs", installed, "since", err)
	return 0
}

// releases are played by scripts: what they do when they are run.
const (
	good     = `if [ -n "$FAULTLINE_TRIAL" ]; then echo healthy >&4; exec 4>&-; cat <&3 >/dev/null; exit 0; fi; echo "runs 0.1.2"`
	crashing = `exit 3`
	lonely   = `cat <&3 >/dev/null`
	slow     = `if [ -n "$FAULTLINE_TRIAL" ]; then sleep 1; echo healthy >&4; exec 4>&-; cat <&3 >/dev/null; exit 0; fi; echo "runs 0.1.2"`
)

func script(version, body string) []byte {
	return []byte("#!/bin/sh\nif [ \"$1\" = --version ]; then echo " + version + "; exit 0; fi\n" + body + "\n# " + strings.Repeat("x", 3000) + "\n")
}

// collector hands out one program, part by part; cut makes it break off.
type collector struct {
	program []byte
	cut     atomic.Int32 // so many parts break off
	parts   atomic.Int32
	most    int // bytes of a part; 0: what is asked for
	hold    chan struct{}
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.parts.Add(1)
	if c.hold != nil && c.parts.Load() > 1 {
		select {
		case <-c.hold:
		case <-r.Context().Done():
			return
		}
	}
	if c.cut.Add(-1) >= 0 {
		panic(http.ErrAbortHandler)
	}
	var from, to int
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); err != nil || from >= len(c.program) {
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		return
	}
	end := min(to+1, len(c.program))
	if c.most > 0 {
		end = min(end, from+c.most)
	}
	w.WriteHeader(http.StatusPartialContent)
	_, _ = w.Write(c.program[from:end])
}

// stage is a directory, a collector and a release.
type stage struct {
	t     *testing.T
	dir   string
	c     *collector
	url   string
	offer offer
	file  string
}

func newStage(t *testing.T, body string, change func(*release.Manifest)) *stage {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	program := script("0.1.2", body)
	sum := sha256.Sum256(program)
	m := release.Manifest{Version: "0.1.2", Sequence: 100, Spool: release.SpoolFormat, Files: []release.File{{OS: runtime.GOOS, Arch: runtime.GOARCH, Name: "a", SHA256: hex.EncodeToString(sum[:]), Size: int64(len(program))}}}
	if change != nil {
		change(&m)
	}
	text, sig, err := release.Sign(key, m)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, dir: filepath.Join(t.TempDir(), "program"), c: &collector{program: program}, file: filepath.Join(t.TempDir(), "offer")}
	srv := httptest.NewUnstartedServer(s.c)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.Start()
	t.Cleanup(srv.Close)
	s.url = srv.URL
	s.offer = offer{Program: wire.Program{Version: "0.1.2", Manifest: text, Signature: sig}, Key: pub, Patience: 30 * time.Second, Rate: 1 << 20}
	return s
}

// command is the installed agent as a process of its own.
func (s *stage) command(offered bool) (*exec.Cmd, *bytes.Buffer) {
	s.t.Helper()
	b, err := json.Marshal(s.offer)
	if err == nil {
		err = os.WriteFile(s.file, b, 0o600)
	}
	self, errSelf := os.Executable()
	if err = errors.Join(err, errSelf); err != nil {
		s.t.Fatal(err)
	}
	c := exec.Command(self, "run")
	file := s.file
	if !offered {
		file = ""
	}
	c.Env = append(os.Environ(), envDir+"="+s.dir, envURL+"="+s.url, envOffer+"="+file)
	out := &bytes.Buffer{}
	c.Stdout, c.Stderr = out, out
	c.WaitDelay = 30 * time.Second // a program on trial holds the pipes for a moment longer
	return c, out
}

func (s *stage) run(offered bool) string {
	s.t.Helper()
	c, out := s.command(offered)
	if err := c.Run(); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(out.String())
}

func (s *stage) state() State {
	s.t.Helper()
	f, err := openFile(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	return f.get()
}

func TestGoodReleaseIsKept(t *testing.T) {
	s := newStage(t, good, nil)
	if got := s.run(true); got != "runs 0.1.2" {
		t.Fatalf("after the trial: %s", got)
	}
	if got := s.run(false); got != "runs 0.1.2" {
		t.Errorf("after a restart: %s", got)
	}
	if st := s.state(); st.Active.Version != "0.1.2" || st.Base != installed || st.Sequence != 100 || st.Trial.SHA256 != "" {
		t.Errorf("state %+v", st)
	}
}

func TestBadReleasesLeaveTheOldRunning(t *testing.T) {
	for name, c := range map[string]struct {
		body   string
		change func(*stage)
		why    string
	}{
		"crashes at once":  {crashing, nil, "ended by itself"},
		"never connects":   {lonely, func(s *stage) { s.offer.Patience = time.Second }, "has not reached the collector within 1s"},
		"forged signature": {good, func(s *stage) { s.offer.Program.Signature[3] ^= 1 }, "not signed by a key"},
		"changed manifest": {good, func(s *stage) {
			s.offer.Program.Manifest = bytes.Replace(s.offer.Program.Manifest, []byte("0.1.2"), []byte("0.1.3"), 1)
		}, "not signed by a key"},
		"another program": {good, func(s *stage) { s.c.program = bytes.Replace(s.c.program, []byte("xx"), []byte("xy"), 1) }, "checksum is"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, c.body, nil)
			if c.change != nil {
				c.change(s)
			}
			if got := s.run(true); !strings.HasPrefix(got, "runs "+installed) || !strings.Contains(got, c.why) {
				t.Errorf("%s, want %q", got, c.why)
			}
			st := s.state()
			if st.Active.SHA256 != "" || st.Trial.SHA256 != "" || st.Failed.Version != "0.1.2" || !strings.Contains(st.Failed.Why, c.why) {
				t.Errorf("state %+v", st)
			}
			if got := s.run(false); got != "runs "+installed {
				t.Errorf("after a restart: %s", got)
			}
		})
	}
}

func TestWhatDoesNotSayItsVersionIsNotTried(t *testing.T) {
	s := newStage(t, good, func(m *release.Manifest) { m.Version = "0.1.5" })
	if got := s.run(true); !strings.Contains(got, `says it is "0.1.2"`) {
		t.Error(got)
	}
}

func TestOldReleasesAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change   func(*release.Manifest)
		sequence int64
		want     error
	}{
		"not later":            {func(m *release.Manifest) { m.Version = installed }, 0, release.ErrOld},
		"replayed":             {func(*release.Manifest) {}, 100, release.ErrReplayed},
		"downgrade replayed":   {func(m *release.Manifest) { m.Version, m.Downgrade = "0.0.9", true }, 100, release.ErrReplayed},
		"another spool format": {func(m *release.Manifest) { m.Spool = 9 }, 0, release.ErrSpool},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, good, c.change)
			u, err := Open(Options{Dir: s.dir, Keys: []ed25519.PublicKey{s.offer.Key}, Version: installed, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			if err := u.state.change(func(st *State) { st.Sequence = c.sequence }); err != nil {
				t.Fatal(err)
			}
			l, err := link.New(link.Options{URL: s.url})
			if err != nil {
				t.Fatal(err)
			}
			if err := u.Prepare(t.Context(), l, s.offer.Program); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if n := s.c.parts.Load(); n != 0 {
				t.Errorf("%d parts were fetched before it was refused", n)
			}
		})
	}
}

// A line that breaks off again and again only delays it; no byte is fetched twice.
func TestCutDownloadGoesOn(t *testing.T) {
	s := newStage(t, good, nil)
	s.c.most = 500
	s.c.cut.Store(3)
	if got := s.run(true); got != "runs 0.1.2" {
		t.Fatal(got)
	}
	if n, least := int(s.c.parts.Load()), len(s.c.program)/500; n > least+5 {
		t.Errorf("%d requests for %d parts and 3 cuts", n, least+1)
	}
}

// killWhen kills the agent without warning once the condition holds on disk.
func (s *stage) killWhen(what string, is func() bool) {
	s.t.Helper()
	c, out := s.command(true)
	if err := c.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	deadline := time.After(60 * time.Second)
	for !is() {
		select {
		case <-ended:
			s.t.Logf("%s: it was over before it could be killed: %s", what, out)
			return
		case <-deadline:
			_ = c.Process.Kill()
			s.t.Fatalf("%s: never seen: %s", what, out)
		case <-time.After(time.Millisecond):
		}
	}
	_ = c.Process.Kill()
	<-ended
}

// TestPowerCutAtEachStep ends the agent by SIGKILL while it fetches, when the
// program is in place, during the trial and after it: the next start runs the old
// or the new program, never none, and a further offer leads to the new one.
func TestPowerCutAtEachStep(t *testing.T) {
	exists := func(path string) bool { _, err := os.Stat(path); return err == nil }
	for name, is := range map[string]func(*stage) bool{
		"fetching": func(s *stage) bool {
			parts, _ := filepath.Glob(filepath.Join(s.dir, "*.part"))
			return len(parts) > 0
		},
		"in place": func(s *stage) bool {
			sum := sha256.Sum256(s.c.program)
			return exists(filepath.Join(s.dir, hex.EncodeToString(sum[:]), "faultline-agent"))
		},
		"on trial": func(s *stage) bool { return s.look().Trial.SHA256 != "" },
		"proven":   func(s *stage) bool { return s.look().Active.SHA256 != "" },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, slow, nil)
			s.c.most = 1000
			s.killWhen(name, func() bool { return is(s) })
			if got := s.run(false); got != "runs "+installed && got != "runs 0.1.2" {
				t.Fatalf("after the cut: %s", got)
			}
			if got := s.run(true); got != "runs 0.1.2" {
				t.Errorf("offered again: %s", got)
			}
		})
	}
}

// look reads the state while another process writes it: it is whole at any time.
func (s *stage) look() (st State) {
	b, err := os.ReadFile(filepath.Join(s.dir, stateName))
	if err != nil {
		return st
	}
	if err := json.Unmarshal(b, &st); err != nil {
		s.t.Errorf("the state on disk is torn: %v", err)
	}
	return st
}

// A trial that is interrupted again and again is given up.
func TestInterruptedTrialIsGivenUp(t *testing.T) {
	s := State{Trial: Slot{SHA256: "a", Version: "0.1.2"}, Tries: 1}
	interrupted(&s)
	if s.Failed.Version != "" || s.Trial.SHA256 != "" {
		t.Errorf("after the first: %+v", s)
	}
	s.Trial, s.Tries = Slot{SHA256: "a", Version: "0.1.2"}, mostTries
	interrupted(&s)
	if s.Failed.Version != "0.1.2" {
		t.Errorf("after the last: %+v", s)
	}
}

func TestPackageUpgradeAndDamageCountMore(t *testing.T) {
	s := newStage(t, good, nil)
	if got := s.run(true); got != "runs 0.1.2" {
		t.Fatal(got)
	}
	f, err := openFile(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("damaged", func(t *testing.T) {
		path := f.program(f.get().Active)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(b, '#'), 0o700); err != nil {
			t.Fatal(err)
		}
		if got := s.run(false); got != "runs "+installed {
			t.Error(got)
		}
		if st := s.state(); st.Active.SHA256 != "" || !strings.Contains(st.Failed.Why, "damaged") || st.Sequence != 100 {
			t.Errorf("state %+v", st)
		}
	})
	t.Run("package upgraded", func(t *testing.T) {
		s := newStage(t, good, nil)
		if got := s.run(true); got != "runs 0.1.2" {
			t.Fatal(got)
		}
		f, err := openFile(s.dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.change(func(st *State) { st.Base = "0.1.0" }); err != nil { // as if another was installed then
			t.Fatal(err)
		}
		if got := s.run(false); got != "runs "+installed {
			t.Error(got)
		}
	})
}
