package enrol

import (
	"crypto"
	"os"
	"path/filepath"

	"github.com/faultline/faultline/internal/pki"
)

// previousKey is the file of the key before the present one: work on disk may
// still be sealed to it.
const previousKey = "previous.key"

// keepKey writes the key that a renewal replaces.
func (i *Identity) keepKey(h *held) error {
	key, ok := h.cert.PrivateKey.(crypto.Signer)
	if !ok {
		return nil
	}
	text, err := pki.EncodeKey(key)
	if err != nil {
		return err
	}
	return writePrivate(filepath.Join(filepath.Dir(i.path), previousKey), text)
}

// Keys are the keys that the collector may have sealed secrets to: the present
// one, and the one before it.
func (i *Identity) Keys() []crypto.PrivateKey {
	keys := []crypto.PrivateKey{i.held.Load().cert.PrivateKey}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(i.path), previousKey))
	if err != nil {
		return keys
	}
	if b, err := pki.Decode(text); err == nil && b.Key != nil {
		keys = append(keys, b.Key)
	}
	return keys
}

// ReleaseKey is whose releases the agent was told to take when it enrolled; "":
// nobody's, or it is not enrolled.
func ReleaseKey(dir string) string {
	text, err := os.ReadFile(filepath.Join(dir, File))
	if err != nil {
		return ""
	}
	h, err := parse(text)
	if err != nil {
		return ""
	}
	return h.meta.ReleaseKey
}
