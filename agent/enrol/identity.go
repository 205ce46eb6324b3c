// Package enrol is how an agent comes to be known to its collector and stays
// known: a key made on the machine, a certificate for it, the collector's
// authority, renewal, and what the collector's clock says. It implements
// link.Credential. What is sent over the link is not its business.
package enrol

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/faultline/faultline/agent/link"
	"github.com/faultline/faultline/internal/pki"
	"github.com/faultline/faultline/internal/secret"
)

// File is the name of the identity in the agent's data directory: key,
// certificate, authority and where the collector is, in one file, so that they
// always belong together.
const File = "identity.pem"

const blockMeta = "FAULTLINE IDENTITY"

// meta is what the identity knows besides certificates.
type meta struct {
	URL     string `json:"url"`
	Proxy   string `json:"proxy,omitempty"`
	Machine string `json:"machine,omitempty"` // where it was enrolled

	ReleaseKey string `json:"release_key,omitempty"` // whose releases are taken; told at the first contact alone
}

// MachineError says that the identity was made on another machine.
type MachineError struct{ Path, Agent string }

// Error says what happened and what to do.
func (e *MachineError) Error() string {
	return fmt.Sprintf("identity %s of agent %s was made on another machine: this one is a copy, or the machine's own id changed; "+
		"enrol it again with a new token (faultline-agent enrol), under another name if the other machine still runs", e.Path, e.Agent)
}

// held is one generation of the identity; it does not change.
type held struct {
	meta      meta
	cert      *tls.Certificate
	authority *x509.Certificate
	who       pki.Identity
}

// Identity is who this agent is. Its methods may be called from several
// goroutines; Run renews it.
type Identity struct {
	path   string
	header http.Header
	now    func() time.Time
	held   atomic.Pointer[held]

	mu      sync.Mutex    // guards the fields below
	latest  time.Time     // the collector's clock as it was heard last
	skew    time.Duration // how far the collector's clock is ahead of ours
	heard   bool          // skew is known
	refused string        // reason of the last answer, "" if it was none
}

var _ link.Credential = (*Identity)(nil)

// Open reads the identity from the agent's data directory; fs.ErrNotExist says
// that the agent is not enrolled, a *MachineError that the directory is a copy.
func Open(dir string) (*Identity, error) { return open(dir, Machine(), time.Now) }

func open(dir, machine string, now func() time.Time) (*Identity, error) {
	path := filepath.Join(dir, File)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read identity: %w", err)
	}
	h, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("identity %s: %w; enrol again with a new token", path, err)
	}
	if h.meta.Machine != "" && machine != "" && h.meta.Machine != machine {
		return nil, &MachineError{Path: path, Agent: h.who.Agent}
	}
	i := &Identity{path: path, now: now, header: instanceHeader(machine, h.who.Site), latest: pki.IssuedAt(h.cert.Leaf)}
	i.held.Store(h)
	return i, nil
}

// instanceHeader names this process, so that two that use one identity are told
// apart.
func instanceHeader(machine, site string) http.Header {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "unknown"
	}
	if machine == "" {
		machine = "none"
	}
	h := http.Header{}
	h.Set(pki.HeaderInstance, rand.Text()[:16]+" "+machine+" "+strings.Join(strings.Fields(ascii(host)), "-"))
	h.Set(pki.HeaderSite, ascii(site))
	if ascii(site) != site {
		h.Del(pki.HeaderSite) // headers carry ASCII; the certificate says it anyway
	}
	return h
}

func ascii(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// parse reads an identity file and checks that its parts belong together.
func parse(text []byte) (*held, error) {
	b, err := pki.Decode(text)
	if err != nil {
		return nil, err
	}
	h := &held{}
	if err := json.Unmarshal(b.Other[blockMeta], &h.meta); err != nil || h.meta.URL == "" || b.Key == nil || len(b.Certificates) != 2 {
		return nil, errors.New("parts are missing")
	}
	leaf, authority := b.Certificates[0], b.Certificates[1]
	if !pki.Belongs(leaf, b.Key) || leaf.CheckSignatureFrom(authority) != nil {
		return nil, errors.New("key, certificate and authority do not belong together")
	}
	if h.who, err = pki.IdentityOf(leaf); err != nil {
		return nil, err
	}
	h.authority = authority
	h.cert = &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: b.Key, Leaf: leaf}
	return h, nil
}

// encode is the text of an identity file.
func encode(m meta, key []byte, leaf, authority *x509.Certificate) ([]byte, error) {
	js, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	out := pem.EncodeToMemory(&pem.Block{Type: blockMeta, Bytes: js})
	out = append(out, key...)
	out = append(out, pki.EncodeCertificate(leaf)...)
	return append(out, pki.EncodeCertificate(authority)...), nil
}

// Agent returns who the agent is by its certificate.
func (i *Identity) Agent() (agent, site string) {
	h := i.held.Load()
	return h.who.Agent, h.who.Site
}

// URL returns where the agent was enrolled, and the proxy on the way there.
func (i *Identity) URL() (url string, proxy secret.String) {
	h := i.held.Load()
	return h.meta.URL, secret.String(h.meta.Proxy)
}

// Status is what there is to say of the identity to people.
type Status struct {
	Agent, Site string
	Expires     time.Time
	RenewAt     time.Time
	Skew        time.Duration // how far the collector's clock is ahead of ours
	Heard       bool          // Skew is known
	Refused     string        // why the collector refused the last request (words of internal/pki); "": it did not
}

// Status returns the present state.
func (i *Identity) Status() Status {
	h := i.held.Load()
	i.mu.Lock()
	defer i.mu.Unlock()
	return Status{Agent: h.who.Agent, Site: h.who.Site, Expires: h.cert.Leaf.NotAfter, RenewAt: pki.RenewAt(h.cert.Leaf), Skew: i.skew, Heard: i.heard, Refused: i.refused}
}

// Certificate implements link.Credential.
func (i *Identity) Certificate() *tls.Certificate { return i.held.Load().cert }

// VerifyCollector implements link.Credential.
func (i *Identity) VerifyCollector(s tls.ConnectionState) error {
	i.mu.Lock()
	floor := i.latest
	i.mu.Unlock()
	return explain(pki.VerifyCollector(s.PeerCertificates, i.held.Load().authority, floor), s)
}

// Header implements link.Credential.
func (i *Identity) Header() http.Header { return i.header }

// Answered implements link.Credential: it hears the collector's clock.
func (i *Identity) Answered(h http.Header) {
	date, err := http.ParseTime(h.Get("Date"))
	i.mu.Lock()
	defer i.mu.Unlock()
	i.refused = h.Get(pki.HeaderRefused)
	if err != nil {
		return
	}
	i.skew, i.heard = date.Sub(i.now()), true
	if date.After(i.latest) {
		i.latest = date
	}
}

// collectorNow is the collector's clock as far as it is known.
func (i *Identity) collectorNow() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.now().Add(i.skew)
}

// explain says what a wrong certificate usually means.
func explain(err error, s tls.ConnectionState) error {
	if !errors.Is(err, pki.ErrForeign) {
		return err
	}
	issuer := "nobody"
	if len(s.PeerCertificates) > 0 {
		issuer = s.PeerCertificates[0].Issuer.String()
	}
	return fmt.Errorf("%w: it is from %q. Either this address is another server's, or something on the way opens TLS: have the address of the collector exempted there", pki.ErrForeign, issuer)
}

// hashMachine keeps a machine's own id, which it shares with other programs, to
// itself (machine-id(5): hash it with a key of the application).
func hashMachine(id string) string {
	id = strings.TrimSpace(id)
	if id == "" || id == "uninitialized" {
		return ""
	}
	sum := sha256.Sum256([]byte("faultline agent machine\x00" + strings.ToLower(id)))
	return hex.EncodeToString(sum[:16])
}
