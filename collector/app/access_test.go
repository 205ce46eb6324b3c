package app

import (
	"context"
	"slices"
	"testing"

	"github.com/faultline/faultline/collector/account"
)

type someUsers []account.User

func (s someUsers) Users(context.Context) ([]account.User, error) { return s, nil }

// TestAccessStamp: what decides about somebody's access changes the stamp, what does
// not leaves it.
func TestAccessStamp(t *testing.T) {
	base := someUsers{{ID: "1", Name: "li", Roles: []string{"branch_it"}, Sites: []string{"shanghai"}}, {ID: "2", Name: "wang", Roles: []string{"hq_network"}}}
	stamp := func(change func(u *account.User)) string {
		t.Helper()
		users := slices.Clone(base)
		change(&users[0])
		s, err := accessStamp(t.Context(), users)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	before := stamp(func(*account.User) {})
	for name, tc := range map[string]struct {
		change func(u *account.User)
		same   bool
	}{
		"disabled":       {change: func(u *account.User) { u.Disabled = true }},
		"fewer roles":    {change: func(u *account.User) { u.Roles = nil }},
		"another site":   {change: func(u *account.User) { u.Sites = []string{"beijing"} }},
		"reset password": {change: func(u *account.User) { u.MustChange = true }},
		"language":       {change: func(u *account.User) { u.Language = "en" }, same: true},
	} {
		if got := stamp(tc.change); (got == before) != tc.same {
			t.Errorf("%s: the stamp is the same: %v, want %v", name, got == before, tc.same)
		}
	}
	if gone, err := accessStamp(t.Context(), base[1:]); err != nil || gone == before {
		t.Errorf("removed altogether: %v, the stamp is the same: %v", err, gone == before)
	}
}
