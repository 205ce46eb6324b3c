package pki

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)

func authority(t testing.TB) *Authority {
	t.Helper()
	a, err := NewAuthority(now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func agentCert(t testing.TB, a *Authority, id Identity, at time.Time) *x509.Certificate {
	t.Helper()
	key, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	c, err := a.IssueAgent(key.Public(), id, at, 90*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestIdentitySurvivesTheCertificate(t *testing.T) {
	a := authority(t)
	for _, id := range []Identity{{"branch-2-a", "branch-2"}, {"a/b", "x%2f/y"}, {"主机", "分公司 2"}, {"a?b#c", "s"}} {
		got, err := a.VerifyAgent(agentCert(t, a, id, now), now)
		if err != nil || got != id {
			t.Errorf("%v came back as %v, %v", id, got, err)
		}
	}
	if _, err := a.IssueAgent(a.Key.Public(), Identity{Agent: "x"}, now, time.Hour); err == nil {
		t.Error("a certificate without a site was issued")
	}
}

func TestVerifyAgentRefuses(t *testing.T) {
	a, other := authority(t), authority(t)
	id := Identity{"a", "s"}
	mine := agentCert(t, a, id, now)
	server, err := a.IssueCollector(a.Key.Public(), []string{"hq.example", "192.0.2.1"}, now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		cert *x509.Certificate
		at   time.Time
		want error
	}{
		{"good", mine, now, nil},
		{"a clock a day behind at issue", mine, now.Add(-23 * time.Hour), nil},
		{"before its time", mine, now.Add(-25 * time.Hour), ErrEarly},
		{"last moment", mine, mine.NotAfter, nil},
		{"expired", mine, mine.NotAfter.Add(time.Second), ErrExpired},
		{"foreign", agentCert(t, other, id, now), now, ErrForeign},
		{"the collector's", server, now, ErrPurpose},
		{"the authority itself", a.Certificate, now, ErrPurpose},
	} {
		if _, err := a.VerifyAgent(c.cert, c.at); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestVerifyCollector(t *testing.T) {
	a, other := authority(t), authority(t)
	server, err := a.IssueCollector(a.Key.Public(), nil, now, 30*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	agent := agentCert(t, a, Identity{"a", "s"}, now)
	for _, c := range []struct {
		name  string
		shown []*x509.Certificate
		by    *Authority
		floor time.Time
		want  error
	}{
		{"good", []*x509.Certificate{server, a.Certificate}, a, now, nil},
		{"no clock at all", []*x509.Certificate{server}, a, time.Time{}, nil},
		{"ended before what is known to have passed", []*x509.Certificate{server}, a, now.Add(31 * 24 * time.Hour), ErrExpired},
		{"another authority", []*x509.Certificate{server}, other, now, ErrForeign},
		{"an agent posing as the collector", []*x509.Certificate{agent, a.Certificate}, a, now, ErrPurpose},
		{"nothing shown", nil, a, now, ErrForeign},
		{"only the authority, which anybody can show", []*x509.Certificate{a.Certificate}, a, now, ErrPurpose},
	} {
		if err := VerifyCollector(c.shown, c.by.Certificate, c.floor); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	if got, err := Pinned([]*x509.Certificate{server, a.Certificate}, Fingerprint(a.Certificate)); err != nil || got != a.Certificate {
		t.Errorf("pinned authority not found: %v", err)
	}
	if _, err := Pinned([]*x509.Certificate{server}, Fingerprint(server)); err == nil {
		t.Error("a certificate that is no authority was taken as the pinned one")
	}
}

func TestRequestedKey(t *testing.T) {
	p256, _ := NewKey()
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	must := func(der []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	good := must(NewRequest(p256))
	broken := append([]byte(nil), good...)
	broken[len(broken)-3] ^= 1
	for _, c := range []struct {
		name string
		der  []byte
		ok   bool
	}{
		{"P-256", good, true}, {"Ed25519", must(NewRequest(ed)), true}, {"P-384", must(NewRequest(p384)), false}, {"RSA", must(NewRequest(rsaKey)), false},
		{"signature of another", broken, false}, {"empty", nil, false}, {"torn", good[:len(good)/2], false},
	} {
		if _, err := RequestedKey(c.der); (err == nil) != c.ok {
			t.Errorf("%s: %v, want ok %v", c.name, err, c.ok)
		}
	}
}

func TestToken(t *testing.T) {
	fp := Fingerprint(authority(t).Certificate)
	tok := NewToken(fp, now)
	back, err := ParseToken("  " + strings.ToUpper(tok.Text()) + "\n")
	if err != nil || back != tok {
		t.Fatalf("%v came back as %v, %v", tok, back, err)
	}
	if n := len(tok.Text()); n != 111 {
		t.Errorf("a token has %d characters", n)
	}
	if !tok.IssuedAt().Equal(now) {
		t.Errorf("issued at %v, want %v", tok.IssuedAt(), now)
	}
	for _, out := range []string{fmt.Sprint(tok), fmt.Sprintf("%v %+v %#v %s", tok, tok, tok, tok)} {
		if strings.Contains(out, tok.Secret) {
			t.Errorf("the secret is visible in %q", out)
		}
	}
	if !SecretMatches(HashSecret(tok.Secret), tok.Secret) || SecretMatches(HashSecret(tok.Secret), NewToken(fp, now).Secret) || SecretMatches("", tok.Secret) {
		t.Error("secrets are compared wrongly")
	}
	for _, bad := range []string{"", tok.ID, tok.ID + "." + tok.Secret, tok.Text() + "x", strings.Replace(tok.Text(), ".", "_", 1), tok.ID + ".." + fp} {
		if _, err := ParseToken(bad); err == nil {
			t.Errorf("%q was taken for a token", bad)
		} else if bad != "" && strings.Contains(err.Error(), tok.Secret) {
			t.Error("the error quotes the secret")
		}
	}
}

// All agents of one day must not renew in one minute, none before five eighths
// or after 17/24 of the life.
func TestRenewAtIsSpread(t *testing.T) {
	a := authority(t)
	life := 90 * 24 * time.Hour
	days := map[int]int{}
	for range 200 {
		at := RenewAt(agentCert(t, a, Identity{"a", "s"}, now)).Sub(now)
		if at < life*5/8 || at > life*17/24 {
			t.Fatalf("renewal after %v of %v", at, life)
		}
		days[int(at.Hours()/24)]++
	}
	if len(days) < 5 {
		t.Errorf("200 renewals fall on %d days", len(days))
	}
	c := agentCert(t, a, Identity{"a", "s"}, now)
	if !RenewAt(c).Equal(RenewAt(c)) || !IssuedAt(c).Equal(now) {
		t.Error("the moment of renewal or of issue is not the certificate's own")
	}
}

func TestPEM(t *testing.T) {
	a := authority(t)
	key, err := EncodeKey(a.Key)
	if err != nil {
		t.Fatal(err)
	}
	text := append(key, EncodeCertificate(a.Certificate)...)
	back, err := ParseAuthority(text)
	if err != nil || !back.Certificate.Equal(a.Certificate) {
		t.Fatalf("authority came back as %v, %v", back, err)
	}
	otherKey, err := EncodeKey(authority(t).Key)
	if err != nil {
		t.Fatal(err)
	}
	leaf := agentCert(t, a, Identity{"a", "s"}, now)
	for name, bad := range map[string][]byte{
		"another's key": append(otherKey, EncodeCertificate(a.Certificate)...), "two keys": append(key, text...), "no key": EncodeCertificate(a.Certificate),
		"nothing": nil, "no authority": append(key, EncodeCertificate(leaf)...),
	} {
		if _, err := ParseAuthority(bad); err == nil {
			t.Errorf("%s was taken for an authority", name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = Decode(b)
		_, _ = RequestedKey(b)
		_, _ = ParseToken(string(b))
	})
}
