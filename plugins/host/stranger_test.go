//go:build linux

package host_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/faultline/faultline/plugins/host/spec"
	"github.com/faultline/faultline/plugins/rpc"
)

// socket is where a running plugin listens.
func socket(t *testing.T, pid int) string {
	t.Helper()
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		t.Fatal(err)
	}
	for kv := range strings.SplitSeq(string(env), "\x00") {
		if dir, ok := strings.CutPrefix(kv, "PLUGIN_UNIX_SOCKET_DIR="); ok {
			found, err := filepath.Glob(filepath.Join(dir, "*"))
			if err != nil || len(found) != 1 {
				t.Fatalf("sockets in %s: %v, %v", dir, found, err)
			}
			return found[0]
		}
	}
	t.Fatal("the plugin has no directory for its socket")
	return ""
}

func TestStrangersCannotSpeakWithAPlugin(t *testing.T) {
	r := start(t, rogue(t, "ok"))
	r.await(t, spec.Input)
	path := socket(t, r.Status()[0].PID)
	for name, creds := range map[string]credentials.TransportCredentials{
		"without TLS":         insecure.NewCredentials(),
		"without certificate": credentials.NewTLS(&tls.Config{InsecureSkipVerify: true, ServerName: "localhost"}), //nolint:gosec // a stranger does not care
	} {
		conn, err := grpc.NewClient("unix:"+path, grpc.WithTransportCredentials(creds))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		if about, err := rpc.NewClient(conn).Describe(ctx); err == nil {
			t.Errorf("%s: a stranger was told %+v", name, about)
		} else if ctx.Err() != nil {
			t.Errorf("%s: no answer instead of a refusal: %v", name, err)
		}
		cancel()
		_ = conn.Close()
	}
	r.works(t)
}
