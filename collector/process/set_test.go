package process

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/faultline/faultline/rules"
)

func TestSetKeepsOlderVersions(t *testing.T) {
	sub, err := fs.Sub(rules.FS(), "processes")
	if err != nil {
		t.Fatal(err)
	}
	set, err := Load(sub)
	if err != nil {
		t.Fatal(err)
	}
	now, _ := set.Latest("network")
	old, err := Parse("old", []byte(strings.Replace(now.Text(), "target: 10m", "target: 15m", 1)))
	if err != nil {
		t.Fatal(err)
	}
	both := set.With(old)
	if d, ok := both.Version(old.Ref()); !ok || d != old {
		t.Error("the older version cannot be found")
	}
	if d, _ := both.Latest("network"); d != now {
		t.Error("the older version replaced the one in force")
	}
	if _, ok := set.Version(old.Ref()); ok {
		t.Error("the first set was changed")
	}
	if d, ok := set.Keeping(both).Version(old.Ref()); !ok || d != old {
		t.Error("a set that keeps another's versions has not all of them")
	}
	if d, _ := set.Keeping(both).Latest("network"); d != now {
		t.Error("a kept version replaced the one in force")
	}
}
