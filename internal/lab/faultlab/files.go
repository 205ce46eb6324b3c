package faultlab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

const (
	collectorNode    = "hqcol"
	collectorAddress = "10.0.0.10:8470"
	mailAddress      = "127.0.0.1:2525" // in the collector's node
)

// agents are the ids of the inventory's agents and the nodes they run in.
var agents = map[string]string{"hq": collectorNode, "branch-1": "b1srv", "branch-2": "b2srv", "branch-3": "b3srv"}

// receivers is what the agents hear: the notifications that the lab's devices
// send them, with the credentials of the lab's documentation, and line tests.
const receivers = `traps:
  listen: [":162"]
  communities: [labtrap]
  users: [{name: trapu, auth_protocol: SHA256, auth_password: authpass-lab-1, priv_protocol: AES, priv_password: privpass-lab-1}]
reflect: {listen: ":8862", token: lab-reflector-token}
`

// agentToken returns the token whose hash the inventory has for an agent. The
// lab has no way in from outside, so its secrets need not be any.
func agentToken(id string) string { return "lab-" + id }

// workspace is the directory of one run.
type workspace struct {
	dir string
	bin string // directory of the two programs
}

func (w workspace) path(parts ...string) string {
	return filepath.Join(append([]string{w.dir}, parts...)...)
}

// write writes everything the lab's nodes need. Holds are short: the lab polls
// every 5 s and its routing protocol needs 4 s to find the second line.
func (w workspace) write() error {
	if strings.ContainsAny(w.dir+w.bin, " {}'\"$") {
		return fmt.Errorf("the paths %s and %s go into shell commands and must be plain", w.dir, w.bin)
	}
	if err := os.MkdirAll(w.path("log"), 0o700); err != nil {
		return err
	}
	settings := map[string]string{
		"collector.yaml": fmt.Sprintf("data: %s\nlisten: %s\nexternal_url: http://%s\ninventory: %s\nrules: %s\nretention: 24h\nholds: {verify: 15s, settle: 15s, open: 3s}\nmail: {host: %q, from: faultline@corp.example, tls: none}\n",
			w.path("collector"), collectorAddress, collectorAddress, w.path("inventory"), w.path("rules"), mailAddress),
		"adapter.json": `{"list": "incidents", "token_env": "FAULTLINE_TOKEN"}` + "\n",
		"collector.sh": fmt.Sprintf("export FAULTLINE_PLAIN_HTTP=1\n%s/faultline-collector serve --config %s >>%s 2>&1 &\nexec %s\n",
			w.bin, w.path("collector.yaml"), w.path("log", "collector.log"), strings.ReplaceAll(w.agentCommand(), "{node}", collectorNode)),
	}
	for id, node := range agents {
		settings[node+".yaml"] = fmt.Sprintf("agent: %s\ndata: %s\ninterval: 5s\ntimeout: 4s\ncollector: {url: \"http://%s\", token: %s}\n%s",
			id, w.path("agent-"+node), collectorAddress, agentToken(id), receivers)
	}
	errs := []error{WriteFiles(w.dir)}
	for name, text := range settings {
		errs = append(errs, os.WriteFile(w.path(name), []byte(text), 0o600))
	}
	return errors.Join(errs...)
}

// agentCommand is what the lab starts in every branch server: it begins with
// the agent's own path, by which the lab finds the process to kill.
func (w workspace) agentCommand() string {
	return fmt.Sprintf("%s/faultline-agent run --config %s/{node}.yaml >>%s/{node}.log 2>&1", w.bin, w.dir, w.path("log"))
}

func (w workspace) collectorCommand() string { return "sh " + w.path("collector.sh") }

// adminToken returns the token with full rights that the collector writes.
func (w workspace) adminToken() (string, error) {
	text, err := os.ReadFile(w.path("admin.token"))
	if errors.Is(err, os.ErrNotExist) {
		text, err = os.ReadFile(w.path("collector", "admin.token"))
	}
	return strings.TrimSpace(string(text)), err
}

// packages finds the Debian packages that a lab's README says to install.
func packages(readme string) []string {
	m := regexp.MustCompile(`apt-get install ((?:[^\n]*\\\n)*[^\n]*)`).FindStringSubmatch(readme)
	if m == nil {
		return nil
	}
	return strings.Fields(strings.ReplaceAll(m[1], "\\\n", " "))
}
