// Package discovery tests what an agent discovers against what a collector
// reads, and against real neighbours in network namespaces. It has tests only:
// nothing else may know both programs.
package discovery
