package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/faultline/faultline/agent/app"
	"github.com/faultline/faultline/agent/config"
	"github.com/faultline/faultline/agent/doctor"
	"github.com/faultline/faultline/internal/lang"
)

type doctorCmd struct {
	Config string `help:"Configuration file." default:"/etc/faultline/agent.yaml" type:"path"`
	JSON   bool   `help:"One JSON object a line."`
}

// Run examines the installation. It fails when something does not work.
func (c *doctorCmd) Run() error {
	cfg, err := config.Load(c.Config)
	if err != nil {
		return err
	}
	language := spoken()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	tell := func(f doctor.Finding) { doctor.Print(os.Stdout, f, language) }
	if c.JSON {
		out := json.NewEncoder(os.Stdout)
		tell = func(f doctor.Finding) { _ = out.Encode(f) }
	}
	running := ask(ctx, cfg)
	tell(running.finding())
	checks, done, err := app.Doctor(cfg, version, running.up)
	if err != nil {
		return err
	}
	defer done()
	if bad := doctor.Examine(ctx, checks, tell); bad > 0 {
		return fmt.Errorf("%s", lang.Text{ZH: fmt.Sprintf("%d 项不正常", bad), EN: fmt.Sprintf("%d checks found something that does not work", bad)}.In(language))
	}
	return ctx.Err()
}

// run is what is known of the running agent.
type run struct {
	up     bool
	status app.Status
	err    error
	said   lang.Text // err in words; zero: err says it
	hint   lang.Text // what to do about err
}

// why says what kept the agent from being asked.
func (r run) why(language string) string {
	if !r.said.IsZero() {
		return r.said.In(language)
	}
	return fmt.Sprint(r.err)
}

// errUnasked is that the agent has no page to be asked at.
var errUnasked = errors.New("the configuration has no listen address")

var (
	unasked  = lang.Text{ZH: "配置中没有 listen 地址", EN: errUnasked.Error()}
	noListen = lang.Text{ZH: "在配置中加上 listen: 127.0.0.1:9099 即可使用 status 与 tail", EN: "with listen: 127.0.0.1:9099 in the configuration there are status and tail"}
	startIt  = lang.Text{ZH: "启动它：systemctl start faultline-agent，或 faultline-agent run", EN: "start it: systemctl start faultline-agent, or faultline-agent run"}
)

// ask asks the agent on its status page.
func ask(ctx context.Context, cfg config.Config) run {
	if cfg.Listen == "" {
		return run{err: errUnasked, said: unasked, hint: noListen}
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	resp, err := get(ctx, cfg.Listen, "/status.json", nil)
	if err != nil {
		return run{err: err, hint: startIt}
	}
	defer resp.Body.Close()
	r := run{up: true}
	r.err = json.NewDecoder(io.LimitReader(resp.Body, 16<<20)).Decode(&r.status)
	return r
}

// get asks the agent's own page, past any proxy.
func get(ctx context.Context, listen, path string, query url.Values) (*http.Response, error) {
	u := url.URL{Scheme: "http", Host: listen, Path: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Client{Transport: &http.Transport{}}).Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%s answers %s: %s", listen, resp.Status, text)
	}
	return resp, nil
}

func (r run) finding() doctor.Finding {
	f := doctor.Finding{Check: "agent", State: doctor.OK}
	switch {
	case r.up && r.err == nil:
		f.Text = lang.Text{ZH: fmt.Sprintf("运行中，版本 %s，自 %s 起", r.status.Version, app.Moment(r.status.Since)),
			EN: fmt.Sprintf("runs, version %s, since %s", r.status.Version, app.Moment(r.status.Since))}
	default:
		f.State = doctor.Skipped
		f.Text = lang.Text{ZH: "未运行，或没有状态页：" + r.why(lang.ZH), EN: "does not run, or has no status page: " + r.why(lang.EN)}
		f.Hint = r.hint
	}
	return f
}

type statusCmd struct {
	Config string `help:"Configuration file." default:"/etc/faultline/agent.yaml" type:"path"`
	JSON   bool   `help:"As JSON."`
}

// Run prints what the running agent says of itself. It fails when it does not run.
func (c *statusCmd) Run() error {
	cfg, err := config.Load(c.Config)
	if err != nil {
		return err
	}
	r := ask(context.Background(), cfg)
	if r.err != nil {
		return fmt.Errorf("%s%s%s", lang.Text{ZH: "询问代理：", EN: "ask the agent: "}.In(spoken()), r.why(spoken()), lang.Text{ZH: "；" + r.hint.ZH, EN: "; " + r.hint.EN}.In(spoken()))
	}
	if c.JSON {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", " ")
		return out.Encode(r.status)
	}
	return r.status.Print(os.Stdout, spoken())
}

type tailCmd struct {
	Match  string `arg:"" optional:"" help:"Only lines that contain this: a device, a metric, an event."`
	Config string `help:"Configuration file." default:"/etc/faultline/agent.yaml" type:"path"`
	Lines  int    `short:"n" help:"End after so many lines."`
}

// Run prints what is measured until interrupted.
func (c *tailCmd) Run() error {
	cfg, err := config.Load(c.Config)
	if err != nil {
		return err
	}
	if cfg.Listen == "" {
		return errors.New(lang.Text{ZH: "观看代理：" + unasked.ZH + "；" + noListen.ZH, EN: "watch the agent: " + unasked.EN + "; " + noListen.EN}.In(spoken()))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	resp, err := get(ctx, cfg.Listen, "/tail", url.Values{"match": {c.Match}})
	if err != nil {
		return fmt.Errorf("watch the agent: %w; does it run?", err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for n := 1; lines.Scan(); n++ {
		fmt.Println(lines.Text())
		if n == c.Lines {
			return nil
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return errors.Join(lines.Err(), errors.New("the agent ended"))
}
