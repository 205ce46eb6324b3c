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
	"text/tabwriter"
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
	hint   lang.Text // what to do about err
}

var (
	noListen = lang.Text{ZH: "在配置中加上 listen: 127.0.0.1:9099 即可使用 status 与 tail", EN: "with listen: 127.0.0.1:9099 in the configuration there are status and tail"}
	startIt  = lang.Text{ZH: "启动它：systemctl start faultline-agent，或 faultline-agent run", EN: "start it: systemctl start faultline-agent, or faultline-agent run"}
)

// ask asks the agent on its status page.
func ask(ctx context.Context, cfg config.Config) run {
	if cfg.Listen == "" {
		return run{err: errors.New("the configuration has no listen address"), hint: noListen}
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
		f.Text = lang.Text{ZH: fmt.Sprintf("运行中，版本 %s，自 %s 起", r.status.Version, r.status.Since.Local().Format(time.DateTime)),
			EN: fmt.Sprintf("runs, version %s, since %s", r.status.Version, r.status.Since.Local().Format(time.DateTime))}
	default:
		f.State = doctor.Skipped
		f.Text = lang.Text{ZH: fmt.Sprintf("未运行，或没有状态页：%v", r.err), EN: fmt.Sprintf("does not run, or has no status page: %v", r.err)}
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
		return fmt.Errorf("ask the agent: %w; %s", r.err, r.hint.In(spoken()))
	}
	if c.JSON {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", " ")
		return out.Encode(r.status)
	}
	return printStatus(os.Stdout, r.status, spoken())
}

func printStatus(w io.Writer, s app.Status, language string) error {
	say := func(zh, en string, args ...any) {
		fmt.Fprintf(w, lang.Text{ZH: zh, EN: en}.In(language)+"\n", args...)
	}
	say("代理 %s，版本 %s，自 %s 起，采集中心 %s", "agent %s, version %s, since %s, collector %s", s.Agent, s.Version, s.Since.Local().Format(time.DateTime), s.Collector)
	if pending := s.Spool.PendingSamples + s.Spool.PendingEvents; pending > 0 {
		say("待发送 %.1f MiB，最早 %s；暂存 %.1f / %.0f MiB；丢弃 %d 条", "%.1f MiB wait to be sent, the oldest since %s; %.1f of %.0f MiB kept; %d records dropped",
			float64(pending)/(1<<20), s.Spool.Oldest.Local().Format(time.DateTime), float64(s.Spool.UsedBytes)/(1<<20), float64(s.Spool.MaxBytes)/(1<<20), s.Spool.Dropped)
	} else {
		say("全部已送达；丢弃 %d 条", "everything was delivered; %d records dropped", s.Spool.Dropped)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, lang.Text{ZH: "目标\t输入\t状态\t耗时\t样本\t最近的问题", EN: "TARGET\tINPUT\tSTATE\tTOOK\tSAMPLES\tLAST PROBLEM"}.In(language))
	for _, x := range s.Targets {
		state := lang.Text{ZH: "正常", EN: "up"}
		switch {
		case x.At.IsZero():
			state = lang.Text{ZH: "待测", EN: "waits"}
		case !x.Up:
			state = lang.Text{ZH: "失败", EN: "DOWN"}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d ms\t%d\t%s\n", x.ID, x.Input, state.In(language), x.TookMS, x.Samples, x.Error)
	}
	return t.Flush()
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
		return errors.New("watch the agent: its configuration has no listen address; add listen: 127.0.0.1:9099 and restart it")
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
