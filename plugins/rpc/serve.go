package rpc

import (
	"context"
	"log/slog"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/faultline/faultline/internal/thrift"
	"github.com/faultline/faultline/plugins/input"
	"github.com/faultline/faultline/plugins/notify"
	"github.com/faultline/faultline/plugins/remedy"
	"github.com/faultline/faultline/plugins/rpc/pluginpb"
	"github.com/faultline/faultline/plugins/ticket"
)

// Plugin is what a plugin's program serves: one or more contracts.
type Plugin struct {
	Version string // of the program, for people
	Input   input.Input
	Desk    ticket.Desk
	Channel notify.Channel
	Runner  remedy.Runner
	// Configure is handed the settings of the host's configuration once, before
	// any other call; nil: there is nothing to set, and settings are an error.
	Configure func(ctx context.Context, settings map[string]string) error
}

// Serve runs the plugin until the host ends it; a program's main calls nothing
// else. What the program writes to standard error goes to the host's log: lines
// that begin with [DEBUG], [INFO], [WARN] or [ERROR] have that level. The program is
// kept small meanwhile (package thrift).
func Serve(p Plugin) {
	thrift.Collect()
	defer thrift.Stay(context.Background(), thrift.Minutely, slog.New(slog.DiscardHandler))()
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  Handshake(),
		VersionedPlugins: map[int]plugin.PluginSet{Version: {PluginName: &link{served: &p}}},
		Logger:           hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, JSONFormat: true}),
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return plugin.DefaultGRPCServer(append(opts, grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage)))
		},
	})
}

// name is what the plugin calls itself.
func (p *Plugin) name() string {
	switch {
	case p.Input != nil:
		return p.Input.Name()
	case p.Desk != nil:
		return p.Desk.Name()
	case p.Channel != nil:
		return p.Channel.Name()
	case p.Runner != nil:
		return p.Runner.Name()
	}
	return ""
}

// contracts are those the plugin serves.
func (p *Plugin) contracts() []string {
	var all []string
	if p.Input != nil {
		all = append(all, Input)
	}
	if p.Desk != nil {
		all = append(all, Ticket)
	}
	if p.Channel != nil {
		all = append(all, Notify)
	}
	if p.Runner != nil {
		all = append(all, Remedy)
	}
	return all
}

// pluginServer answers what every plugin is asked.
type pluginServer struct {
	pluginpb.UnimplementedPluginServer
	plugin *Plugin
}

// Describe implements pluginpb.PluginServer.
func (s *pluginServer) Describe(context.Context, *pluginpb.DescribeRequest) (*pluginpb.DescribeReply, error) {
	_, updates := s.plugin.Desk.(ticket.Follower)
	_, checks := s.plugin.Input.(input.Checker)
	return &pluginpb.DescribeReply{Name: s.plugin.name(), Version: s.plugin.Version, Contracts: s.plugin.contracts(), Updates: updates, Checks: checks}, nil
}

// Configure implements pluginpb.PluginServer.
func (s *pluginServer) Configure(ctx context.Context, r *pluginpb.ConfigureRequest) (*pluginpb.ConfigureReply, error) {
	if s.plugin.Configure == nil {
		if len(r.GetSettings()) > 0 {
			return &pluginpb.ConfigureReply{Error: "this plugin takes no settings"}, nil
		}
		return &pluginpb.ConfigureReply{}, nil
	}
	if err := s.plugin.Configure(ctx, r.GetSettings()); err != nil {
		return &pluginpb.ConfigureReply{Error: err.Error()}, nil
	}
	return &pluginpb.ConfigureReply{}, nil
}
