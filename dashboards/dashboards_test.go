package dashboards

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, "https://faultline.example:8470/"); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "estate.json"))
	if err != nil {
		t.Fatal(err)
	}
	if text := string(b); strings.Contains(text, defaultConsole) || !strings.Contains(text, `"query": "https://faultline.example:8470"`) {
		t.Error("the console's address was not put in")
	}
	for _, name := range []string{"provisioning/datasources/faultline.yaml", "provisioning/dashboards/faultline.yaml"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"faultline.example", "ftp://x", `http://x"/`, "http://"} {
		if err := Write(t.TempDir(), bad); err == nil {
			t.Errorf("console %q was taken", bad)
		}
	}
}

func TestEveryBoardHasADefaultConsole(t *testing.T) {
	for _, b := range boards(t) {
		if strings.Count(string(b.raw), defaultConsole) == 0 {
			t.Errorf("%s has no console to replace", b.name)
		}
	}
}

func TestAddress(t *testing.T) {
	from := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		s    Subject
		want string
	}{
		{"line", Subject{Site: "b1", Device: "b1-line", Kind: "line", From: from}, "/d/faultline-line?from=1772449200000&to=now&var-line=b1-line&var-site=b1"},
		{"ended", Subject{Site: "b1", Device: "b1-ups", Kind: "ups", From: from, To: from.Add(time.Hour)}, "/d/faultline-power?from=1772449200000&to=1772457300000&var-site=b1&var-ups=b1-ups"},
		{"unknown kind", Subject{Site: "b1", Device: "x", Kind: "phone", From: from}, "/d/faultline-branch?from=1772449200000&to=now&var-site=b1"},
		{"unknown time", Subject{Site: "b1"}, "/d/faultline-branch?from=now-3h&to=now&var-site=b1"},
		{"server", Subject{Site: "分公司", Device: "s", Kind: "server", From: from}, "/d/faultline-host?from=1772449200000&to=now&var-instance=s&var-site=%E5%88%86%E5%85%AC%E5%8F%B8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Address("https://grafana.example/sub", c.s)
			if err != nil || got != "https://grafana.example/sub"+c.want {
				t.Errorf("got %s, %v", got, err)
			}
			uid, query, _ := strings.Cut(strings.TrimPrefix(c.want, "/d/"), "?")
			for _, b := range boards(t) {
				for _, v := range b.Templating.List {
					query = strings.ReplaceAll(query, "var-"+v.Name+"=", "")
				}
				if b.UID == uid && strings.Contains(query, "var-") {
					t.Errorf("board %s lacks a variable of %s", uid, query)
				}
			}
		})
	}
	if _, err := Address("grafana", Subject{}); err == nil {
		t.Error("a word was taken for an address")
	}
}
