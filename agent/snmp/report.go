package snmp

import "time"

// The counters that reports are about (RFC 3414, RFC 3412, RFC 3413), each with
// the instance 0.
const (
	unsupportedSecLevels = "usmStatsUnsupportedSecLevels"
	notInTimeWindows     = "usmStatsNotInTimeWindows"
	unknownUserNames     = "usmStatsUnknownUserNames"
	unknownEngineIDs     = "usmStatsUnknownEngineIDs"
	wrongDigests         = "usmStatsWrongDigests"
	decryptionErrors     = "usmStatsDecryptionErrors"
)

// reportNames are the names of the counters by OID.
var reportNames = map[OID]string{
	MustParseOID("1.3.6.1.6.3.15.1.1.1.0"): unsupportedSecLevels,
	MustParseOID("1.3.6.1.6.3.15.1.1.2.0"): notInTimeWindows,
	MustParseOID("1.3.6.1.6.3.15.1.1.3.0"): unknownUserNames,
	MustParseOID("1.3.6.1.6.3.15.1.1.4.0"): unknownEngineIDs,
	MustParseOID("1.3.6.1.6.3.15.1.1.5.0"): wrongDigests,
	MustParseOID("1.3.6.1.6.3.15.1.1.6.0"): decryptionErrors,
	MustParseOID("1.3.6.1.6.3.11.2.1.1.0"): "snmpUnknownSecurityModels",
	MustParseOID("1.3.6.1.6.3.11.2.1.2.0"): "snmpInvalidMsgs",
	MustParseOID("1.3.6.1.6.3.11.2.1.3.0"): "snmpUnknownPDUHandlers",
	MustParseOID("1.3.6.1.6.3.12.1.4.0"):   "snmpUnavailableContexts",
	MustParseOID("1.3.6.1.6.3.12.1.5.0"):   "snmpUnknownContexts",
}

// report acts on a report. Most are not authenticated and may be believed only so
// far: they end a request or make us ask again, and what is read in the end is
// authenticated whatever a report said.
func (e *engine) report(m secured, r *Reply) (verdict, error) {
	vb := r.Varbinds()
	if !vb.Next() || vb.Bad {
		return e.ignore("a report that cannot be read")
	}
	named := len(m.engine) > 0 && len(m.engine) <= 32
	name := reportNames[OID(vb.OID)]
	switch {
	case e.id == "" && named: // whatever it is about: some agents answer discovery with unknownUserNames
		e.adopt(m)
		return repeat, nil
	case name == unknownEngineIDs && named && string(m.engine) != e.id:
		e.adopt(m)
		return repeat, nil
	case name == notInTimeWindows:
		e.boots, e.clock, e.at = m.boots, m.time, time.Now()
		return repeat, nil
	}
	switch name {
	case unknownUserNames:
		return taken, Refusal{UnknownUser}
	case wrongDigests:
		return taken, Refusal{WrongPassword}
	case decryptionErrors:
		return taken, Refusal{WrongPrivacy}
	case unsupportedSecLevels:
		return taken, Refusal{WrongLevel}
	}
	return taken, ReportError{OID(vb.OID)}
}
