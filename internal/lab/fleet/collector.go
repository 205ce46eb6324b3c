package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// CollectorOptions are what a collector is started with.
type CollectorOptions struct {
	Program   string // the built faultline-collector
	Dir       string // for its data, configuration and log
	Database  string // URL; "": SQLite below Dir
	Inventory []byte
	Agents    string // more of the section agents of its configuration: "settings: …, "
	More      string // lines of the configuration
}

// Collector is a running collector whose agents have a listener of their own.
type Collector struct {
	URL       string // for people and programs
	AgentsURL string // https
	Data      string
	Database  string // URL
	Token     string // with full rights

	cmd    *exec.Cmd
	log    string
	done   chan struct{}
	client http.Client
}

// StartCollector starts a collector on free ports and waits until it is ready.
func StartCollector(ctx context.Context, o CollectorOptions) (*Collector, error) {
	c := &Collector{Data: filepath.Join(o.Dir, "collector"), log: filepath.Join(o.Dir, "collector.log"), Database: o.Database, done: make(chan struct{}), client: http.Client{Timeout: time.Minute}}
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	c.URL, c.AgentsURL = fmt.Sprintf("http://127.0.0.1:%d", ports[0]), fmt.Sprintf("https://127.0.0.1:%d", ports[1])
	if c.Database == "" {
		c.Database = "sqlite:" + filepath.Join(c.Data, "faultline.db")
	}
	config := fmt.Sprintf("data: %q\nlisten: 127.0.0.1:%d\nexternal_url: %s\ninventory: %q\ndatabase: %q\nretention: 48h\nagents: {%slisten: '127.0.0.1:%d', url: %q, names: [127.0.0.1]}\n",
		c.Data, ports[0], c.URL, filepath.Join(o.Dir, "inventory.yaml"), c.Database, o.Agents, ports[1], c.AgentsURL)
	file := filepath.Join(o.Dir, "collector.yaml")
	if err := errors.Join(os.WriteFile(filepath.Join(o.Dir, "inventory.yaml"), o.Inventory, 0o600), os.WriteFile(file, []byte(config+o.More), 0o600)); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c.cmd = exec.Command(o.Program, "serve", "--config", file)
	c.cmd.Stdout, c.cmd.Stderr = log, log
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { _ = c.cmd.Wait(); close(c.done) }()
	if err := c.awaitReady(ctx); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	token, err := os.ReadFile(filepath.Join(c.Data, "admin.token"))
	if err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	c.Token = strings.TrimSpace(string(token))
	return c, nil
}

func (c *Collector) awaitReady(ctx context.Context) error {
	for deadline := time.Now().Add(2 * time.Minute); ; {
		_, err := c.Call(ctx, http.MethodGet, "/-/ready", nil)
		if err == nil {
			return nil
		}
		select {
		case <-c.done:
			return fmt.Errorf("the collector ended: %s", c.Log(2000))
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the collector is not ready: %w: %s", err, c.Log(2000))
		}
	}
}

// Stop asks the collector to end and waits; it is killed when it does not obey.
func (c *Collector) Stop() error {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-c.done:
		if !c.cmd.ProcessState.Success() {
			return fmt.Errorf("collector: %s: %s", c.cmd.ProcessState, c.Log(2000))
		}
		return nil
	case <-time.After(time.Minute):
		_ = c.cmd.Process.Kill()
		<-c.done
		return errors.New("the collector did not stop within a minute")
	}
}

// Reload lets the collector read its files anew.
func (c *Collector) Reload() error { return c.cmd.Process.Signal(syscall.SIGHUP) }

// CPU is the user and system time the collector has used.
func (c *Collector) CPU() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0, errors.New("/proc/PID/stat is too short")
	}
	user, errUser := strconv.ParseInt(f[11], 10, 64)
	system, errSystem := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(errUser, errSystem)
}

// RSS is the most memory the collector has held, in bytes.
func (c *Collector) RSS() (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	var kib int64
	_, err = fmt.Sscan(rest, &kib)
	return kib << 10, err
}

// Log is what the collector has written, its last n bytes at most.
func (c *Collector) Log(n int) string { return tail(c.log, n) }

func tail(file string, n int) string {
	b, _ := os.ReadFile(file)
	return string(b[max(0, len(b)-n):])
}

// Call asks the collector and returns the body of a 2xx answer; body is sent as
// JSON unless it is nil.
func (c *Collector) Call(ctx context.Context, method, path string, body any) ([]byte, error) {
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, in)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	req.Header.Set("Content-Type", "application/json")
	res, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: status %d %.300s", method, path, res.StatusCode, answer)
	}
	return answer, err
}

// Query asks for the values of an expression, by the value of one label.
func (c *Collector) Query(ctx context.Context, expr, label string) (map[string]float64, error) {
	b, err := c.Call(ctx, http.MethodGet, "/prometheus/api/v1/query?query="+url.QueryEscape(expr), nil)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string `json:"metric"`
				Value  [2]any            `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal(b, &answer); err != nil {
		return nil, err
	}
	out := map[string]float64{}
	for _, s := range answer.Data.Result {
		text, _ := s.Value[1].(string)
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("query %s: %w", expr, err)
		}
		out[s.Metric[label]] = v
	}
	return out, nil
}

// freePorts returns free ports outside the range from which the system takes the
// near ends of connections.
func freePorts(n int) ([]int, error) {
	var held []net.Listener
	defer func() {
		for _, l := range held {
			_ = l.Close()
		}
	}()
	var ports []int
	for range 500 {
		port := 20000 + rand.IntN(12000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		held, ports = append(held, l), append(ports, port)
		if len(ports) == n {
			return ports, nil
		}
	}
	return nil, errors.New("no free ports from 20000 to 32000")
}
