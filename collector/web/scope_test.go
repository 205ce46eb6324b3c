package web

import (
	"strings"
	"testing"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/account/accounttest"
)

// TestPagesByRole is people.See at the console: role by page.
func TestPagesByRole(t *testing.T) {
	f, _ := staffed(t)
	for name, u := range map[string]account.User{"nowhere": {Roles: []string{account.RoleBranchIT}}, "chengdu": {Roles: []string{account.RoleBranchIT}, Sites: []string{"chengdu"}}} {
		u.ID, u.Name, u.PasswordHash = "u-"+name, name, accounttest.Cheap().Hash(testPassword)
		if err := f.store.PutUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	who := map[string]*browser{"new": f.root()}
	order := []string{"new", "chen", "guest", "li", "chengdu", "nowhere"}
	for _, name := range order[1:] {
		who[name] = f.as(name)
	}
	for _, tt := range []struct {
		path string
		want []int // as administrator, head office, viewer, Shanghai, Chengdu, a branch's IT of no branch
	}{
		{"/incidents/01line", []int{200, 200, 200, 200, 404, 404}},
		{"/incidents/02ups", []int{200, 200, 200, 404, 200, 404}},
		{"/incidents/01line/process.svg", []int{200, 200, 200, 200, 404, 404}},
		{"/incidents/01line/site.svg", []int{200, 200, 200, 200, 404, 404}},
		{"/incidents/01line/charts/loss", []int{200, 200, 200, 200, 404, 404}},
		{"/daily", []int{200, 200, 200, 404, 404, 404}},
		{"/users", []int{200, 403, 403, 403, 403, 403}},
		{"/oncall", []int{200, 200, 200, 200, 200, 200}},
		{"/told", []int{200, 200, 200, 200, 200, 200}},
	} {
		for n, name := range order {
			if status, _, _ := who[name].get(tt.path); status != tt.want[n] {
				t.Errorf("%s as %s: %d, want %d", tt.path, name, status, tt.want[n])
			}
		}
	}
	for name, want := range map[string][2]bool{"new": {true, true}, "chen": {true, true}, "guest": {true, true}, "li": {true, false}, "chengdu": {false, true}, "nowhere": {false, false}} {
		_, _, page := who[name].get("/incidents")
		if got := [2]bool{strings.Contains(page, "/incidents/01line"), strings.Contains(page, "/incidents/02ups")}; got != want {
			t.Errorf("the list of %s has Shanghai's and Chengdu's: %v, want %v", name, got, want)
		}
		_, _, page = who[name].get("/oncall")
		if got := strings.Contains(page, "HQ network"); got != (name != "nowhere") {
			t.Errorf("%s sees the general rota: %v", name, got)
		}
	}
}
