package enrol

import "golang.org/x/sys/windows/registry"

// Machine is the hash of the machine's own id, made by Windows Setup; "" when it
// cannot be read.
func Machine() string {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, `SOFTWARE\Microsoft\Cryptography`, registry.QUERY_VALUE|registry.WOW64_64KEY)
	if err != nil {
		return ""
	}
	defer func() { _ = k.Close() }()
	id, _, err := k.GetStringValue("MachineGuid")
	if err != nil {
		return ""
	}
	return hashMachine(id)
}
