package enrol

import (
	"fmt"
	"time"

	"github.com/faultline/faultline/internal/pki"
)

// verdict is what becomes of a first contact that brought a good token.
type verdict struct {
	refusal  *Refusal
	replace  bool // an agent of that name gives way
	warnings []pki.Warning
}

// checkToken tells why a token is worth nothing, nil if it can be used. A used
// one is repeated when the one who used it lost the answer.
func checkToken(t Token, keyHash string, now time.Time) (repeat bool, r *Refusal) {
	switch {
	case !t.Revoked.IsZero():
		return false, refuse(pki.TokenRevoked, "token "+t.ID)
	case !t.UsedAt.IsZero() && t.KeyHash == keyHash && now.Sub(t.UsedAt) < repeatFor:
		return true, nil
	case !t.UsedAt.IsZero():
		return false, refuse(pki.TokenUsed, fmt.Sprintf("token %s, used by %s at %s", t.ID, t.UsedBy, t.UsedAt.UTC().Format(time.RFC3339)))
	case !now.Before(t.Expires):
		return false, refuse(pki.TokenExpired, fmt.Sprintf("token %s, ended %s", t.ID, t.Expires.UTC().Format(time.RFC3339)))
	}
	return false, nil
}

// newcomer is who asks with a good token.
type newcomer struct {
	token    Token
	name     string // asked for
	machine  string
	existing *Agent  // of that name; nil: none
	sameBox  []Agent // not revoked, with the same machine, of other names
	known    bool    // to the inventory
	site     string  // of the inventory
	now      time.Time
}

// decide tells whether a newcomer may have the name. A token made for one agent
// replaces that agent; any other replaces only what is revoked, or the same
// machine when its agent is silent: the same machine twice is a cloned image.
func decide(n newcomer) verdict {
	if n.known && n.site != n.token.Site {
		return verdict{refusal: refuse(pki.OtherSite, fmt.Sprintf("agent %s belongs to site %s, the token is of %s", n.name, n.site, n.token.Site))}
	}
	v := verdict{warnings: clones(n.sameBox)}
	e := n.existing
	switch {
	case e == nil:
		return v
	case !e.Revoked.IsZero():
	case e.Site != n.token.Site:
		v.refusal = refuse(pki.NameTaken, fmt.Sprintf("agent %s is enrolled at site %s", e.ID, e.Site))
		return v
	case n.token.Agent == e.ID:
		if e.Machine != n.machine {
			v.warnings = append(v.warnings, pki.Warning{ZH: "代理 " + e.ID + " 由另一台主机（" + e.Host + "）转到本机，原主机的证书已吊销",
				EN: "agent " + e.ID + " moved here from another machine (" + e.Host + "), whose certificate is revoked"})
		}
	case e.Machine == "" || e.Machine != n.machine:
		v.refusal = refuse(pki.NameTaken, fmt.Sprintf("agent %s is enrolled on host %s", e.ID, e.Host))
		return v
	case n.now.Sub(e.SeenAt) < aliveFor:
		v.refusal = refuse(pki.MachineTwice, fmt.Sprintf("agent %s, host %s, is running at %s", e.ID, e.Host, e.Remote))
		return v
	}
	v.replace = true
	return v
}

// clones warns of other agents on a machine of the same id.
func clones(same []Agent) []pki.Warning {
	var out []pki.Warning
	for _, a := range same {
		out = append(out, pki.Warning{
			ZH: fmt.Sprintf("本机与代理 %s（主机 %s，%s）的 machine-id 相同：可能是克隆的镜像，请用 systemd-machine-id-setup 重建", a.ID, a.Host, a.Remote),
			EN: fmt.Sprintf("this machine has the same machine-id as agent %s (host %s, %s): probably a cloned image; give it a new one with systemd-machine-id-setup", a.ID, a.Host, a.Remote),
		})
	}
	return out
}
