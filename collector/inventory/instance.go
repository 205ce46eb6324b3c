package inventory

import (
	"net"
	"strings"

	"github.com/faultline/faultline/plugins/base"
)

// instanceOf is the label instance of a target that does not name its device in it:
// the device's address, without a port, for probes and devices by SNMP, whose
// rules and boards want it so; host:port for a database, of which a host may have
// several, as their exporters have it.
func instanceOf(t base.Target) string {
	port := ""
	switch kind := t.Options["kind"]; {
	case t.Input == "database" && strings.HasPrefix(kind, "postgres"):
		port = "5432"
	case t.Input == "database":
		port = "3306"
	case t.Input == "enterprise_database" && kind == "sqlserver":
		port = "1433"
	case t.Input == "enterprise_database":
		port = "1521"
	default:
		return host(t.Address)
	}
	if _, _, err := net.SplitHostPort(t.Address); err == nil {
		return t.Address
	}
	return net.JoinHostPort(strings.Trim(t.Address, "[]"), port)
}
