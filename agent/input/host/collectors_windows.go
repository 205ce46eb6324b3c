package host

// collectors returns what is measured on Windows: what every system has, under the
// names of node_exporter that rules and boards ask for, and Windows' own.
func collectors(_ Options, sys system) []collector {
	return append(portable(sys), onWindows(newWinapi(), sys)...)
}
