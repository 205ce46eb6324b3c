// Package discover looks over a network, carefully: which addresses answer, which
// of them by SNMP and by which of the given credentials, and what these say of
// themselves and their neighbours. It never sets anything, keeps below a rate of
// packets, reads few devices at a time and each within a deadline, so that a weak
// line and weak devices survive it.
//
// What follows from the facts is not concluded here but in topology; inventory
// writes it down, and draft makes a profile of a device nobody knows.
package discover
