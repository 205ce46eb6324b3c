package backup

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/faultline/faultline/agent/input/failure"
)

// maxStatus is how large a status file may be, in bytes.
const maxStatus = 64 << 10

// Status is what a status file says, in YAML or JSON; other fields are the
// script's own.
type Status struct {
	Finished Moment   `yaml:"finished"`
	OK       *bool    `yaml:"ok"` // none: it would not have been written
	Bytes    *int64   `yaml:"bytes"`
	Seconds  *float64 `yaml:"seconds"`
	Restore  *Restore `yaml:"restore_test"`
}

// Restore is the last restore test.
type Restore struct {
	At Moment `yaml:"at"`
	OK bool   `yaml:"ok"`
}

func (s Status) good() bool { return s.OK == nil || *s.OK }

// Moment is a time as scripts write it: RFC 3339 (date -Is), or seconds since
// the Unix epoch (date +%s).
type Moment struct{ time.Time }

// UnmarshalYAML reads a moment (goccy/go-yaml's InterfaceUnmarshaler).
func (m *Moment) UnmarshalYAML(unmarshal func(any) error) error {
	var text string
	if err := unmarshal(&text); err != nil {
		return err
	}
	t, err := parseMoment(text)
	m.Time = t
	return err
}

func parseMoment(s string) (time.Time, error) {
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		const last = 253402300799 // 9999-12-31
		if math.IsNaN(n) || n < 0 || n > last {
			return time.Time{}, fmt.Errorf("%q is no time", s)
		}
		return time.UnixMilli(int64(n * 1000)), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05-0700", "2006-01-02 15:04:05-07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: want one such as 2026-11-22T02:10:00+08:00, or seconds since 1970", s)
}

func readStatus(path string) (Status, error) {
	f, err := os.Open(path)
	if err != nil {
		return Status{}, fmt.Errorf("backup status: %w", err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxStatus+1))
	if err != nil {
		return Status{}, fmt.Errorf("backup status: %w", err)
	}
	if len(b) > maxStatus {
		return Status{}, failure.As(failure.TooLarge, fmt.Errorf("backup status %s: larger than %d bytes", path, maxStatus))
	}
	s, err := parseStatus(b)
	if err != nil {
		return Status{}, fault(path, err)
	}
	return s, nil
}

// parseStatus reads a status file's content.
func parseStatus(b []byte) (s Status, err error) {
	defer func() { // of the YAML reader, on foreign bytes
		if p := recover(); p != nil {
			err = fmt.Errorf("not readable: %v", p)
		}
	}()
	if err := yaml.Unmarshal(b, &s); err != nil {
		return Status{}, errors.New(yaml.FormatError(err, false, false))
	}
	switch {
	case s.Finished.IsZero() && s.OK == nil && s.Restore == nil:
		return Status{}, errors.New("none of finished, ok and restore_test is there")
	case s.Bytes != nil && *s.Bytes < 0, s.Seconds != nil && !(*s.Seconds >= 0):
		return Status{}, errors.New("bytes and seconds cannot be negative")
	case s.Restore != nil && s.Restore.At.IsZero():
		return Status{}, errors.New("restore_test has no at")
	}
	return s, nil
}
