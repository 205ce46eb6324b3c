// Package effect names what effects are told: the keys of incident.Effect.Params
// and of the results they report. The packages below it carry the effects out,
// one each; this one holds words only.
package effect

// Keys of Params, by the effects that read them.
const (
	// ticket, notify
	Reason  = "reason"  // one of the reasons below: what the message is about
	Comment = "comment" // free text for the reader
	// ticket
	Vendor     = "vendor"      // inventory id; absent: the incident's vendor
	VendorKind = "vendor_kind" // absent: the vendor's own
	Contact    = "contact"     // level of the vendor's contact it goes to; absent: the vendor's own addresses
	Template   = "template"    // absent: by the vendor's kind
	// ticket, to one of the vendor's contacts because nobody answered
	ContactName = "contact_name"
	AnswerBy    = "answer_by" // RFC 3339
	// notify
	Role      = "role" // role id; several with commas
	Site      = "site" // absent: the incident's site
	Step      = "step"
	Clock     = "clock"      // the limit a reason is about
	Problem   = "problem"    // what went wrong
	Away      = "away"       // which of a vendor's contacts is not on duty, and when he is
	Remedy    = "remedy"     // its name
	Says      = "says"       // what the vendor says: accepted, reported_fixed, returned
	WaitedFor = "waited_for" // the reason of a pause that ended
	ParentID  = "parent"     // the incident this one turned out to be part of
	// verify_recovery
	Guard    = "guard"    // PromQL; "" counts the alerts alone
	Hold     = "hold"     // duration the guard must hold
	Since    = "since"    // RFC 3339: nothing before it counts
	MaxWait  = "max_wait" // duration after Since; then a guard that is false has failed. Absent: never
	Lookback = "lookback" // duration; older samples are not fresh. Absent: the executor's
	// ask_evidence
	Device = "device" // inventory name; absent: the diagnosis's
	TTL    = "ttl"    // duration; absent: the executor's
)

// Reasons of messages to vendors and to our own people. Others read as an update.
const (
	ReasonOpened          = "opened"
	ReasonEntered         = "entered"      // it is the role's turn
	ReasonReclassified    = "reclassified" // another class or cause than told before
	ReasonRecovered       = "recovered"    // proven by measurement
	ReasonNotConfirmed    = "not_confirmed"
	ReasonWithdrawn       = "withdrawn" // the ticket was not for this vendor
	ReasonFolded          = "folded"    // part of another incident
	ReasonReopened        = "reopened"
	ReasonClosed          = "closed"
	ReasonTimeout         = "timeout"
	ReasonWarn            = "clock_warn"
	ReasonBreach          = "clock_breach"
	ReasonLate            = "clock_late"
	ReasonVendorSays      = "vendor_says"
	ReasonVendorAsks      = "vendor_asks" // asks or tells something; Comment has it
	ReasonVendorUnknown   = "vendor_unknown"
	ReasonTicketFailed    = "ticket_failed"
	ReasonVerifyFailed    = "verify_failed"
	ReasonCalendarUnknown = "calendar_unknown"
	ReasonWaitOver        = "wait_over"   // a person's pause ended
	ReasonNoData          = "no_data"     // nothing is measured that could prove recovery
	ReasonMigrated        = "migrated"    // the incident goes on in another version of its process
	ReasonVendorLate      = "vendor_late" // no answer in the time agreed
	ReasonVendorAway      = "vendor_away" // no answer, and none of the vendor's contacts is on duty
	ReasonRemedyProposed  = "remedy_proposed"
	ReasonRemedyEnded     = "remedy_ended"
	ReasonRemedyUnknown   = "remedy_unknown"
	ReasonEscalated       = "escalated" // nobody acts: the next of the escalation chain
	ReasonReminder        = "reminder"  // an acknowledgement without a sign of work
	ReasonProgress        = "progress"  // how an emergency goes on, for those above
)

// Outcomes that effects report.
const (
	OutcomeSent      = "sent"
	OutcomePlanned   = "planned"   // notify: kept; its messages have states of their own
	OutcomeRecovered = "recovered" // verify_recovery: proved
	OutcomeFailed    = "failed"    // verify_recovery: measured, and not recovered
	OutcomeWritten   = "written"
	OutcomeAsked     = "asked"
)

// Keys of a ticket's Result.
const (
	ResultTicketKey  = "ticket_key"
	ResultMessageKey = "message_key"
	ResultReason     = "reason"
	ResultVendor     = "vendor"
	ResultVendorKind = "vendor_kind"
	ResultVendorName = "vendor_name"
	ResultDesk       = "desk"
	ResultSubject    = "subject"
	ResultRef        = "ref" // Message-ID, issue key
	ResultURL        = "url"
)

// Keys of a verification's Result: the proof in words, by language.
const (
	ResultProofZH = "proof.zh-CN"
	ResultProofEN = "proof.en"
)
