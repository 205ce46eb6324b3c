// Package redact hides secrets in configurations of network devices and in log
// lines that quote them: passwords, communities, keys, hashes. It knows how
// many vendors write them; it neither parses a configuration nor finds secrets
// that stand where nothing names them.
package redact

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
	"sync"
)

// Masker replaces secrets. The zero Masker writes the same mask for all of
// them; with a key, equal secrets get equal masks and others get others, so that
// a difference shows that a secret was changed and not which it is.
type Masker struct {
	Key []byte // known to nobody who sees masked text
}

// rule finds one way to write a secret: the first group is what is hidden.
// Hint must be in the line, in lower case, for the rule to be tried.
type rule struct {
	hint string
	re   func() *regexp.Regexp
}

// expr is an expression that is compiled when a line first has its hint: all of
// them take 200 KiB, and most programs meet few.
func expr(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}

// value is a secret as it stands in a line.
const value = `("[^"]*"|'[^']*'|\S+)`

// words that may stand between a keyword and its secret.
const between = `(?:(?:level|type|encryption-type)\s+\d+\s+)?(?:(?:\d|cipher|simple|plain|plaintext|hash|hashed|irreversible-cipher|encrypted|ascii-text|hexadecimal|ascii|hex|clear|clear-text|local|remote|ENC|md5|sha1|sha-1|sha256|sha512|sha-256|sha-512|scrypt|pbkdf2)\s+)*`

// strict rules are safe on any text.
var strict = []rule{
	{"$", expr(`(\$(?:\d[a-z]?|2[aby]|y|h|c|sha1|sha256|sha512|pbkdf2[\w-]*|nt|md5)\$[^\s"';]+)`)},
	{"%^%#", expr(`(%\^%#.*?%\^%#)`)},
	{"%@%@", expr(`(%@%@.*?%@%@)`)},
	{"%#%#", expr(`(%#%#.*?%#%#)`)},
	{"%$%$", expr(`(%\$%\$.*?%\$%\$)`)},
	{"enc ", expr(`\bENC\s+([A-Za-z0-9+/=]{8,})`)},
	{"snmp", expr(`(?i)\bsnmp(?:-server|-agent)?\s+community\s+(?:(?:read|write|ro|rw|cipher|simple|plain|add|name)\s+)*` + value)},
	{"snmp-server host", expr(`(?i)\bsnmp-server\s+host\s+\S+(?:\s+(?:(?:use-)?vrf\s+\S+|traps?|informs?|version\s+(?:1|2c|3(?:\s+(?:auth|noauth|priv))?)))*\s+` + value)},
	{"securityname", expr(`(?i)\bsecurityname\s+(?:cipher\s+)?` + value)},
	{"community", expr(`(?i)^\s*(?:ro|rw)community6?\s+` + value)},
	{"community", expr(`(?i)^\s*(?:set\s+snmp\s+)?community\s+` + value + `\s*\{`)},
	{"community", expr(`(?i)^\s*set\s+(?:\S+\s+)*?snmp\s+community\s+` + value)},
	{"com2sec", expr(`(?i)^\s*com2sec6?\s+(?:-Cn\s+\S+\s+)?\S+\s+\S+\s+` + value)},
	{"auth", expr(`(?i)\bauth\s+(?:md5|sha[\w-]*)\s+` + value)},
	{"priv", expr(`(?i)\bpriv\s+(?:des(?:56)?|3des|aes(?:[- ]?\d+)?)\s+` + value)},
	{"createuser", expr(`(?i)^\s*createUser\s+(?:-e\s+\S+\s+)?\S+\s+\S+\s+` + value)},
	{"createuser", expr(`(?i)^\s*createUser\s+(?:-e\s+\S+\s+)?\S+\s+\S+\s+\S+\s+\S+\s+` + value)},
	{"authentication-mode", expr(`(?i)\bauthentication-mode\s+(?:md5|sha[\w-]*|hmac-\S+|simple|keychain)\s+(?:\d+\s+)?(?:(?:cipher|plain|simple)\s+)?` + value)},
	{"privacy-mode", expr(`(?i)\bprivacy-mode\s+\S+\s+(?:(?:cipher|simple)\s+)?` + value)},
	{"-digest-key", expr(`(?i)\bmessage-digest-key\s+\d+\s+\S+\s+(?:\d\s+)?` + value)},
	{"-key", expr(`(?i)\b(?:pre-shared-key|shared-key|authentication-key|auth-key|api-key|private-key|encryption-key|wpa2?-psk)\s+(?:address\s+\S+\s+)?(?:key\s+)?(?:\d+\s+)?` + between + value)},
	{"key", expr(`(?i)\bkey\s+(?:0|5|6|7|8|9)\s+` + value)},
	{"key", expr(`(?i)\bkey\s+(?:(?:authentication|accounting|authorization)\s+)?(?:cipher|simple)\s+` + value)},
	{"key", expr(`(?i)\b(?:tacacs|radius)\S*\s.*\bkey\s+(?:\d\s+)?` + value)},
	{"key", expr(`(?i)\bisakmp\s+key\s+(?:\d\s+)?` + value)},
	{"key-string", expr(`(?i)\bkey-string\s+` + between + value)},
	{"=", expr(`(?i)(?:^|[\s;,?&])[\w.-]*(?:password|passwd|passphrase|secret|token|pre-shared-key|psk|api_?key)\s*=\s*("[^"]*"|'[^']*'|[^\s;,&]+)`)},
	{"community add", expr(`(?i)\bcommunity\s+add\s.*\bname=("[^"]*"|\S+)`)},
	{"</", expr(`(?i)<(?:[\w-]*(?:password|passwd|phash|secret|psk|community|passphrase)|key|private-key)>([^<]+)</`)},
	{"://", expr(`://[^\s/:@]+:([^\s/@]+)@`)},
	{"passw", expr(`(?i)\b(?:password|passwd)\s+(?:level\s+\d+\s+)?(?:0|4|5|6|7|8|9|10|cipher|simple|hash|irreversible-cipher|encrypted|sha512|ENC)\s+` + value)},
	{"secret", expr(`(?i)\bsecret\s+(?:level\s+\d+\s+)?(?:0|4|5|6|7|8|9|10|cipher|simple|hash|encrypted|ENC)\s+` + value)},
}

// loose rules hold in configurations and quoted commands, where these words are
// keywords; in prose ("failed password for root") they are not.
var loose = []rule{
	{"passw", expr(`(?i)\b(?:encrypted-|plain-text-|ppp-|auth-|priv-)?(?:password|passwd|passwords)\s+` + between + value)},
	{"passphrase", expr(`(?i)\bpassphrase\s+` + between + value)},
	{"secret", expr(`(?i)\b(?:psk)?secret\s+` + between + value)},
	{"key", expr(`(?i)^\s+(?:set\s+)?key\s+("[^"]+"|[^\s\d]\S*|\d+[^\s\d]\S*)\s*;?\s*$`)},
	{"key", expr(`(?i)\bmd5\s+\d+\s+key\s+` + value)},
}

// Config hides the secrets in a configuration, or in a part that begins where
// nothing is open.
func (m Masker) Config(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	var st state
	for line := range strings.Lines(text) {
		body, end := strings.TrimRight(line, "\r\n"), ""
		end = line[len(body):]
		b.WriteString(m.configLine(body, &st))
		b.WriteString(end)
	}
	return b.String()
}

// state is what a configuration has open.
type state struct {
	key       bool // a private key in PEM
	community bool // names of SNMP communities
}

func (m Masker) configLine(line string, st *state) string {
	low := strings.ToLower(line)
	switch {
	case strings.Contains(line, "PRIVATE KEY-----") && strings.Contains(line, "-----BEGIN"):
		st.key = true
		return line
	case st.key && strings.Contains(line, "-----END"):
		st.key = false
		return line
	case st.key:
		return m.mask(strings.TrimSpace(line))
	case strings.Contains(low, "config system snmp community"), strings.HasPrefix(low, "/snmp community"):
		st.community = true
	case st.community && (strings.TrimSpace(low) == "end" || strings.HasPrefix(low, "/")):
		st.community = false
	case st.community && communityName.MatchString(line):
		line = m.replace(line, communityName)
	}
	return m.apply(m.apply(line, low, strict), low, loose)
}

var communityName = regexp.MustCompile(`\b(?:set name |name=)("[^"]*"|\S+)`)

// Command hides the secrets of one command that somebody typed.
func (m Masker) Command(line string) string {
	return m.configLine(line, &state{})
}

// Prose hides what is a secret beyond doubt in a line of a log.
func (m Masker) Prose(line string) string {
	return m.apply(line, strings.ToLower(line), strict)
}

func (m Masker) apply(line, low string, rules []rule) string {
	for i := range rules {
		if strings.Contains(low, rules[i].hint) {
			line = m.replace(line, rules[i].re())
		}
	}
	return line
}

// replace masks the first group of every match.
func (m Masker) replace(line string, re *regexp.Regexp) string {
	found := re.FindAllStringSubmatchIndex(line, -1)
	if found == nil {
		return line
	}
	var b strings.Builder
	at := 0
	for _, f := range found {
		b.WriteString(line[at:f[2]])
		b.WriteString(m.mask(line[f[2]:f[3]]))
		at = f[3]
	}
	b.WriteString(line[at:])
	return b.String()
}

// mask is what stands in place of a secret.
func (m Masker) mask(secret string) string {
	bare := strings.Trim(secret, `"';`)
	if strings.HasPrefix(bare, "<secret") || bare == "" {
		return secret
	}
	end := ""
	if strings.HasSuffix(secret, ";") {
		end = ";"
	}
	if len(m.Key) == 0 {
		return "<secret>" + end
	}
	h := hmac.New(sha256.New, m.Key)
	h.Write([]byte(bare))
	return "<secret:" + hex.EncodeToString(h.Sum(nil)[:3]) + ">" + end
}
