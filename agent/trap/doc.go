// Package trap receives SNMP notifications: traps of versions 1, 2c and 3, and
// informs, which it acknowledges once they are kept. It decodes them by the
// notifications of the profiles, attaches them to the device they come from,
// folds repeats, bounds what one source may send, and has the device checked at
// once. It asks no device anything and judges nothing; package snmp knows the
// encoding.
package trap
