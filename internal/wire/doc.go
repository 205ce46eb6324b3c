// Package wire is how samples and events are written on disk and between agent
// and collector: compact batches for the spool, remote write for samples, JSON
// for events and work. It opens no file and no connection, and it does not read
// remote write requests (collector/ingest does).
package wire
