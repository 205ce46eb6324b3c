package topology

// Rename gives devices other ids, everywhere they are named; what is not in the
// map keeps its own.
func (p *Proposal) Rename(to map[string]string) {
	one := func(id *string) {
		if n, ok := to[*id]; ok {
			*id = n
		}
	}
	all := func(ids []string) {
		for i := range ids {
			one(&ids[i])
		}
	}
	one(&p.Root)
	for _, d := range p.Devices {
		one(&d.ID)
		for i := range d.Parents {
			all(d.Parents[i].AnyOf)
		}
		for i := range d.Leads {
			one(&d.Leads[i].To)
		}
	}
	for _, l := range p.Links {
		one(&l.A.Device)
		one(&l.B.Device)
	}
	for i := range p.Conflicts {
		all(p.Conflicts[i].Devices)
	}
	for i := range p.Strangers {
		one(&p.Strangers[i].At.Device)
	}
}
