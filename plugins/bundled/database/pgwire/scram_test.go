package pgwire

import (
	"strings"
	"testing"
)

// The exchange of RFC 7677, section 3.
func TestScram(t *testing.T) {
	s := &scram{user: "user", password: "pencil", nonce: "rOprNGfwEbeRWgbNEkqO"}
	final, err := s.final("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
	if err != nil {
		t.Fatal(err)
	}
	want := "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
	if final != want {
		t.Errorf("got  %s\nwant %s", final, want)
	}
	if err := s.verify("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="); err == nil || s.verified {
		t.Error("a wrong signature was taken")
	}
	if err := s.verify("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="); err != nil || !s.verified {
		t.Errorf("the right signature was not taken: %v", err)
	}
}

func TestScramRefusals(t *testing.T) {
	for _, challenge := range []string{
		"", "r=abc", "r=abcX,s=!!,i=4096", "r=abcX,s=,i=4096", "r=abcX,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0",
		"r=abcX,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2000000000", // would keep us busy for minutes
		"r=abc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1",           // no nonce of its own
		"r=xyzX,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1",          // not ours
		"m=ext,r=abcX,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1",
	} {
		if _, err := (&scram{password: "p", nonce: "abc"}).final(challenge); err == nil {
			t.Errorf("challenge %q was answered", challenge)
		}
	}
	for _, final := range []string{"", "e=invalid-proof", "v=", "v=AAAA"} {
		s := &scram{password: "p", nonce: "abc"}
		if err := s.verify(final); err == nil {
			t.Errorf("last message %q was taken before a challenge", final)
		}
	}
}

func FuzzScram(f *testing.F) {
	f.Add("r=abcX,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1", "v=AAAA")
	f.Fuzz(func(t *testing.T, challenge, final string) {
		if i := strings.LastIndex(challenge, "i="); i >= 0 && len(challenge)-i > 6 {
			return // legitimate, slow
		}
		s := &scram{password: "p", nonce: "abc"}
		if _, err := s.final(challenge); err != nil {
			return
		}
		if s.verify(final) == nil {
			t.Errorf("%q was proved by %q", challenge, final)
		}
	})
}
