package web

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

// assets serves the files of static/ under addresses that change with their
// content, so that browsers may keep them for good.
type assets struct {
	content map[string][]byte // by path under static/
	version map[string]string
}

func loadAssets() (*assets, error) {
	a := &assets{content: map[string][]byte{}, version: map[string]string{}}
	err := fs.WalkDir(files, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		h := sha256.Sum256(b)
		name = strings.TrimPrefix(name, "static/")
		a.content[name], a.version[name] = b, hex.EncodeToString(h[:6])
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("console files: %w", err)
	}
	return a, nil
}

func (a *assets) url(name string) string { return "/static/" + name + "?v=" + a.version[name] }

// ServeHTTP answers GET /static/.
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/static/")
	b, ok := a.content[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	if r.URL.Query().Get("v") == a.version[name] {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	w.Write(b) // the browser may be gone; there is nobody to tell
}
