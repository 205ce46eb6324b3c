// Package snmp is the SNMP protocol, asking side: versions 1, 2c and 3. All
// devices share one socket for each address family; a Session asks one device,
// and Walk reads columns of a table whatever the agent's faults, keeps every good
// row and says what it could not read. Values are decoded where they lie in the
// received packet.
//
// It also decodes notifications (traps and informs) for agent/trap, which listens
// for them. It knows no profile and no metric, and sets nothing on a device.
package snmp
