// Package rpc carries the contracts of plugins/input, ticket, notify and remedy between
// processes, by gRPC under hashicorp/go-plugin. A plugin's program calls Serve;
// plugins/host takes a connection and makes a Client of it. It moves values and
// judges none of them: what a plugin may say is judged by plugins/host.
package rpc

import (
	"context"
	"errors"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/faultline/faultline/plugins/rpc/pluginpb"
)

// Version is the number of the contracts in this tree: plugins that were built
// for another are refused before they are asked anything.
const Version = 1

// Contracts, as plugins and configurations name them.
const (
	Input  = "input"
	Ticket = "ticket"
	Notify = "notify"
	Remedy = "remedy"
)

// PluginName is what go-plugin calls the one thing a plugin serves.
const PluginName = "faultline"

// maxMessage bounds one message that a plugin takes, in bytes: a ticket with
// its attachments.
const maxMessage = 64 << 20

// Handshake tells a plugin's program that it was started by a host. It is no
// secret and protects nothing; certificates do (AutoMTLS).
func Handshake() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{ProtocolVersion: Version, MagicCookieKey: "FAULTLINE_PLUGIN", MagicCookieValue: "c0a7f2f6-plugin"}
}

// Versions is what a host offers to speak.
func Versions() map[int]plugin.PluginSet {
	return map[int]plugin.PluginSet{Version: {PluginName: &link{}}}
}

// link is both ends of a plugin as go-plugin wants them.
type link struct {
	plugin.NetRPCUnsupportedPlugin
	served *Plugin // nil at the host
}

var errNothingServed = errors.New("this end serves no plugin")

// GRPCServer registers what the plugin serves.
func (l *link) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	if l.served == nil {
		return errNothingServed
	}
	pluginpb.RegisterPluginServer(s, &pluginServer{plugin: l.served})
	if l.served.Input != nil {
		pluginpb.RegisterInputServer(s, &inputServer{input: l.served.Input, busy: map[string]bool{}})
	}
	if l.served.Desk != nil {
		pluginpb.RegisterTicketServer(s, &ticketServer{desk: l.served.Desk})
	}
	if l.served.Channel != nil {
		pluginpb.RegisterNotifyServer(s, &notifyServer{channel: l.served.Channel})
	}
	if l.served.Runner != nil {
		pluginpb.RegisterRemedyServer(s, &remedyServer{runner: l.served.Runner})
	}
	return nil
}

// GRPCClient returns a *Client.
func (l *link) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return NewClient(conn), nil
}
