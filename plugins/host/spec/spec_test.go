package spec_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/plugins/host/spec"
)

var good = spec.Plugin{Name: "meter", Contract: "input", Path: "/opt/meter", SHA256: strings.Repeat("ab", 32)}

func TestValidate(t *testing.T) {
	if err := spec.Validate([]spec.Plugin{good}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*spec.Plugin)
		want   string
	}{
		"name":          {func(p *spec.Plugin) { p.Name = "../x" }, "name: lower-case"},
		"contract":      {func(p *spec.Plugin) { p.Contract = "shell" }, "is not input, ticket, notify or remedy"},
		"relative path": {func(p *spec.Plugin) { p.Path = "meter" }, "is not absolute"},
		"no checksum":   {func(p *spec.Plugin) { p.SHA256 = "" }, "faultline-plugin-host sum /opt/meter"},
		"short sum":     {func(p *spec.Plugin) { p.SHA256 = "abcd" }, "64 hexadecimal digits"},
		"file outside":  {func(p *spec.Plugin) { p.Files = []spec.File{{Path: "/etc/passwd", SHA256: p.SHA256}} }, "neither beside nor below"},
		"file climbs":   {func(p *spec.Plugin) { p.Files = []spec.File{{Path: "../x", SHA256: p.SHA256}} }, "neither beside nor below"},
		"file is it":    {func(p *spec.Plugin) { p.Files = []spec.File{{Path: "meter", SHA256: p.SHA256}} }, "is the program itself"},
		"memory":        {func(p *spec.Plugin) { p.Limits.Memory = 1 }, "below 8 MiB"},
		"deadline":      {func(p *spec.Plugin) { p.Limits.Deadline = time.Hour }, "above 10m"},
		"negative":      {func(p *spec.Plugin) { p.Limits.Calls = -1 }, "below zero"},
	} {
		p := good
		c.change(&p)
		if err := spec.Validate([]spec.Plugin{p}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	if err := spec.Validate([]spec.Plugin{good, good}); err == nil || !strings.Contains(err.Error(), "there twice") {
		t.Errorf("twice: got %v", err)
	}
}

func TestConfigurationIsRead(t *testing.T) {
	const text = `
- name: meter
  contract: input
  path: /opt/meter
  sha256: abababababababababababababababababababababababababababababababab
  files: [{path: lib/x.py, sha256: abababababababababababababababababababababababababababababababab}]
  settings: {region: north}
  secrets: {api_token: /etc/faultline/secrets/meter}
  limits: {memory: 67108864, deadline: 5s}
`
	var all []spec.Plugin
	if err := yaml.UnmarshalWithOptions([]byte(text), &all, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	if err := spec.Validate(all); err != nil {
		t.Fatal(err)
	}
	l := all[0].Limits.Filled()
	if l.Memory != 64<<20 || l.Deadline != 5*time.Second || l.Answer != spec.Default().Answer {
		t.Errorf("limits: %+v", l)
	}
}

func TestSecretsAreReadAndNotTold(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("geheim\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := good
	p.Settings, p.Secrets = map[string]secret.String{"password": "offen"}, map[string]string{"token": file}
	v, err := p.Values()
	if err != nil || v["token"] != "geheim" || v["password"] != "offen" {
		t.Errorf("values: %v, %v", v, err)
	}
	b, err := json.Marshal(p)
	if err != nil || strings.Contains(string(b), "offen") || strings.Contains(string(b), "geheim") {
		t.Errorf("JSON: %s, %v", b, err)
	}
	p.Secrets["token"] = file + ".gone"
	if _, err := p.Values(); err == nil || !strings.Contains(err.Error(), "setting token") {
		t.Errorf("missing file: %v", err)
	}
}
