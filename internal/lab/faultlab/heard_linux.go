package faultlab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/inventory"
)

// heardWithin bounds the wait for the first measurements of everything.
const heardWithin = 2 * time.Minute

// heard waits until the collector answers, every agent reports and every target
// of the inventory was measured well.
func (r *run) heard(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, heardWithin)
	defer cancel()
	inv, err := inventory.Load(r.work.path("inventory"))
	if err != nil {
		return err
	}
	targets := 0
	for _, a := range inv.Agents {
		w, _ := inv.Work(a.ID)
		targets += len(w.Targets)
	}
	begun, tick := time.Now(), time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		agents, up, err := r.counts(ctx)
		if err == nil && agents >= len(inv.Agents) && up >= targets {
			fmt.Fprintf(r.Output, "all heard after %.0f s: %d agents, %d targets\n", time.Since(begun).Seconds(), agents, up)
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(err, fmt.Errorf("not all was heard: %d of %d agents, %d of %d targets answer; silent: %s",
				agents, len(inv.Agents), up, targets, strings.Join(r.missing(context.WithoutCancel(ctx)), ", ")))
		}
	}
}

// measured counts the targets that answer: a probe is up when it could be made.
const measured = "count(up == 1) - (count(probe_success == 0) or vector(0))"

// counts returns how many agents report and how many targets are up.
func (r *run) counts(ctx context.Context) (agents, up int, err error) {
	if r.token == "" {
		if r.token, err = r.work.adminToken(); err != nil {
			return 0, 0, err
		}
	}
	n, err := r.query(ctx, "count(faultline_agent_up == 1)")
	if err != nil {
		return 0, 0, err
	}
	u, err := r.query(ctx, measured)
	if err != nil {
		return 0, 0, err
	}
	return number(n), number(u), nil
}

func (r *run) missing(ctx context.Context) []string {
	down, err := r.query(ctx, "up == 0 or probe_success == 0")
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	for _, s := range down {
		out = append(out, fmt.Sprintf("%s by %s (%s %s)", s.Metric["device"], s.Metric["agent"], s.Metric["job"], s.Metric["instance"]))
	}
	return out
}

// series is one element of an instant query's answer.
type series struct {
	Metric map[string]string `json:"metric"`
	Value  [2]any            `json:"value"`
}

func number(ss []series) int {
	if len(ss) == 0 {
		return 0
	}
	text, _ := ss[0].Value[1].(string)
	n, _ := strconv.Atoi(text)
	return n
}

func (r *run) query(ctx context.Context, promql string) ([]series, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	u := url.URL{Scheme: "http", Host: r.relay.listener.Addr().String(), Path: "/prometheus/api/v1/query", RawQuery: url.Values{"query": {promql}}.Encode()}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the collector: %w", err)
	}
	defer res.Body.Close()
	var answer struct {
		Error string `json:"error"`
		Data  struct {
			Result []series `json:"result"`
		} `json:"data"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask the collector: %s %s", res.Status, answer.Error)
	}
	return answer.Data.Result, nil
}
