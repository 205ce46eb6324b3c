package scenario

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/sla"
)

var update = flag.Bool("update", false, "write what the stories lead to into their files")

func shipped(t testing.TB) World {
	t.Helper()
	set, err := process.Load(os.DirFS("../../../rules/processes"))
	if err != nil {
		t.Fatal(err)
	}
	cals, err := sla.Load(os.DirFS("../../../rules/calendars"))
	if err != nil {
		t.Fatal(err)
	}
	return World{Set: set, Calendars: cals}
}

func stories(t testing.TB, file string) []Story {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	list, err := Parse(filepath.Base(file), data)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestStories plays the stories that people wrote and compares all that follows.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	w := shipped(t)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			run, err := Play(w, stories(t, file)[0])
			if err != nil {
				t.Fatalf("%v\n%s", err, strings.Join(run.Log, "\n"))
			}
			got, golden := strings.Join(run.Log, "\n")+"\n", strings.TrimSuffix(file, ".yaml")+".out"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Fatalf("the story changed (-want +got); if it should, run with -update:\n%s", d)
			}
		})
	}
}
