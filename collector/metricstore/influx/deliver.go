package influx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	influxhttp "github.com/influxdata/influxdb-client-go/v2/api/http"
)

// maxWritesPerBatch bounds the search for bad lines in one batch.
const maxWritesPerBatch = 200

// delivery is one batch on its way.
type delivery struct {
	*Mirror
	budget int // writes left
}

// send writes the lines. Lines that InfluxDB refuses for good are found by
// halving and put into quarantine; writing the others again is harmless.
func (d *delivery) send(ctx context.Context, lines []byte) error {
	if d.budget == 0 {
		return d.setAside(lines, "too many refused lines in one batch")
	}
	d.budget--
	err := d.write(ctx, string(lines))
	n := bytes.Count(lines, []byte{'\n'})
	switch verdict(err) {
	case stored:
		d.metrics.written.Add(float64(n))
		return nil
	case expired:
		d.metrics.dropped.WithLabelValues("retention").Add(float64(n))
		return nil
	case refused:
		if n <= 1 {
			return d.setAside(lines, err.Error())
		}
		head, tail := halve(lines, n/2)
		if err := d.send(ctx, head); err != nil {
			return err
		}
		return d.send(ctx, tail)
	default:
		return err
	}
}

func (d *delivery) setAside(lines []byte, reason string) error {
	n := bytes.Count(lines, []byte{'\n'})
	if err := d.quarantine.add(lines, reason); err != nil {
		return err
	}
	d.metrics.quarantined.Add(float64(n))
	d.log.Error("influx: lines refused for good, put into quarantine", "lines", n, "file", d.quarantine.path(), "reason", reason)
	return nil
}

// halve cuts after the nth line.
func halve(lines []byte, n int) (head, tail []byte) {
	i := 0
	for range n {
		i += bytes.IndexByte(lines[i:], '\n') + 1
	}
	return lines[:i], lines[i:]
}

type result int

const (
	stored  result = iota
	again          // not the lines' fault: keep them
	refused        // some line is at fault
	expired        // InfluxDB keeps no points that old; the others are stored
)

// verdict sorts the answers. A wrong token or bucket is a person's to mend and
// the points wait for it.
func verdict(err error) result {
	if err == nil {
		return stored
	}
	var e *influxhttp.Error
	if !errors.As(err, &e) {
		return again
	}
	switch e.StatusCode {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		if strings.Contains(e.Error(), "beyond retention policy") {
			return expired
		}
		return refused
	case http.StatusRequestEntityTooLarge:
		return refused
	default:
		return again
	}
}

// retryAfter is how long the server asked to wait.
func retryAfter(err error) time.Duration {
	var e *influxhttp.Error
	if errors.As(err, &e) {
		return time.Duration(min(e.RetryAfter, 300)) * time.Second
	}
	return 0
}

const maxQuarantine = 64 << 20 // bytes; beyond that lines are only counted

// quarantine is the file of lines InfluxDB would not take, each group behind a
// comment with time and reason.
type quarantine struct {
	dir string
	now func() time.Time
	mu  sync.Mutex // guards the file
}

func (q *quarantine) path() string { return filepath.Join(q.dir, "quarantine.lp") }

func (q *quarantine) add(lines []byte, reason string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if info, err := os.Stat(q.path()); err == nil && info.Size() > maxQuarantine {
		return nil
	}
	f, err := os.OpenFile(q.path(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("influx quarantine: %w", err)
	}
	_, err = fmt.Fprintf(f, "# %s %s\n%s", q.now().UTC().Format(time.RFC3339), strings.Join(strings.Fields(reason), " "), lines)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("influx quarantine: %w", err)
	}
	return nil
}
