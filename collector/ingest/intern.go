package ingest

import (
	"sync"
	"unicode/utf8"
)

const (
	maxInterned      = 500_000
	maxInternedBytes = 64 << 20
)

// symbol is one label name or value with what is known about it.
type symbol struct {
	s       string
	nameOK  bool // may be a label's name
	valueOK bool // may be a label's value
	long    bool // too long for either
}

// interner gives the same string for the same bytes, so that decoding allocates
// nothing for labels seen before and no label keeps a whole body in memory.
// It starts anew when it is full.
type interner struct {
	limits Limits

	mu    sync.RWMutex // guards the fields below
	m     map[string]symbol
	bytes int
}

func newInterner(l Limits) *interner { return &interner{limits: l, m: map[string]symbol{}} }

// addLocked takes the bytes in; the caller holds mu for writing.
func (in *interner) addLocked(b []byte) symbol {
	if len(in.m) >= maxInterned || in.bytes >= maxInternedBytes {
		in.m, in.bytes = map[string]symbol{}, 0
	}
	sym := in.describe(string(b))
	in.m[sym.s] = sym
	in.bytes += len(b)
	return sym
}

func (in *interner) describe(s string) symbol {
	valid := utf8.ValidString(s)
	return symbol{
		s:       s,
		nameOK:  valid && s != "" && len(s) <= in.limits.LabelNameBytes,
		valueOK: valid && len(s) <= in.limits.LabelValueBytes,
		long:    len(s) > in.limits.LabelValueBytes,
	}
}

// get returns the symbol of the bytes.
func (in *interner) get(b []byte) symbol {
	in.mu.RLock()
	sym, ok := in.m[string(b)]
	in.mu.RUnlock()
	if ok {
		return sym
	}
	if len(b) > in.limits.LabelValueBytes {
		return symbol{long: true}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if sym, ok := in.m[string(b)]; ok {
		return sym
	}
	return in.addLocked(b)
}
