package pki

import (
	"regexp"
	"time"
)

// Paths of first contact and renewal, and the headers around them.
const (
	PathEnrol = "/api/v1/enrol"
	PathRenew = "/api/v1/enrol/renew"

	// HeaderInstance says which process on which machine sends: three words, the
	// process's random name, the hash of the machine and the host name.
	HeaderInstance = "Faultline-Instance"
	// HeaderSite is the site an agent believes to be at; it may be missing.
	HeaderSite = "Faultline-Site"
	// HeaderRefused is the reason of a refusal, one of the words below.
	HeaderRefused = "Faultline-Refused"
)

// Reasons of refusals, for programs.
const (
	NoCertificate = "no_certificate"
	ForeignCA     = "foreign_ca"
	WrongPurpose  = "wrong_purpose"
	Expired       = "expired"
	NotYetValid   = "not_yet_valid"
	Unknown       = "unknown_certificate"
	Revoked       = "revoked"
	OtherSite     = "other_site"
	TokenUnknown  = "token_unknown"
	TokenUsed     = "token_used"
	TokenExpired  = "token_expired"
	TokenRevoked  = "token_revoked"
	NameTaken     = "name_taken"
	MachineTwice  = "machine_twice"
	BadRequest    = "bad_request"
	Busy          = "busy"
)

// Request asks for a certificate: the first with a token, each further one over
// a connection that shows the present one.
type Request struct {
	TokenID string    `json:"token_id,omitempty"`
	Secret  string    `json:"secret,omitempty"`
	CSR     []byte    `json:"csr"`               // PKCS #10, DER
	Name    string    `json:"name,omitempty"`    // what the agent would be called; the token may say otherwise
	Host    string    `json:"host,omitempty"`    // host name
	Machine string    `json:"machine,omitempty"` // hash of the machine's own id
	Now     time.Time `json:"now"`               // the agent's clock
	Version string    `json:"version,omitempty"`
}

// Reply is a certificate and what goes with it.
type Reply struct {
	Agent       string    `json:"agent"`
	Site        string    `json:"site"`
	Certificate []byte    `json:"certificate"` // DER
	Authority   []byte    `json:"authority"`   // DER
	Now         time.Time `json:"now"`         // the collector's clock
	Skew        float64   `json:"skew_seconds"`
	Warnings    []Warning `json:"warnings,omitempty"`

	// ReleaseKey is whose programs the agent takes in its own place; "": nobody's.
	ReleaseKey string `json:"release_key,omitempty"`
}

// Warning is something a person should look at, in both languages.
type Warning struct {
	ZH string `json:"zh-CN"`
	EN string `json:"en"`
}

// NamePattern is what agents may be called.
var NamePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
