package build

import (
	"os"
	"path/filepath"
	"testing"
)

// most is what is promised to branches: the agent as it is shipped, in bytes.
const most = 17_000_000

func TestAgentIsSmall(t *testing.T) {
	dir := t.TempDir()
	if err := program(t.Context(), "./agent", filepath.Join(dir, "faultline-agent")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "faultline-agent"))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.2f MB", float64(info.Size())/1e6)
	if info.Size() > most {
		t.Errorf("the agent is %d bytes, more than %d: go tool nm -size -sort size says where; text/template and whatever else calls a method by its name keeps every method", info.Size(), most)
	}
}
