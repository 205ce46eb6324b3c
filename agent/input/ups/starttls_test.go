package ups

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/faultline/faultline/agent/input/inputtest"
)

// certificates makes the database of certificates that Debian's upsd reads (it is
// built with NSS), and the server's, which signs itself.
func certificates(t *testing.T) (db, ca string) {
	t.Helper()
	certutil := inputtest.Program(t, "certutil", "libnss3-tools")
	db = inputtest.Write(t, map[string]string{"password": "", "noise": "nineteen bytes or more of noise"})
	run := func(args ...string) []byte {
		t.Helper()
		args = append(args, "-d", "sql:"+db, "-f", filepath.Join(db, "password"))
		cmd := exec.Command(certutil, args...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("certutil %v: %v\n%s", args, err, out)
		}
		return out
	}
	noise := filepath.Join(db, "noise")
	run("-N")
	run("-S", "-n", "upsd", "-s", "CN=ups.branch", "-x", "-t", "CT,,", "-m", "2", "-v", "12", "-z", noise, "--extSAN", "dns:ups.branch", "-k", "ec", "-q", "nistp256")
	pem := run("-L", "-n", "upsd", "-a")
	return db, filepath.Join(inputtest.Write(t, map[string]string{"ca.pem": string(pem)}), "ca.pem")
}

// TestStartTLS reads Debian's upsd over TLS, and refuses one whose certificate is
// not the one that is meant or that speaks no TLS.
func TestStartTLS(t *testing.T) {
	db, ca := certificates(t)
	address, _ := server(t, fmt.Sprintf("CERTPATH %s", db), `CERTIDENT upsd ""`)
	in := New(Options{})
	rack := target(address, "ups", "rack", "starttls", "true", "ca_file", ca, "server_name", "ups.branch")
	inputtest.Until(t, "an answer of upsd over TLS", func() bool {
		r, err := inputtest.Gather(t, in, rack)
		return err == nil && r.Values["network_ups_tools_battery_charge{ups=rack}"] == 97
	})
	inputtest.Down(t, in, target(address, "ups", "rack", "starttls", "true", "ca_file", ca, "server_name", "other.branch"), "certificate")
	inputtest.Down(t, in, target(address, "ups", "rack", "starttls", "true", "server_name", "ups.branch"), "certificate")
	plain, _ := server(t)
	inputtest.Until(t, "an answer of upsd without TLS", func() bool {
		_, err := inputtest.Gather(t, in, target(plain, "ups", "rack"))
		return err == nil
	})
	inputtest.Down(t, in, target(plain, "ups", "rack", "starttls", "true", "insecure", "true"), "tls")
	inputtest.Down(t, in, target(foreign(t, "OK STARTTLS\nVAR rack ups.status \"OB LB\"\n"), "ups", "rack", "starttls", "true", "insecure", "true"), "malformed")
	if err := in.CheckTarget(target(address, "ca_file", ca)); err == nil {
		t.Error("a CA without starttls is taken: people would think that it is judged")
	}
}
