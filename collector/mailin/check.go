package mailin

// Upload is a file that came by another way than mail.
type Upload struct {
	Name string // as its sender called it
	Data []byte
}

// Check takes or refuses files that came by another way than mail, by the same
// rules. The result has one entry for each, in order.
func Check(uploads []Upload, limits Limits) []File {
	p := &parser{limits: limits.withDefaults()}
	for _, u := range uploads {
		p.attach(fileName(u.Name), "", u.Data)
	}
	return p.files
}
