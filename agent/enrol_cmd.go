package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/faultline/faultline/agent/enrol"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/internal/pki"
	"github.com/faultline/faultline/internal/secret"
)

type enrolCmd struct {
	URL       string        `required:"" help:"The collector, https://HOST:PORT."`
	Token     string        `env:"FAULTLINE_ENROL_TOKEN" help:"The one-time token from head office." xor:"token"`
	TokenFile string        `help:"File that holds the token; - is standard input." xor:"token"`
	Name      string        `help:"What this agent is called; the host name if not said. A token for one agent decides itself."`
	Data      string        `help:"The agent's data directory." default:"/var/lib/faultline-agent" env:"FAULTLINE_AGENT_DATA" type:"path"`
	Config    string        `help:"Configuration file; written when it is not there." default:"/etc/faultline/agent.yaml" type:"path"`
	Proxy     secret.String `help:"HTTP proxy, http://HOST:PORT; else HTTPS_PROXY counts."`
	Patience  time.Duration `help:"How long to try while the collector cannot be reached." default:"1m"`
}

// Run enrols this machine and writes its identity and, if there is none, its
// configuration.
func (c *enrolCmd) Run() error {
	text := secret.String(c.Token)
	if c.TokenFile == "-" {
		c.TokenFile = os.Stdin.Name()
	}
	text, err := text.OrFile(c.TokenFile)
	if err != nil {
		return err
	}
	token, err := pki.ParseToken(text.Reveal())
	if err != nil {
		return err
	}
	language := spoken()
	say := func(zh, en string) { fmt.Println(lang.Text{ZH: zh, EN: en}.In(language)) }
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if c.Name == "" {
		c.Name = hostAsName()
	}
	res, err := enrol.Enrol(ctx, enrol.Options{URL: c.URL, Token: token, Dir: c.Data, Name: c.Name, Proxy: c.Proxy, Version: version, Language: language, Patience: c.Patience,
		Retried: func(err error, wait time.Duration) {
			fmt.Fprintln(os.Stderr, lang.Text{ZH: "暂未成功，稍后重试：", EN: "not yet, trying again: "}.In(language)+err.Error())
		}})
	if err != nil {
		return err
	}
	until := res.Expires.Local().Format(time.DateOnly)
	say(fmt.Sprintf("已注册为站点 %s 的代理 %s；证书有效至 %s，到期前自动续期", res.Site, res.Agent, until),
		fmt.Sprintf("enrolled as agent %s of site %s; the certificate holds until %s and renews itself", res.Agent, res.Site, until))
	if off := res.Skew.Round(time.Second); off.Abs() >= 5*time.Second {
		zh, en := "快", "ahead of"
		if off < 0 {
			zh, en = "慢", "behind"
		}
		say(fmt.Sprintf("注意：本机时钟比采集中心%s %s，请校准（例如启用 chrony 或 w32time）", zh, off.Abs()),
			fmt.Sprintf("note: this machine's clock is %s %s the collector's; set it right, for instance with chrony or w32time", off.Abs(), en))
	}
	for _, w := range res.Warnings {
		say("注意："+w.ZH, "note: "+w.EN)
	}
	return c.writeConfig(res.Agent, say)
}

// writeConfig writes the smallest configuration there is, unless there is one.
func (c *enrolCmd) writeConfig(agent string, say func(zh, en string)) error {
	b, err := os.ReadFile(c.Config)
	if err == nil {
		var has struct {
			Agent string `yaml:"agent"`
		}
		if err := yaml.Unmarshal(b, &has); err == nil && has.Agent != agent {
			say(fmt.Sprintf("注意：%s 中的 agent 是 %q，应改为 %q", c.Config, has.Agent, agent), fmt.Sprintf("note: %s says agent %q; make it %q", c.Config, has.Agent, agent))
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("configuration: %w", err)
	}
	text, err := yaml.Marshal(struct {
		Agent     string            `yaml:"agent"`
		Data      string            `yaml:"data"`
		Collector map[string]string `yaml:"collector"`
	}{agent, c.Data, map[string]string{"url": c.URL}})
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(c.Config), 0o755); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	if err := os.WriteFile(c.Config, text, 0o644); err != nil { // it holds no secret
		return fmt.Errorf("configuration: %w", err)
	}
	say("已写入配置 "+c.Config, "wrote the configuration "+c.Config)
	return nil
}

// hostAsName is the host name as an agent's name: its first part, lower case,
// and nothing that names may not have.
func hostAsName() string {
	host, _ := os.Hostname()
	host, _, _ = strings.Cut(strings.ToLower(host), ".")
	return strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, host), "-_")
}

// spoken is the language of the person at the terminal.
func spoken() string {
	for _, v := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if s := os.Getenv(v); s != "" {
			if strings.HasPrefix(s, "zh") {
				return lang.ZH
			}
			return lang.EN
		}
	}
	return lang.EN
}
