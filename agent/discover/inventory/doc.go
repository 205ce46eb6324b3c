// Package inventory writes a proposal down as a file that describes a company
// (docs/inventory.md), with the confidence of everything concluded as a comment,
// and compares it with what is described already. It reads only as much of an
// inventory as comparing needs; checking it is the collector's work.
package inventory
