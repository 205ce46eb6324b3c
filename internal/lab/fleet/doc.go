// Package fleet tries a whole collector with many agents, each with a certificate
// and a store of its own, in one process: how settings reach them, who may read
// what, and what happens when all of them come back at once. It is tests only.
package fleet
