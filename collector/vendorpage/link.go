package vendorpage

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// What is wrong with a link.
var (
	ErrForged  = errors.New("this link was not made here")
	ErrExpired = errors.New("this link has expired")
	ErrRevoked = errors.New("this link was revoked")
)

// KV keeps what is known of each ticket's links; sqlstore.Store does.
type KV interface {
	KVGet(ctx context.Context, name string) (string, error)
	KVPut(ctx context.Context, name, value string) error
}

// Links makes and checks the links of vendor pages. A link names one ticket, is
// signed, ends by itself and can be revoked; nothing about it is kept but which
// generation of a ticket's links is good.
type Links struct {
	Key      []byte // signs; 32 random bytes that outlive restarts
	Base     string // how vendors reach the pages: https://noc.example.com
	Life     time.Duration
	KV       KV
	NotFound error // what KVGet returns for what is not there
	Now      func() time.Time
}

const (
	version  = 1
	maxToken = 400 // characters
	macLen   = 16  // bytes
	headLen  = 9   // bytes: version, expiry, generation
	formLife = 24 * time.Hour
	nonceLen = 9 // bytes
)

// grant is what a link allows, once its signature is checked.
type grant struct {
	Ticket     string // the ticket's key: incident/vendor
	Expires    time.Time
	generation uint32
}

// Incident is the id of the incident that the ticket belongs to.
func (g grant) Incident() string {
	id, _, _ := strings.Cut(g.Ticket, "/")
	return id
}

// links is what is kept of a ticket's links.
type links struct {
	Generation uint32    `json:"generation"`
	Revoked    bool      `json:"revoked,omitempty"`
	By         string    `json:"by,omitempty"` // who revoked or renewed them
	At         time.Time `json:"at,omitzero"`
	forms
}

// forms are those sent within their life. They are kept apart from links, so that
// noting one cannot undo a revocation that came meanwhile, from here or from
// another collector; those in links were noted before that was so.
type forms struct {
	Used []used `json:"used,omitempty"`
}

// used is a form that was sent.
type used struct {
	Nonce string    `json:"nonce"`
	At    time.Time `json:"at"`
}

// URL returns the ticket's link, or "" while its links are revoked.
func (l *Links) URL(ctx context.Context, ticketKey string) (string, error) {
	s, err := l.load(ctx, ticketKey)
	if err != nil || s.Revoked {
		return "", err
	}
	return strings.TrimSuffix(l.Base, "/") + Prefix + l.token(ticketKey, s.Generation, l.Now().Add(l.Life)), nil
}

func (l *Links) token(ticketKey string, generation uint32, expires time.Time) string {
	b := make([]byte, headLen, headLen+len(ticketKey)+macLen)
	b[0] = version
	binary.BigEndian.PutUint32(b[1:], uint32(expires.Unix()))
	binary.BigEndian.PutUint32(b[5:], generation)
	b = append(b, ticketKey...)
	return base64.RawURLEncoding.EncodeToString(append(b, l.mac("page", b)...))
}

func (l *Links) mac(what string, b []byte) []byte {
	h := hmac.New(sha256.New, l.Key)
	h.Write([]byte(what + "\x00"))
	h.Write(b)
	return h.Sum(nil)[:macLen]
}

// check returns what a token allows now. Its signature is looked at before
// anything it says.
func (l *Links) check(ctx context.Context, token string) (grant, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(token) > maxToken || len(b) <= headLen+macLen {
		return grant{}, ErrForged
	}
	body, mac := b[:len(b)-macLen], b[len(b)-macLen:]
	if !hmac.Equal(mac, l.mac("page", body)) || body[0] != version {
		return grant{}, ErrForged
	}
	g := grant{Ticket: string(body[headLen:]), Expires: time.Unix(int64(binary.BigEndian.Uint32(body[1:])), 0), generation: binary.BigEndian.Uint32(body[5:])}
	if !l.Now().Before(g.Expires) {
		return g, ErrExpired
	}
	s, err := l.load(ctx, g.Ticket)
	if err != nil {
		return grant{}, err
	}
	if s.Revoked || s.Generation != g.generation {
		return g, ErrRevoked
	}
	return g, nil
}

// Revoke makes every link of the ticket so far useless. With renew, later
// messages carry new ones; without, none until Revoke is called with it.
func (l *Links) Revoke(ctx context.Context, ticketKey, by string, renew bool) error {
	s, err := l.load(ctx, ticketKey)
	if err != nil {
		return err
	}
	s.Generation, s.Revoked, s.By, s.At = s.Generation+1, !renew, by, l.Now().UTC()
	return l.save(ctx, ticketKey, s)
}

// State says how a ticket's links are.
type State struct {
	Revoked bool
	By      string // who revoked or renewed them last; "" nobody
	At      time.Time
}

// State returns how the ticket's links are.
func (l *Links) State(ctx context.Context, ticketKey string) (State, error) {
	s, err := l.load(ctx, ticketKey)
	return State{s.Revoked, s.By, s.At}, err
}

func (l *Links) load(ctx context.Context, ticketKey string) (s links, err error) {
	err = l.get(ctx, statePrefix+ticketKey, &s)
	return s, err
}

func (l *Links) save(ctx context.Context, ticketKey string, s links) error {
	return l.put(ctx, statePrefix+ticketKey, s)
}

func (l *Links) loadForms(ctx context.Context, ticketKey string) (f forms, err error) {
	err = l.get(ctx, formsPrefix+ticketKey, &f)
	return f, err
}

func (l *Links) saveForms(ctx context.Context, ticketKey string, f forms) error {
	return l.put(ctx, formsPrefix+ticketKey, f)
}

// Where a ticket's links and the forms that were sent by them are kept.
const (
	statePrefix = "vendor-page/"
	formsPrefix = "vendor-page-forms/"
)

// get reads what is kept under the name into the value; nothing: it stays as it is.
func (l *Links) get(ctx context.Context, name string, into any) error {
	v, err := l.KV.KVGet(ctx, name)
	if errors.Is(err, l.NotFound) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(v), into)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

func (l *Links) put(ctx context.Context, name string, v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		err = l.KV.KVPut(ctx, name, string(b))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// formKey is what a form of the page carries: made for this link, good for a day
// and for being sent once. A preview or another site has none.
func (l *Links) formKey(token string) string {
	b := make([]byte, nonceLen+4)
	_, _ = rand.Read(b[:nonceLen]) // crypto/rand.Read never fails since Go 1.24
	binary.BigEndian.PutUint32(b[nonceLen:], uint32(l.Now().Unix()))
	return base64.RawURLEncoding.EncodeToString(append(b, l.mac("form/"+token, b)...))
}

// openForm returns the nonce of a form's key; ok is false when the key was not
// made for this link, or too long ago.
func (l *Links) openForm(token, key string) (nonce string, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(key)
	if err != nil || len(b) != nonceLen+4+macLen {
		return "", false
	}
	body, mac := b[:nonceLen+4], b[nonceLen+4:]
	made := time.Unix(int64(binary.BigEndian.Uint32(body[nonceLen:])), 0)
	if !hmac.Equal(mac, l.mac("form/"+token, body)) || l.Now().Sub(made) > formLife {
		return "", false
	}
	return base64.RawURLEncoding.EncodeToString(body[:nonceLen]), true
}

// wasUsed tells whether a form was sent before.
func (s forms) wasUsed(nonce string) bool {
	for _, u := range s.Used {
		if u.Nonce == nonce {
			return true
		}
	}
	return false
}

// use notes a form as sent and forgets those whose keys have ended.
func (s *forms) use(nonce string, now time.Time) {
	kept := s.Used[:0]
	for _, u := range s.Used {
		if now.Sub(u.At) <= formLife+time.Hour {
			kept = append(kept, u)
		}
	}
	s.Used = append(kept, used{nonce, now.UTC()})
}
