package snmp

import (
	"net/netip"
	"time"
)

// asked is one try of a request.
type asked struct {
	p     *pending
	round uint32 // of p; an older one is over
	sent  time.Time
}

// pending is what one Session waits for.
type pending struct {
	wake   chan signal // capacity 2: a time-out and an answer may cross
	target netip.AddrPort
	any    bool // an answer from anywhere will do

	// The Transport's mu guards these.
	round     uint32
	claimed   bool // an answer came and will be signalled
	deadline  time.Time
	place     int // in the heap; -1: not there
	ids       []uint32
	past      []uint32 // ids of rounds that are over, kept to know late answers
	elsewhere netip.AddrPort
	late      uint64        // answers to what was over
	strays    uint64        // answers from another address
	lateRTT   time.Duration // the longest of late answers; 0: none
	cause     error         // what ICMP said, with the signal refused
	spare     arrival       // came while another one was being looked at

	arrival // written by the reader between claiming and signalling
}

// arrival is a datagram that was received.
type arrival struct {
	datagram []byte
	at       time.Time
	from     netip.AddrPort
	rtt      time.Duration // since the try that it answers was sent
}

// signal is what ends a wait.
type signal uint8

const (
	answered signal = iota
	timedOut
	refused
	transportClosed
)
