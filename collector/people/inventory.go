package people

import (
	"slices"

	"github.com/faultline/faultline/collector/inventory"
)

// FromInventory makes persons of the inventory's: the base that files of kind
// People add to.
func FromInventory(list []inventory.Person) []Person {
	out := make([]Person, 0, len(list))
	for _, p := range list {
		out = append(out, Person{ID: p.ID, Name: p.Name, Email: p.Email, Roles: slices.Clone(p.Roles), Sites: slices.Clone(p.Sites), Language: p.Language})
	}
	return out
}
