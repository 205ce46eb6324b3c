package app

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/config"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/collector/sqlstore/storetest"
	"github.com/faultline/faultline/plugins/base"
)

// many is how many incidents are open in BenchmarkManyOpen; times how often each
// thing is measured.
const (
	many  = 10_000
	times = 1000
)

// BenchmarkManyOpen measures a whole collector over many open incidents, each of
// a server whose disk stays full, told to nobody but counted, timed and delivered
// like any. Its
// results are the 99th percentile of each thing, of the auditor's pass the longest
// of ten, and of the rounds of judging their mean.
func BenchmarkManyOpen(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchManyOpen(b, "") })
	b.Run("postgres", func(b *testing.B) {
		p, err := storetest.StartPostgres()
		if err != nil {
			storetest.SkipOrFail(b, err)
		}
		b.Cleanup(p.Stop)
		benchManyOpen(b, p.URL(b))
	})
}

func benchManyOpen(b *testing.B, database string) {
	a, cfg, ids := crowded(b, database)
	client := browserOf(b, a, cfg)
	person := incident.Actor{Kind: account.KindPerson, ID: "bench", Name: "bench", Role: account.RoleBranchIT}
	taken := rand.Perm(len(ids))
	for b.Loop() { // once, however often the tool would like
		b.StopTimer()
		timed(b, "step-ms", 0.99, times, func(n int) error {
			return a.engine.Handle(b.Context(), incident.Event{IncidentID: ids[taken[n]], ID: fmt.Sprintf("ack/%d", n), At: time.Now(), Kind: incident.Acked, Actor: person})
		})
		timed(b, "api-list-ms", 0.99, times, func(int) error { return get(client, cfg.ExternalURL+"/api/v1/incidents?limit=100") })
		timed(b, "console-list-ms", 0.99, times, func(int) error { return get(client, cfg.ExternalURL+"/incidents") })
		timed(b, "audit-ms", 1, 10, func(int) error { return a.auditor.pass(b.Context(), a) })
		b.ReportMetric(meanRound(b, a, 10), "round-ms")
		b.StartTimer()
	}
}

// meanRound is the mean time of some rounds of the collector's own judging, in
// milliseconds.
func meanRound(b *testing.B, a *App, rounds uint64) float64 {
	b.Helper()
	so := func() (float64, uint64) {
		var m dto.Metric
		if err := a.judging.Write(&m); err != nil {
			b.Fatal(err)
		}
		return m.GetHistogram().GetSampleSum(), m.GetHistogram().GetSampleCount()
	}
	sum, n := so()
	eventually(b, "so many rounds", func() bool { _, now := so(); return now >= n+rounds })
	sumThen, then := so()
	return 1e3 * (sumThen - sum) / float64(then-n)
}

// timed reports a percentile of how long something takes, in milliseconds.
func timed(b *testing.B, unit string, quantile float64, n int, do func(n int) error) {
	b.Helper()
	took := make([]time.Duration, n)
	for k := range took {
		begun := time.Now()
		if err := do(k); err != nil {
			b.Fatalf("%s: %v", unit, err)
		}
		took[k] = time.Since(begun)
	}
	slices.Sort(took)
	b.Logf("%s: median %s, most %s", unit, took[n/2].Round(time.Millisecond), took[n-1].Round(time.Millisecond))
	b.ReportMetric(float64(took[min(int(quantile*float64(n)), n-1)].Microseconds())/1e3, unit)
}

func get(c *http.Client, address string) error {
	res, err := c.Get(address)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	_, err = io.Copy(io.Discard, res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || res.Request.URL.String() != address) {
		err = fmt.Errorf("%s: %s", res.Request.URL.Path, res.Status)
	}
	return err
}

// crowded runs a collector with many open incidents until the benchmark ends.
func crowded(b *testing.B, database string) (a *App, cfg config.Config, ids []string) {
	dir := b.TempDir()
	cfg = config.Default()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	cfg.Data, cfg.Inventory, cfg.Listen, cfg.Database = filepath.Join(dir, "data"), filepath.Join(dir, "company.yaml"), ln.Addr().String(), database
	cfg.ExternalURL = "http://" + cfg.Listen
	_ = ln.Close()
	if err := os.WriteFile(cfg.Inventory, crowd(), 0o600); err != nil {
		b.Fatal(err)
	}
	a = runUntilEnd(b, cfg)
	begun := time.Now()
	feed(b, a)
	eventually(b, "every device has its incident", func() bool {
		open, err := a.engine.Incidents(b.Context())
		if err != nil || len(open) < many {
			return false
		}
		for _, i := range open {
			ids = append(ids, i.ID)
		}
		return true
	})
	b.Logf("%d incidents open after %s", len(ids), time.Since(begun).Round(time.Second))
	eventually(b, "all effects are carried out", func() bool {
		rows, err := a.store.CountEffects(b.Context())
		waiting := 0
		for _, n := range rows {
			waiting += n.Unfinished
		}
		return err == nil && waiting == 0
	})
	b.Logf("all effects carried out after %s", time.Since(begun).Round(time.Second))
	return a, cfg, ids
}

// feed writes what keeps a rule of every server firing, until the benchmark ends.
func feed(b *testing.B, a *App) {
	series := make([]metricstore.Series, 0, 2*many)
	for n := range many {
		of := func(name string) base.Labels {
			return base.Labels{{Name: "__name__", Value: name}, {Name: "fstype", Value: "ext4"}, {Name: "instance", Value: fmt.Sprintf("d%d", n)},
				{Name: "mountpoint", Value: "/"}, {Name: "site", Value: fmt.Sprintf("s%d", n/100)}}
		}
		series = append(series, metricstore.Series{Labels: of("node_filesystem_avail_bytes")}, metricstore.Series{Labels: of("node_filesystem_size_bytes")})
	}
	done := make(chan struct{})
	b.Cleanup(func() { <-done })
	go func() {
		defer close(done)
		for every := time.NewTicker(10 * time.Second); b.Context().Err() == nil; {
			for n := range series {
				series[n].Points = []metricstore.Point{{T: time.Now().UnixMilli(), V: float64(1 + n%2*99)}}
			}
			if _, err := a.metrics.Append(b.Context(), series); err != nil && b.Context().Err() == nil {
				b.Errorf("append: %v", err)
			}
			select {
			case <-every.C:
			case <-b.Context().Done():
			}
		}
	}()
}

func runUntilEnd(b *testing.B, cfg config.Config) *App {
	ctx := b.Context()
	a, err := New(ctx, cfg, Options{Logger: slog.New(slog.DiscardHandler), Version: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	b.Cleanup(func() { // b's context has ended
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	eventually(b, "it rules", func() bool { _, err := a.engine.Incidents(ctx); return err == nil })
	return a
}

// crowd is an inventory of as many servers.
func crowd() []byte {
	var b bytes.Buffer
	b.WriteString("company: Crowd\nsites:\n  - {id: hq, name: {zh-CN: 总公司, en: Head office}, kind: hq}\n")
	for s := range many / 100 {
		fmt.Fprintf(&b, "  - {id: s%d, name: {zh-CN: 分公司 %d, en: Branch %d}, kind: branch}\n", s, s, s)
	}
	b.WriteString("devices:\n")
	for n := range many {
		fmt.Fprintf(&b, "  - {id: d%d, name: {zh-CN: 服务器 %d, en: Server %d}, site: s%d, kind: server, addresses: [10.%d.%d.%d]}\n", n, n, n, n/100, n/40000, n/200%200, n%200+1)
	}
	return b.Bytes()
}

// browserOf is a browser of the administrator.
func browserOf(b *testing.B, a *App, cfg config.Config) *http.Client {
	const name, password = "bench", "a-long-enough-password-0"
	first, err := a.accounts.CreateUser(b.Context(), "bench", account.User{Name: name, Roles: []string{account.RoleAdmin}})
	if err == nil {
		err = a.accounts.SetPassword(b.Context(), name, first, password, "bench")
	}
	if err != nil {
		b.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	c := &http.Client{Jar: jar}
	res, err := c.Post(cfg.ExternalURL+"/sign-in", "application/x-www-form-urlencoded", strings.NewReader(url.Values{"name": {name}, "password": {password}}.Encode()))
	if err != nil {
		b.Fatal(err)
	}
	_ = res.Body.Close()
	return c
}

// eventually polls for as long as opening so many may take.
func eventually(b *testing.B, what string, is func() bool) {
	b.Helper()
	for deadline := time.Now().Add(5 * time.Minute); !is(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("not within five minutes: %s", what)
		}
	}
}
