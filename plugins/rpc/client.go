package rpc

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/faultline/faultline/plugins/rpc/pluginpb"
)

// Client speaks with one plugin. Its methods may be called from several
// goroutines; each ends with its context.
type Client struct {
	plugin pluginpb.PluginClient
	input  pluginpb.InputClient
	ticket pluginpb.TicketClient
	notify pluginpb.NotifyClient
	remedy pluginpb.RemedyClient
	health healthpb.HealthClient
}

// NewClient returns a Client of an open connection.
func NewClient(conn grpc.ClientConnInterface) *Client {
	return &Client{plugin: pluginpb.NewPluginClient(conn), input: pluginpb.NewInputClient(conn), ticket: pluginpb.NewTicketClient(conn),
		notify: pluginpb.NewNotifyClient(conn), remedy: pluginpb.NewRemedyClient(conn), health: healthpb.NewHealthClient(conn)}
}

// Description is what a plugin says of itself.
type Description struct {
	Name, Version string
	Contracts     []string
	Updates       bool // Updates may be called
	Checks        bool // CheckTarget may be called
}

// Serves tells whether the plugin serves a contract.
func (d Description) Serves(contract string) bool { return slices.Contains(d.Contracts, contract) }

// Describe asks the plugin what it is.
func (c *Client) Describe(ctx context.Context) (Description, error) {
	r, err := c.plugin.Describe(ctx, &pluginpb.DescribeRequest{})
	if err != nil {
		return Description{}, fmt.Errorf("describe: %w", err)
	}
	return Description{Name: r.GetName(), Version: r.GetVersion(), Contracts: r.GetContracts(), Updates: r.GetUpdates(), Checks: r.GetChecks()}, nil
}

// Configure hands over the plugin's settings.
func (c *Client) Configure(ctx context.Context, settings map[string]string) error {
	r, err := c.plugin.Configure(ctx, &pluginpb.ConfigureRequest{Settings: settings})
	if err != nil {
		return fmt.Errorf("configure: %w", err)
	}
	if r.GetError() != "" {
		return fmt.Errorf("configure: %s", r.GetError())
	}
	return nil
}

// Ping asks the plugin whether it is well.
func (c *Client) Ping(ctx context.Context) error {
	r, err := c.health.Check(ctx, &healthpb.HealthCheckRequest{Service: "plugin"})
	if err != nil {
		return fmt.Errorf("health: %w", err)
	}
	if r.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		return errors.New("health: " + r.GetStatus().String())
	}
	return nil
}
