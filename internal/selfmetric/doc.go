// Package selfmetric counts what the agent does and shows it in Prometheus' text
// format: counters, gauges and histograms with labels, in a registry. It is
// for programs that must stay small; the collector uses client_golang, which
// brings the protocol buffers' runtime with it (2 MB of program, 1 MB of memory).
// It knows no exemplars, summaries or other formats.
package selfmetric
