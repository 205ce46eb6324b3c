// Command rogue is a plugin that behaves as badly as its first argument says.
// The tests of plugins/host build it and run it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
	"github.com/faultline/faultline/plugins/notify"
	"github.com/faultline/faultline/plugins/rpc"
	"github.com/faultline/faultline/plugins/rpc/pluginpb"
	"github.com/faultline/faultline/plugins/ticket"
)

type rogue struct{ mode string }

func main() {
	mode := "ok"
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	switch mode {
	case "crash-start":
		fmt.Fprintln(os.Stderr, "[ERROR] no licence, password=hunter2hunter2")
		os.Exit(3)
	case "mute-start":
		select {}
	case "babble-start":
		for {
			fmt.Print(strings.Repeat("x", 4096))
		}
	case "plain-start": // speaks without a certificate
		fmt.Println("1|1|tcp|127.0.0.1:1|grpc|")
		select {}
	case "old-start", "malformed":
		serveRaw(mode)
		return
	}
	r := rogue{mode}
	p := rpc.Plugin{Version: "1.2.3", Input: r}
	if strings.HasPrefix(mode, "desk") {
		p = rpc.Plugin{Desk: desk(r), Channel: channel(r)}
	}
	p.Configure = func(_ context.Context, settings map[string]string) error {
		if settings["refuse"] != "" {
			return errors.New("settings refused")
		}
		if s := settings["api_token"]; s != "" {
			fmt.Fprintln(os.Stderr, "[WARN] the secret is", s)
		}
		return nil
	}
	rpc.Serve(p)
}

func (rogue) Name() string { return "rogue" }

func (r rogue) CheckTarget(t base.Target) error {
	if t.Address == "bad" {
		return errors.New("bad address")
	}
	return nil
}

func one(name string, v float64, kv ...string) base.Sample {
	m := map[string]string{}
	for i := 0; i+1 < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return base.Sample{Labels: base.LabelsFrom(name, m), Time: time.Now().UnixMilli(), Value: v}
}

func (r rogue) Gather(ctx context.Context, t base.Target, sink input.Sink) error {
	mode := r.mode
	if t.Options["mode"] != "" {
		mode = t.Options["mode"]
	}
	sink.Sample(one("rogue_value", 1))
	switch mode {
	case "crash":
		panic("this plugin panics on purpose")
	case "exit":
		os.Exit(7)
	case "hang":
		select {}
	case "slow":
		<-ctx.Done()
		return ctx.Err()
	case "freeze":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	case "flood":
		for i := 0; ctx.Err() == nil; i++ {
			sink.Sample(one("rogue_flood", float64(i), "i", fmt.Sprint(i), "text", strings.Repeat("y", 200)))
		}
	case "giant":
		sink.Event(base.Event{Kind: base.EventChange, Text: strings.Repeat("z", 12<<20)})
	case "shout":
		for ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "[INFO]", strings.Repeat("noise ", 100))
		}
	case "hog":
		var kept [][]byte
		for {
			b := make([]byte, 4<<20)
			for i := range b {
				b[i] = byte(i)
			}
			kept = append(kept, b)
			time.Sleep(time.Millisecond)
		}
	case "fork":
		c := exec.Command("sleep", "1000")
		if err := c.Start(); err != nil {
			return err
		}
		sink.Sample(one("rogue_child_pid", float64(c.Process.Pid)))
	case "escape": // leaves a process outside its group that holds its outputs open
		c := exec.Command("sleep", "30")
		c.Stdout, c.Stderr = os.NewFile(1, "stdout"), os.NewFile(2, "stderr")
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := c.Start(); err != nil {
			return err
		}
		os.Exit(7)
	case "env":
		for _, kv := range os.Environ() {
			k, _, _ := strings.Cut(kv, "=")
			sink.Sample(one("rogue_env", 1, "variable", k))
		}
		sink.Sample(one("rogue_pid", float64(os.Getpid())))
	case "lies":
		lie(sink)
	case "partial":
		return input.Partial{Err: errors.New("half of it")}
	case "fail":
		return errors.New("no route to " + t.Options["password"])
	case "table":
		table(sink)
	}
	return nil
}

func table(sink input.Sink) {
	now := time.Now().UnixMilli()
	b := base.Block{Names: []string{"rogue_in", "rogue_out"}, Infos: []base.BlockInfo{{Name: "rogue_info", Label: "alias", Texts: nil}}}
	for i := range 500 {
		b.Rows = append(b.Rows, base.BlockRow{Labels: base.LabelsFrom("", map[string]string{"port": fmt.Sprint(i)}), Time: now})
		b.Values = append(b.Values, float64(i), base.Missing())
		b.Infos[0].Texts = append(b.Infos[0].Texts, "线路"+fmt.Sprint(i%7))
	}
	sink.Block(b)
}

func lie(sink input.Sink) {
	sink.Sample(one("up", 1))
	sink.Sample(one("scrape_duration_seconds", 1))
	sink.Sample(one("faultline_plugin_up", 1))
	sink.Sample(one("bad name", 1))
	sink.Sample(one("", 1))
	sink.Sample(one("rogue_other", 1, "device", "core-switch"))
	sink.Sample(one("rogue_other", 1, "site", "hq"))
	sink.Sample(one("rogue_label", 1, "bad-label", "x"))
	old := one("rogue_old", 1)
	old.Time = time.Now().Add(-48 * time.Hour).UnixMilli()
	sink.Sample(old)
	future := one("rogue_new", 1)
	future.Time = time.Now().Add(time.Hour).UnixMilli()
	sink.Sample(future)
	twice := one("rogue_twice", 1, "a", "1")
	twice.Labels = append(twice.Labels, base.Label{Name: "a", Value: "2"})
	sink.Sample(twice)
	row := base.BlockRow{Labels: base.LabelsFrom("", map[string]string{"port": "1"}), Time: time.Now().UnixMilli()}
	sink.Block(base.Block{Names: []string{"rogue_rows"}, Rows: []base.BlockRow{row, row}, Values: []float64{1, 2}})
	sink.Event(base.Event{Kind: base.EventState, Device: "core-switch", Attrs: map[string]string{"truth": "bad"}})
	sink.Event(base.Event{Kind: base.EventLastGasp})
	sink.Event(base.Event{ID: "agent-1/real", Kind: base.EventChange, Text: "kept"})
}

type desk rogue

func (desk) Name() string { return "rogue" }

func (d desk) Send(ctx context.Context, t ticket.Ticket) (ticket.Ref, error) {
	switch t.Fields["mode"] {
	case "crash":
		os.Exit(9)
	case "hang":
		select {}
	case "script":
		return ticket.Ref{ID: "1", URL: "javascript:alert(1)"}, nil
	case "nameless":
		return ticket.Ref{}, nil
	case "refuse":
		return ticket.Ref{}, &ticket.Error{Op: "post", Hint: "ask\x1b[2J them", Err: errors.New("answered 403, token=verysecret")}
	case "vague":
		return ticket.Ref{}, errors.New("something happened")
	}
	size := 0
	for _, a := range t.Attachments {
		size += len(a.Data)
	}
	return ticket.Ref{ID: fmt.Sprintf("%s/%s/%d", t.MessageKey, strings.Join(t.To, ","), size), URL: "https://desk.example/" + t.Number}, nil
}

func (desk) Find(_ context.Context, key string) (ticket.Ref, bool, error) {
	switch key {
	case "there":
		return ticket.Ref{ID: "found"}, true, nil
	case "cannot":
		return ticket.Ref{}, false, ticket.ErrCannotSearch
	}
	return ticket.Ref{}, false, nil
}

func (desk) Updates(_ context.Context, cursor string) ([]ticket.Update, string, error) {
	now := time.Now()
	return []ticket.Update{{ID: "1", Ref: "r", Status: ticket.StatusAccepted, Text: "已派单", At: now}, {ID: "2", Ref: "r", Status: "world peace", At: now},
		{ID: "", Ref: "r", At: now}, {ID: "3", Ref: "r", Status: ticket.StatusFixed, At: now.Add(24 * time.Hour)}}, cursor + "+", nil
}

type channel rogue

func (channel) Name() string { return "rogue" }

func (channel) Deliver(_ context.Context, n notify.Notice) error {
	if n.To == "nobody" {
		return &ticket.Error{Op: "chat post", Retryable: true, Err: errors.New("130101")}
	}
	return nil
}

// raw serves messages that no honest library makes.
type raw struct {
	plugin.NetRPCUnsupportedPlugin
	pluginpb.UnimplementedPluginServer
	pluginpb.UnimplementedInputServer
}

func serveRaw(mode string) {
	version := rpc.Version
	if mode == "old-start" {
		version = 99
	}
	plugin.Serve(&plugin.ServeConfig{HandshakeConfig: rpc.Handshake(), GRPCServer: plugin.DefaultGRPCServer,
		VersionedPlugins: map[int]plugin.PluginSet{version: {rpc.PluginName: &raw{}}}})
}

func (r *raw) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	pluginpb.RegisterPluginServer(s, r)
	pluginpb.RegisterInputServer(s, r)
	return nil
}

func (r *raw) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("not a host")
}

func (r *raw) Describe(context.Context, *pluginpb.DescribeRequest) (*pluginpb.DescribeReply, error) {
	return &pluginpb.DescribeReply{Name: "raw", Contracts: []string{"input"}}, nil
}

func (r *raw) Configure(context.Context, *pluginpb.ConfigureRequest) (*pluginpb.ConfigureReply, error) {
	return &pluginpb.ConfigureReply{}, nil
}

func (r *raw) Gather(q *pluginpb.GatherRequest, stream grpc.ServerStreamingServer[pluginpb.GatherPart]) error {
	part := &pluginpb.GatherPart{Symbols: []string{"a"}, Outcome: &pluginpb.Outcome{}}
	switch q.GetTarget().GetOptions()["mode"] {
	case "symbol":
		part.Samples = &pluginpb.Samples{LabelCounts: []uint32{1}, Labels: []uint32{0, 4_000_000_000}, Times: []int64{1}, Values: []float64{1}}
	case "count":
		part.Samples = &pluginpb.Samples{LabelCounts: []uint32{4_000_000_000}, Times: []int64{1}, Values: []float64{1}}
	case "block":
		part.Blocks = []*pluginpb.Block{{Names: []uint32{0}, RowLabelCounts: []uint32{0, 0}, RowTimes: []int64{1, 1}, Values: []float64{1}}}
	case "missing":
		part.Blocks = []*pluginpb.Block{{Names: []uint32{0}, RowLabelCounts: []uint32{0}, RowTimes: []int64{1}, Values: []float64{1}, Missing: []uint32{9}}}
	case "endless":
		return nil // no outcome
	}
	return stream.Send(part)
}
