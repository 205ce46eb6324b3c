// Package uplink drains an agent's spool to a collector, or to any receiver of
// Prometheus remote write: events as JSON, samples by remote write, the newest
// first, the backlog at a bounded rate behind them. It lets go of data only when
// the receiver has it: at once for a plain receiver, after the Durable mark has
// passed it for a collector that sends one.
//
// It stores nothing (agent/spool does) and reads no target.
package uplink
