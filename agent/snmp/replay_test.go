package snmp_test

import (
	"bufio"
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/internal/lab/need"
	"github.com/faultline/faultline/internal/secret"
)

// scratch is removed when the tests are over.
var scratch string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "faultline-snmp")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	scratch = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// responder builds the program that replays recordings, once.
var responder = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(scratch, "snmpreplay")
	build := exec.Command("go", "build", "-o", bin, ".")
	build.Dir = filepath.Join(shared(), "tools", "snmpreplay")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build snmpreplay: %w\n%s", err, out)
	}
	return bin, nil
})

// shared is where the recorded devices and the responder for them are; they are
// not part of this repository.
func shared() string {
	if root := os.Getenv("FAULTLINE_SHARED"); root != "" {
		return root
	}
	return filepath.Join("..", "..", "..", "shared")
}

func recordings(t testing.TB) string {
	t.Helper()
	data, err := filepath.Abs(filepath.Join(shared(), "data", "snmp", "dev"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(data); err != nil {
		need.Missing(t, "no recorded devices: set FAULTLINE_SHARED to where they are")
	}
	return data
}

// replay starts the responder with flags and returns its address.
func replay(t testing.TB, flags ...string) string {
	t.Helper()
	data := recordings(t)
	bin, err := responder()
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	cmd := exec.Command(bin, append([]string{"-data", data, "-listen", addr}, flags...)...)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("snmpreplay said %q: %v", line, err)
	}
	return addr
}

// freePort returns a UDP port of the loopback that nobody listens on.
func freePort(t testing.TB) int {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).Port
}

// recorded returns the indexes of a column in a recording, in order.
func recorded(t testing.TB, name string, column snmp.OID) []string {
	t.Helper()
	prefix := column.String() + "."
	var found []snmp.OID
	for _, oid := range instances(t, name) {
		if strings.HasPrefix(oid, prefix) {
			found = append(found, snmp.MustParseOID(oid))
		}
	}
	slices.SortFunc(found, snmp.OID.Compare)
	var indexes []string
	for _, o := range slices.Compact(found) {
		indexes = append(indexes, o.String()[len(prefix):])
	}
	return indexes
}

// recordedAll counts the rows of columns in a recording.
func recordedAll(t testing.TB, name string, columns []snmp.OID) []int {
	t.Helper()
	at := map[string]int{}
	for i, c := range columns {
		at[c.String()] = i
	}
	seen := map[string]bool{}
	counts := make([]int, len(columns))
	for _, oid := range instances(t, name) {
		if seen[oid] {
			continue
		}
		seen[oid] = true
		for p := strings.LastIndexByte(oid, '.'); p > 0; p = strings.LastIndexByte(oid[:p], '.') {
			if i, ok := at[oid[:p]]; ok {
				counts[i]++
			}
		}
	}
	return counts
}

// instances returns the OIDs of a recording that can be replayed, as they stand.
func instances(t testing.TB, name string) []string {
	t.Helper()
	f, err := os.Open(filepath.Join(recordings(t), name+".snmprec"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var oids []string
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		parts := strings.SplitN(sc.Text(), "|", 3)
		usable := len(parts) == 3
		if usable && strings.HasSuffix(parts[1], "x") {
			_, err := hex.DecodeString(strings.TrimSpace(parts[2]))
			usable = err == nil
		}
		if usable {
			oids = append(oids, strings.TrimPrefix(parts[0], "."))
		}
	}
	return oids
}

// names returns the names of all recordings.
func names(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(recordings(t), "*.snmprec"))
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), ".snmprec")
	}
	return files
}

func secretOf(s string) secret.String { return secret.String(s) }

func transport(t testing.TB) *snmp.Transport {
	t.Helper()
	tr := snmp.NewTransport(snmp.Options{})
	t.Cleanup(func() { tr.Close() })
	return tr
}

func open(t testing.TB, tr *snmp.Transport, c snmp.Config) *snmp.Session {
	t.Helper()
	c.Version = cmp.Or(c.Version, snmp.V2c)
	s, err := tr.Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// interfaces are the columns of ifTable and ifXTable.
func interfaces() []snmp.OID {
	var cols []snmp.OID
	for i := 1; i <= 22; i++ {
		cols = append(cols, snmp.MustParseOID(fmt.Sprintf("1.3.6.1.2.1.2.2.1.%d", i)))
	}
	for i := 1; i <= 19; i++ {
		cols = append(cols, snmp.MustParseOID(fmt.Sprintf("1.3.6.1.2.1.31.1.1.1.%d", i)))
	}
	return cols
}

// walked collects the indexes that a walk visits, by column.
type walked [][]string

func (w walked) visit(c int, index []byte, _ snmp.Value) {
	w[c] = append(w[c], string(snmp.AppendIndex(nil, index)))
}

// hello asks for sysUpTime, as a poll does first.
func hello(t testing.TB, s *snmp.Session) {
	t.Helper()
	for range 5 {
		if _, err := s.Do(context.Background(), snmp.Get, []snmp.OID{snmp.MustParseOID("1.3.6.1.2.1.1.3.0")}, 0, 0); err == nil {
			return
		}
	}
	t.Fatal("agent does not answer")
}

// TestBrokenAgents walks one table through agents with the faults that are met in
// the field, twice: the second walk knows what the first learned.
func TestBrokenAgents(t *testing.T) {
	const name = "arista_eos_vrf"
	cols := interfaces()
	tests := []struct {
		name   string
		flags  []string
		partly string // the fault of the column ifOperStatus; all others are whole
		within time.Duration
		again  int // packets of the second walk at most
	}{
		{"normal", nil, "", time.Second, 45},
		{"GETBULK ignored", []string{"-no-bulk"}, "", 6 * time.Second, 400},
		{"GETBULK answered genErr", []string{"-bulk-generr"}, "", 2 * time.Second, 400},
		{"OID loop", []string{"-loop-at", "1.3.6.1.2.1.2.2.1.8"}, "OID not increasing", 2 * time.Second, 50},
		{"replies of 200 bytes", []string{"-max-msg", "200"}, "", 2 * time.Second, 600},
		{"replies of 484 bytes", []string{"-max-msg", "484"}, "", 2 * time.Second, 160},
		{"one repetition at most", []string{"-max-reps", "1"}, "", 2 * time.Second, 150},
		{"half of replies doubled", []string{"-dup", "0.5"}, "", 2 * time.Second, 45},
		{"10 % loss", []string{"-loss", "0.1"}, "", 15 * time.Second, 90},
		{"5 ms away", []string{"-latency", "5ms"}, "", 2 * time.Second, 45},
		{"slow and serial", []string{"-serial", "-per-varbind", "1ms"}, "", 8 * time.Second, 60},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			addr := replay(t, tt.flags...)
			s := open(t, transport(t), snmp.Config{Address: addr, Community: secret.String(name), Timeout: time.Second, Retries: 1})
			hello(t, s)
			var l snmp.Learned
			for round := range 2 {
				begin := time.Now()
				got := make(walked, len(cols))
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				o, err := s.Walk(ctx, &l, cols, got.visit)
				cancel()
				took := time.Since(begin)
				t.Logf("round %d: %v, %d packets, %d varbinds, %d repetitions, notes %q, learned %+v", round, took, o.Requests, o.Varbinds, o.Repetitions, o.Notes, l)
				if err != nil {
					t.Fatalf("walk: %v; %+v", err, o)
				}
				if took > tt.within {
					t.Errorf("took %v", took)
				}
				if round == 1 && o.Requests > tt.again {
					t.Errorf("%d packets, want at most %d", o.Requests, tt.again)
				}
				for i, c := range o.Columns {
					partly := ""
					if i == 7 {
						partly = tt.partly
					}
					if got := fmt.Sprint(c.Fault); c.Whole != (partly == "") || c.Fault != nil && !strings.Contains(got, partly) {
						t.Errorf("column %s: fault %q, want %q", cols[i], got, partly)
					}
					if want := recorded(t, name, cols[i]); !slices.Equal(got[i], want) {
						t.Errorf("column %s: %d rows, want %d: %v", cols[i], len(got[i]), len(want), got[i])
					}
				}
			}
		})
	}
}
