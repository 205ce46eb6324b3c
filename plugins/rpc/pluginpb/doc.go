// Package pluginpb is the generated code of plugin.proto (see generate.sh). What
// the messages mean for the Go contracts is told by plugins/rpc; nothing else
// imports this package.
package pluginpb
