// Package dashboards holds the Grafana boards over the collector's series and
// the files that provision them, and writes them where a Grafana reads them. It
// talks to no Grafana; docs/grafana.md says how the two are brought together.
package dashboards

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

//go:embed *.json provisioning
var files embed.FS

// defaultConsole is the console's address in the boards as they come: that of
// `make run`.
const defaultConsole = "http://127.0.0.1:8470"

// FS returns the boards, one NAME.json each with the uid faultline-NAME, and the
// directory provisioning.
func FS() fs.FS { return files }

// Write copies boards and provisioning files below dir, with console as the
// address that links to incidents lead to; "" leaves the default. Files of the
// same names are replaced.
func Write(dir, console string) error {
	if console != "" {
		if u, err := url.Parse(console); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.ContainsAny(console, "\"\\") {
			return fmt.Errorf("write dashboards: console %q is not an http or https address", console)
		}
	}
	return fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		to := filepath.Join(dir, filepath.FromSlash(name))
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		b, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		if console != "" {
			b = bytes.ReplaceAll(b, []byte(defaultConsole), []byte(strings.TrimSuffix(console, "/")))
		}
		return os.WriteFile(to, b, 0o644)
	})
}

// Subject is what somebody wants to see a board of.
type Subject struct {
	Site     string
	Device   string    // inventory id of a device or a line; "" is the whole site
	Kind     string    // the device's kind in the inventory, "line" for lines: decides which board
	From, To time.Time // of the fault; zero From: not known, zero To: it lasts
}

// Address returns where the Grafana at base shows the subject, with an hour
// before it and some minutes after.
func Address(base string, s Subject) (string, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return "", errors.New("dashboards: not the address of a Grafana: " + base)
	}
	board, variable := boardOf(s.Kind)
	q := url.Values{"var-site": {s.Site}, "from": {"now-3h"}, "to": {"now"}}
	if !s.From.IsZero() {
		q.Set("from", millis(s.From.Add(-time.Hour)))
	}
	if variable != "" && s.Device != "" {
		q.Set(variable, s.Device)
	}
	if !s.To.IsZero() {
		q.Set("to", millis(s.To.Add(15*time.Minute)))
	}
	u = u.JoinPath("d", "faultline-"+board)
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// boardOf returns the board that shows things of the kind, and its variable that
// names one of them.
func boardOf(kind string) (board, variable string) {
	switch kind {
	case "line":
		return "line", "var-line"
	case "router", "switch", "firewall":
		return "device", "var-device"
	case "server":
		return "host", "var-instance"
	case "ups":
		return "power", "var-ups"
	case "environment", "cooling":
		return "power", ""
	default:
		return "branch", ""
	}
}

func millis(t time.Time) string { return fmt.Sprint(t.UnixMilli()) }
