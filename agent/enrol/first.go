package enrol

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/faultline/faultline/agent/link"
	"github.com/faultline/faultline/internal/pki"
	"github.com/faultline/faultline/internal/secret"
)

// requestTimeout bounds one request for a certificate.
const requestTimeout = 10 * time.Second

// Options of Enrol. URL, Token and Dir are required.
type Options struct {
	URL      string        // of the collector
	Token    pki.Token     // the one-time token
	Dir      string        // the agent's data directory; made if it is missing
	Name     string        // what the agent would be called; a token for one agent decides itself
	Host     string        // host name; "": the system's
	Proxy    secret.String // "": as HTTPS_PROXY says
	Version  string        // of this program
	Language string        // of refusals; "": English
	Patience time.Duration // how long to try when the collector cannot be reached; zero: 1 minute

	Machine *string                                    // nil: this machine's
	Now     func() time.Time                           // nil: time.Now
	Retried func(err error, wait time.Duration)        // told of each attempt that failed; nil: nobody is
	Wait    func(context.Context, time.Duration) error // between attempts; nil: a timer
}

// Result is what enrolment led to.
type Result struct {
	Agent, Site string
	Expires     time.Time
	Skew        time.Duration // how far this machine's clock is ahead of the collector's
	Warnings    []pki.Warning
}

// RefusedError is a collector's no. Trying again with the same token is no use
// unless Retryable.
type RefusedError struct {
	Status    int
	Reason    string // a word of internal/pki
	Text      string // for people
	Hint      string // what to do
	Retryable bool
}

// Error says what the collector said.
func (e *RefusedError) Error() string {
	s := fmt.Sprintf("the collector refused (%s): %s", e.Reason, e.Text)
	if e.Reason == "" {
		s = fmt.Sprintf("the collector answered %d: %s", e.Status, e.Text)
	}
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// Enrol makes a key on this machine, has it certified with the token and writes
// the identity. An identity that is there stays until the new one is complete.
// The key leaves the machine never.
func Enrol(ctx context.Context, o Options) (Result, error) {
	o.setDefaults()
	if o.Token.Fingerprint == "" || o.Dir == "" {
		return Result{}, errors.New("enrol: token and data directory are required")
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return Result{}, fmt.Errorf("enrol: data directory: %w", err)
	}
	// One pending key for each token: a new token after a refusal begins anew.
	pending := pendingKey{filepath.Join(o.Dir, "enrol-"+o.Token.ID+".key")}
	key, keyText, err := pending.get()
	if err != nil {
		return Result{}, fmt.Errorf("enrol: %w", err)
	}
	first := &firstContact{token: o.Token}
	client, err := link.New(link.Options{URL: o.URL, Credential: first, Proxy: o.Proxy, UserAgent: "faultline-agent/" + o.Version})
	if err != nil {
		return Result{}, err
	}
	reply, skew, err := o.ask(ctx, client, key)
	if err != nil {
		var refused *RefusedError
		if errors.As(err, &refused) && !refused.Retryable {
			pending.done()
		}
		return Result{}, err
	}
	leaf, err := accept(reply, key, first.authority.Load())
	if err != nil {
		return Result{}, fmt.Errorf("enrol: %w", err)
	}
	text, err := encode(meta{URL: o.URL, Proxy: o.Proxy.Reveal(), Machine: *o.Machine, ReleaseKey: reply.ReleaseKey}, keyText, leaf, first.authority.Load())
	if err != nil {
		return Result{}, fmt.Errorf("enrol: %w", err)
	}
	if err := writePrivate(filepath.Join(o.Dir, File), text); err != nil {
		return Result{}, fmt.Errorf("enrol: write identity: %w", err)
	}
	pending.done()
	return Result{Agent: reply.Agent, Site: reply.Site, Expires: leaf.NotAfter, Skew: skew, Warnings: reply.Warnings}, nil
}

func (o *Options) setDefaults() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Machine == nil {
		m := Machine()
		o.Machine = &m
	}
	if o.Host == "" {
		o.Host, _ = os.Hostname()
	}
	if o.Patience == 0 {
		o.Patience = time.Minute
	}
	if o.Retried == nil {
		o.Retried = func(error, time.Duration) {}
	}
	if o.Wait == nil {
		o.Wait = wait
	}
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ask asks until there is an answer that waiting does not change.
func (o *Options) ask(ctx context.Context, client *link.Client, key crypto.Signer) (pki.Reply, time.Duration, error) {
	csr, err := pki.NewRequest(key)
	if err != nil {
		return pki.Reply{}, 0, err
	}
	var pace link.Backoff
	begin := time.Now()
	for {
		q := pki.Request{TokenID: o.Token.ID, Secret: o.Token.Secret, CSR: csr, Name: o.Name, Host: o.Host, Machine: *o.Machine, Now: o.Now(), Version: o.Version}
		reply, err := request(ctx, client, pki.PathEnrol, q, o.Language)
		if err == nil {
			half := o.Now().Sub(q.Now) / 2
			return reply, q.Now.Add(half).Sub(reply.Now), nil
		}
		var refused *RefusedError
		final := errors.As(err, &refused) && !refused.Retryable || errors.Is(err, pki.ErrForeign) || errors.Is(err, pki.ErrPurpose) || errors.Is(err, pki.ErrExpired)
		if final || ctx.Err() != nil || time.Since(begin) > o.Patience {
			return pki.Reply{}, 0, err
		}
		d := pace.Next(time.Now())
		o.Retried(err, d)
		if err := o.Wait(ctx, d); err != nil {
			return pki.Reply{}, 0, err
		}
	}
}

// request posts one request for a certificate.
func request(ctx context.Context, client *link.Client, path string, q pki.Request, language string) (pki.Reply, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return pki.Reply{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, fmt.Errorf("timeout %s", requestTimeout))
	defer cancel()
	h := http.Header{"Content-Type": {"application/json"}}
	if language != "" {
		h.Set("Accept-Language", language)
	}
	a, err := client.Do(ctx, link.Request{Method: http.MethodPost, Path: path, Header: h, Body: body})
	if err != nil {
		return pki.Reply{}, err
	}
	if !a.OK() {
		return pki.Reply{}, refusal(a)
	}
	var reply pki.Reply
	if err := json.Unmarshal(a.Body, &reply); err != nil {
		return pki.Reply{}, fmt.Errorf("answer is no certificate: %w", err)
	}
	return reply, nil
}

// refusal reads a collector's no.
func refusal(a link.Answer) *RefusedError {
	var p struct {
		Error, Hint, Reason string
	}
	if json.Unmarshal(a.Body, &p) != nil || p.Error == "" {
		p.Error = a.Text()
	}
	return &RefusedError{Status: a.Status, Reason: p.Reason, Text: p.Error, Hint: p.Hint,
		Retryable: a.Status/100 == 5 || a.Status == http.StatusTooManyRequests || a.Status == http.StatusRequestTimeout}
}

// accept checks what the collector gave: its authority, our key, an agent's name.
func accept(reply pki.Reply, key crypto.Signer, authority *x509.Certificate) (*x509.Certificate, error) {
	leaf, err := x509.ParseCertificate(reply.Certificate)
	if err != nil {
		return nil, errors.New("the collector's answer is no certificate")
	}
	if authority == nil || !bytes.Equal(reply.Authority, authority.Raw) || leaf.CheckSignatureFrom(authority) != nil || !pki.Belongs(leaf, key) {
		return nil, errors.New("the certificate is not for this machine's key, or not from the collector's authority")
	}
	who, err := pki.IdentityOf(leaf)
	if err != nil || who != (pki.Identity{Agent: reply.Agent, Site: reply.Site}) {
		return nil, errors.New("the certificate is for another agent than the answer says")
	}
	return leaf, nil
}

// firstContact knows nothing but the token.
type firstContact struct {
	token     pki.Token
	authority atomic.Pointer[x509.Certificate] // once it was shown
}

// Certificate implements link.Credential: there is none yet.
func (f *firstContact) Certificate() *tls.Certificate { return nil }

// VerifyCollector implements link.Credential: the authority must be the token's.
// Its time of issue is the one moment that has passed for sure.
func (f *firstContact) VerifyCollector(s tls.ConnectionState) error {
	authority, err := pki.Pinned(s.PeerCertificates, f.token.Fingerprint)
	if err != nil {
		return explain(err, s)
	}
	if err := pki.VerifyCollector(s.PeerCertificates, authority, f.token.IssuedAt()); err != nil {
		return explain(err, s)
	}
	f.authority.Store(authority)
	return nil
}

// Header implements link.Credential.
func (f *firstContact) Header() http.Header { return nil }

// Answered implements link.Credential.
func (f *firstContact) Answered(http.Header) {}
