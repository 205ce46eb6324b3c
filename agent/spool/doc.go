// Package spool keeps what an agent measured on disk until a collector has it:
// a bounded log of segment files with a lane for events and a lane for samples.
// Append returns when the record is on disk; Peek hands out what is not yet
// acknowledged, fresh samples apart from the backlog; Ack lets go of it. It
// survives power loss, kill -9, a full disk and damaged files; what an
// acknowledgement lost in a crash causes is a repeat, never a loss.
//
// It does not know what records contain (internal/wire does) and sends nothing
// (agent/uplink does).
//
// On disk:
//
//	events/0000000000000001-1763762400000.seg    a segment: number, time of creation
//	samples/0000000000000007-1763762400000.thin  a segment of which a part was kept
//	quarantine/                                  what could not be read or was refused
//	acked                                        acknowledged ranges
//
// A segment is the magic and records: length (4 bytes), CRC-32C over length and
// payload (4 bytes), payload. A position is the segment's number shifted left
// by 32, plus the offset in it; numbers are never used twice.
package spool
