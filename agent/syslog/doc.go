// Package syslog hears the logs of the site's devices by UDP and TCP, reads
// them as RFC 5424, RFC 3164 and the forms of Cisco, Huawei, H3C and their kin,
// and turns the few lines that match a pattern (rules/syslog) into events about
// a device. It keeps no logs: what matches nothing is counted and forgotten.
//
// Syslog over UDP proves nothing about its sender. A line is a hint that gets
// its device measured now; what is true the measurements say.
package syslog
