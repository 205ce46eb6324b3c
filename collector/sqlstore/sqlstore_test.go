//go:build unix

package sqlstore_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/collector/sqlstore/storetest"
)

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t testing.TB) string {
		dir := filepath.Join(t.TempDir(), "a dir? with #odd %20 name")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		return "sqlite:" + filepath.Join(dir, "faultline.db")
	})
}

func TestPostgres(t *testing.T) {
	p, err := storetest.StartPostgres()
	if err != nil {
		storetest.SkipOrFail(t, err)
	}
	t.Cleanup(p.Stop)
	storetest.Run(t, p.URL)
}

func TestOpenRefuses(t *testing.T) {
	tests := []struct{ name, url, want string }{
		{"empty", "", "unknown kind"},
		{"no path", "sqlite:", "path is missing"},
		{"other kind", "mysql://root@localhost/x", `unknown kind "mysql"`},
		{"no server", "postgres://u:secret@127.0.0.1:1/x?connect_timeout=2", "is the server reachable"},
		{"bad url", "postgres://u:secret@host:port:1/", "cannot parse"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: tt.url})
			if err == nil {
				_ = s.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
				t.Fatalf("got %v, want %q and no password", err, tt.want)
			}
		})
	}
}

func TestFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.db")
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: "sqlite:" + path})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal"} {
		fi, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().Perm()&0o077 != 0 {
			t.Fatalf("%s is %v: others can read it", suffix, fi.Mode())
		}
	}
}
