// Package fleet runs the built collector with many agents. Reconnect lets hundreds
// of agents that were cut off come back at one moment and counts at both ends. The
// other tests ask every path of the agents' listener with every wrong certificate.
//
// FAULTLINE_FLEET is how many agents TestReconnect lets come back (50 when unset),
// FAULTLINE_FLEET_SERIES how many series each has (20), FAULTLINE_FLEET_MINUTES
// how long they were cut off (10), FAULTLINE_FLEET_BIN a directory with programs
// built before.
package fleet
