package secret

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSecretNeverPrints(t *testing.T) {
	s := String("hunter2")
	js, err := json.Marshal(struct{ P String }{s})
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q %x %d", s, s, s, s, s, s, s), string(js), fmt.Sprintf("%v", struct{ P String }{s})} {
		if strings.Contains(out, "hunter2") || strings.Contains(out, fmt.Sprintf("%x", "hunter2")) {
			t.Errorf("the secret is visible in %q", out)
		}
	}
	if s.Reveal() != "hunter2" {
		t.Error("Reveal does not give the value back")
	}
}

func TestOrFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("abc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		secret String
		path   string
		want   string
		fails  bool
	}{
		{"given", "x", path, "x", false},
		{"from the file", "", path, "abc", false},
		{"neither", "", "", "", false},
		{"file missing", "", path + "no", "", true},
	} {
		got, err := c.secret.OrFile(c.path)
		if got.Reveal() != c.want || (err != nil) != c.fails {
			t.Errorf("%s: got %q, %v", c.name, got.Reveal(), err)
		}
	}
}
