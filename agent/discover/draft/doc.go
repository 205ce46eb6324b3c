// Package draft makes a first profile (docs/profiles.md) of a device nobody
// described: it finds the tables and scalars in what a walk brought, guesses what
// the numbers are and writes all down with the values that were seen, for a person
// to finish. What it cannot be sure of stands in comments. It asks no device.
package draft
