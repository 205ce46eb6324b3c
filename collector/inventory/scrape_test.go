package inventory

import (
	"strings"
	"testing"
)

func TestScrapes(t *testing.T) {
	inv, err := Parse("test.yaml", []byte(`
sites: [{id: hq, kind: hq}]
devices:
  - {id: srv, site: hq, kind: server, addresses: [10.0.0.1], targets: [{agent: a, input: scrape, options: {job: node}}, {agent: a, input: scrape, address: "10.0.0.1:9121", component: cache}, {agent: a, input: textfile, options: {directory: /x}}]}
agents: [{id: a, site: hq, device: srv}]
`))
	if err != nil {
		t.Fatal(err)
	}
	w, _ := inv.Work("a")
	if len(w.Targets) != 3 {
		t.Fatalf("%+v", w.Targets)
	}
	for i, job := range []string{"node", "scrape", "node"} {
		if l := w.Targets[i].Labels; l["instance"] != "srv" || l["job"] != job {
			t.Errorf("target %d: labels %v, want instance srv, job %s", i, l, job)
		}
	}
	_, err = Parse("test.yaml", []byte(`
sites: [{id: hq, kind: hq}]
devices:
  - {id: srv, site: hq, kind: server, addresses: [10.0.0.1], targets: [{agent: a, input: scrape}, {agent: a, input: scrape, address: "10.0.0.1:9121"}]}
agents: [{id: a, site: hq, device: srv}]
`))
	if err == nil || !strings.Contains(err.Error(), "another scrape of this device") {
		t.Errorf("two that nothing tells apart: got %v", err)
	}
}
