package enrol_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkGate is what the gate adds to each request of an agent: the
// signature of its certificate and one look into the database.
func BenchmarkGate(b *testing.B) {
	f := newFixture(b, nil)
	id, _ := f.enrolled("branch-1", "a1")
	h := f.svc.Gate(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := httptest.NewRequest(http.MethodGet, workPath, nil)
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{id.Certificate().Leaf}}
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
}
