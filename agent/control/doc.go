// Package control is the agent's ear: a long poll by which the collector hands
// out targets and asks for checks, so that an agent never listens. It remembers
// the last targets on disk, and an agent without its collector goes on with
// them. It measures nothing and sends no results: those go through agent/spool.
package control
