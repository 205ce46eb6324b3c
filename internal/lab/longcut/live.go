package longcut

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/faultline/faultline/agent/spool"
)

// look is how often the collector is asked for the newest samples.
const look = 100 * time.Millisecond

// unsure is how many live rounds may be without the collector's word that they are
// durable, which it gives with the answer to a later one.
const unsure = 2

// live goes on measuring while the backlog drains, and notes how long each round
// took from its measurement until the collector shows it of every target.
func (r *run) live(ctx context.Context) error {
	var delays []time.Duration
	tick := time.NewTicker(look)
	defer tick.Stop()
	var next, measured time.Time
	waiting, round := false, uint64(0)
	for {
		if now := time.Now(); !waiting && !now.Before(next) {
			before := r.appended()
			if len(delays) > 0 && r.pending() <= unsure*round {
				break
			}
			measured, next, waiting = now, now.Add(r.o.Live), true
			if err := r.measure(now, len(delays)); err != nil {
				return err
			}
			round = r.appended() - before
		}
		if waiting {
			seen, err := r.newest(ctx)
			if err != nil {
				return err
			}
			if !seen.Before(measured.Truncate(time.Millisecond)) {
				delays, waiting = append(delays, time.Since(measured)), false
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d bytes are not sent: %w", r.pending(), context.Cause(ctx))
		case <-tick.C:
		}
	}
	slices.Sort(delays)
	r.f.Live, r.f.LiveP50, r.f.LiveWorst = len(delays), delays[len(delays)/2], delays[len(delays)-1]
	return nil
}

// pending is what the collector has not acknowledged, in bytes.
func (r *run) pending() uint64 {
	st := r.spool.Stats()
	return st.Lanes[spool.Events].PendingBytes + st.Lanes[spool.Samples].PendingBytes
}

// appended is what was given to the spool, in bytes on disk.
func (r *run) appended() uint64 {
	st := r.spool.Stats()
	lane := st.Lanes[spool.Samples]
	return lane.AppendedBytes + recordHead*lane.AppendedRecords
}

// newest is the time of the newest marks of all targets that the collector shows:
// the oldest of them. It is zero while one has none.
func (r *run) newest(ctx context.Context) (time.Time, error) {
	all, err := r.query(ctx, "timestamp("+mark+")")
	if err != nil || len(all) < len(r.sources) {
		return time.Time{}, err
	}
	return time.UnixMilli(int64(slices.Min(all)*1000 + 0.5)), nil
}

// query asks the collector's Prometheus API for the values of an expression.
func (r *run) query(ctx context.Context, expr string) ([]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.o.URL+"/prometheus/api/v1/query?query="+url.QueryEscape(expr), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+r.o.Admin)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data struct {
			Result []struct {
				Value [2]any `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("query %s: status %d %.300s", expr, resp.StatusCode, body)
	}
	var out []float64
	for _, s := range answer.Data.Result {
		text, _ := s.Value[1].(string)
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("query %s: %w", expr, err)
		}
		out = append(out, v)
	}
	return out, nil
}
