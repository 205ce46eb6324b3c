//go:build unix

package enrol

import "os"

// Machine is the hash of the machine's own id, "" when it has none.
func Machine() string {
	for _, path := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id", "/etc/hostid"} {
		if b, err := os.ReadFile(path); err == nil {
			if h := hashMachine(string(b)); h != "" {
				return h
			}
		}
	}
	return ""
}
