package endurance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/collector/sqlstore/storetest"
	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/rules"
)

const (
	clusterLease = 2 * time.Second
	clusterKey   = "cluster-webhook-key-0123"
	clusterToken = "cluster-agent"
	branches     = 10
)

func branchName(i int) string { return fmt.Sprintf("b%d", i) }
func mainLine(i int) string   { return fmt.Sprintf("carrier-%d:main", i) }

// node is one of the two collectors.
type node struct {
	*program
	company // dir, data, url, token and client of this one
	letter  string
	id      string // in the lease
}

// cluster is two collectors on one PostgreSQL, with what is around them.
type cluster struct {
	dir      string
	database string
	db       *sql.DB
	store    *sqlstore.Store
	nodes    []*node
	ledger   *ledger

	mu     sync.Mutex // guards the field below
	broken [branches]bool
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("runs the built programs")
	}
	bin, err := binaries()
	must(t, err)
	pg, err := storetest.StartPostgres()
	if err != nil {
		storetest.SkipOrFail(t, err)
	}
	t.Cleanup(pg.Stop)
	c := &cluster{dir: t.TempDir(), database: pg.URL(t)}
	c.db, err = sql.Open("pgx", c.database)
	must(t, err)
	t.Cleanup(func() { _ = c.db.Close() })
	c.store, err = sqlstore.Open(t.Context(), sqlstore.Options{URL: c.database})
	must(t, err)
	t.Cleanup(func() { _ = c.store.Close() })
	c.ledger = newLedger(t, c)
	c.layRules(t)
	must(t, os.WriteFile(filepath.Join(c.dir, "inventory.yaml"), c.inventory(), 0o600))
	for _, letter := range []string{"a", "b"} {
		c.addNode(t, bin, letter)
	}
	return c
}

// addNode writes a collector's configuration and starts it.
func (c *cluster) addNode(t *testing.T, bin, letter string) {
	t.Helper()
	n := &node{letter: letter}
	n.dir, n.data = c.dir, filepath.Join(c.dir, letter)
	n.client = http.Client{Timeout: 5 * time.Second}
	port := freePort(t)
	n.url = fmt.Sprintf("http://127.0.0.1:%d", port)
	name := letter + ".yaml"
	text := fmt.Sprintf("data: %q\nlisten: 127.0.0.1:%d\nexternal_url: http://127.0.0.1:1\ninventory: %q\nrules: %q\nretention: 24h\ninterval: 500ms\ndatabase: %q\n", n.data, port,
		filepath.Join(c.dir, "inventory.yaml"), filepath.Join(c.dir, "rules"), c.database+"&application_name="+letter)
	text += fmt.Sprintf("lease: {ttl: %s}\nholds: {verify: 1s, settle: 1s, open: 100ms}\nmail: {host: %q, from: faultline@practice.example, tls: none}\nwebhook: {keys: [%s]}\n", clusterLease, c.ledger.box.Addr(), clusterKey)
	n.write(t, name, text)
	n.program = &program{path: filepath.Join(bin, "faultline-collector"), log: filepath.Join(c.dir, letter+".log"), args: []string{"serve", "--config", filepath.Join(c.dir, name)}}
	n.collector = n.program
	n.runCollector(t)
	id, err := os.ReadFile(filepath.Join(n.data, "node-id"))
	must(t, err)
	n.id = strings.TrimSpace(string(id))
	c.nodes = append(c.nodes, n)
	t.Cleanup(func() {
		_ = n.signalNow(syscall.SIGCONT) // a failed test may leave it frozen
		n.program.stop(t)
		if all := n.output(1 << 30); strings.Contains(all, "panic:") || strings.Contains(all, "fatal error:") {
			t.Errorf("collector %s panicked", letter)
		}
		if t.Failed() {
			t.Logf("collector %s:\n%s", letter, n.output(12000))
		}
	})
}

// layRules writes the shipped rules of reachability without their holds.
func (c *cluster) layRules(t *testing.T) {
	t.Helper()
	shipped, err := fs.ReadFile(rules.FS(), "alerts/reachability.yaml")
	must(t, err)
	dir := filepath.Join(c.dir, "rules", "alerts")
	must(t, os.MkdirAll(dir, 0o700))
	quick := regexp.MustCompile(`(?m)^\s+(keep_firing_)?for: .*\n`).ReplaceAll(shipped, nil)
	must(t, os.WriteFile(filepath.Join(dir, "reachability.yaml"), quick, 0o600))
}

// inventory is a head office and branches with two lines each; every main line
// has a carrier of its own, which is told by webhook.
func (c *cluster) inventory() []byte {
	var b bytes.Buffer
	b.WriteString("company: Cluster\nsites:\n  - {id: hq, name: {zh-CN: 总公司, en: Head office}, kind: hq}\n")
	for i := range branches {
		fmt.Fprintf(&b, "  - {id: %s, name: {zh-CN: 分公司 %d, en: Branch %d}, kind: branch}\n", branchName(i), i, i)
	}
	b.WriteString("devices:\n  - {id: hq-rtr, name: {zh-CN: 路由器, en: Router}, site: hq, kind: router, addresses: [10.0.0.1]}\n  - {id: hq-srv, name: {zh-CN: 服务器, en: Server}, site: hq, kind: server, addresses: [10.0.0.2]}\n")
	for i := range branches {
		fmt.Fprintf(&b, "  - {id: %[1]s-rtr, name: {zh-CN: 路由器 %[2]d, en: Router %[2]d}, site: %[1]s, kind: router, roles: [gateway], addresses: [10.1.%[2]d.1], depends_on: [{any_of: ['carrier-%[2]d:main', 'backup-%[2]d']}]}\n", branchName(i), i)
	}
	b.WriteString("lines:\n")
	for i := range branches {
		for _, l := range [][3]string{{mainLine(i), fmt.Sprintf("carrier-%d", i), "main"}, {fmt.Sprintf("backup-%d", i), "other", "backup"}} {
			fmt.Fprintf(&b, "  - {id: %q, name: {zh-CN: 专线 %[2]d, en: Line %[2]d}, site: %[3]s, carrier: %[4]s, circuit: C-%[2]d-%[5]s, role: %[5]s, mbps: 100, a_end: {device: hq-rtr, interface: wan-%[2]d-%[5]s, address: 10.0.0.1}, b_end: {device: %[3]s-rtr, interface: %[5]s, address: 10.1.%[2]d.1}}\n",
				l[0], i, branchName(i), l[1], l[2])
		}
	}
	b.WriteString("vendors:\n  - {id: other, kind: carrier, name: {zh-CN: 备用运营商, en: Other carrier}, language: en, emails: [noc@other.example]}\n")
	for i := range branches {
		fmt.Fprintf(&b, "  - {id: carrier-%[1]d, kind: carrier, name: {zh-CN: 运营商 %[1]d, en: Carrier %[1]d}, language: zh-CN, desk: webhook, desk_options: {url: %[2]q}}\n", i, c.ledger.desk.URL)
	}
	sum := sha256.Sum256([]byte(clusterToken))
	fmt.Fprintf(&b, "agents:\n  - {id: hq-agent, site: hq, device: hq-srv, interval: 1s, token_sha256: %s}\n", hex.EncodeToString(sum[:]))
	b.WriteString("people:\n  - {id: it, name: 李工, email: it@practice.example, roles: [branch_it], language: zh-CN}\n  - {id: net, name: 王工, email: net@practice.example, roles: [hq_network], language: en}\n" +
		"  - {id: boss, name: 赵经理, email: boss@practice.example, roles: [hq_it_manager], language: zh-CN}\n")
	return b.Bytes()
}

// samples are what the agent at head office sees of all branches.
func (c *cluster) samples() []base.Sample {
	now := time.Now().UnixMilli()
	var all []base.Sample
	add := func(site, device, role string, ok bool) {
		s := base.Sample{Time: now, Labels: base.LabelsFrom("probe_success", map[string]string{"job": "blackbox", "instance": device, "site": site, "device": device, "role": role})}
		if ok {
			s.Value = 1
		}
		all = append(all, s)
	}
	add("hq", "hq-rtr", "device", true)
	add("hq", "hq-srv", "device", true)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, broken := range c.broken {
		add(branchName(i), mainLine(i), "line", !broken)
		add(branchName(i), fmt.Sprintf("backup-%d", i), "line", true)
		add(branchName(i), branchName(i)+"-rtr", "wan_router", true)
	}
	return all
}

func (c *cluster) set(branch int, broken bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken[branch] = broken
}

// feed writes the samples to one collector until ctx ends; what it cannot take
// is lost to it, as it would be to one that is down.
func (c *cluster) feed(ctx context.Context, n *node) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	var encoder wire.WriteEncoder
	for {
		body := encoder.V2(c.samples(), nil)
		limited, cancel := context.WithTimeout(ctx, 2*time.Second)
		req, err := http.NewRequestWithContext(limited, http.MethodPost, n.url+"/api/v1/write", bytes.NewReader(body.Data))
		if err == nil {
			req.Header.Set("Authorization", "Bearer "+clusterToken)
			req.Header.Set("Content-Type", wire.WriteV2ContentType)
			req.Header.Set("Content-Encoding", "snappy")
			req.Header.Set(wire.HeaderWriteVersion, wire.WriteV2Version)
			if res, err := http.DefaultClient.Do(req); err == nil {
				_ = res.Body.Close()
			}
		}
		cancel()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// leader returns who holds the lease, nil when nobody does, and its generation.
func (c *cluster) leader(ctx context.Context) (*node, int64) {
	var holder string
	var generation int64
	if err := c.db.QueryRowContext(ctx, `SELECT holder, generation FROM leases WHERE name = 'writer'`).Scan(&holder, &generation); err != nil {
		return nil, 0
	}
	for _, n := range c.nodes {
		if n.id == holder {
			return n, generation
		}
	}
	return nil, generation
}
