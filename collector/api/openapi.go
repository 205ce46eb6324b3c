package api

import (
	"bytes"
	_ "embed" // for the two files below
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
)

//go:embed openapi.json
var openAPIDocument []byte

//go:embed docs.html
var docsPage string

func (s *server) openAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	w.Write(openAPIDocument) // the client may be gone; there is nobody to tell
	return nil
}

// openAPIText is what /docs shows of openapi.json.
type openAPIText struct {
	Info struct {
		Title, Version, Description string
	}
	Paths map[string]map[string]operation
}

type operation struct {
	Summary     string
	Description string
	Parameters  []struct {
		Name, In, Description string
		Required              bool
	}
	RequestBody struct {
		Content map[string]struct{ Example json.RawMessage }
	}
	Responses map[string]struct{ Description string }
}

// docsRow is one operation of the page.
type docsRow struct {
	Method, Path string
	operation
	Example string
}

func (s *server) docs(w http.ResponseWriter, _ *http.Request) error {
	var d openAPIText
	if err := json.Unmarshal(openAPIDocument, &d); err != nil {
		return fmt.Errorf("openapi.json: %w", err)
	}
	var rows []docsRow
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(d.Paths[path])) {
			op := d.Paths[path][method]
			rows = append(rows, docsRow{method, path, op, string(op.RequestBody.Content["application/json"].Example)})
		}
	}
	t, err := template.New("docs").Parse(docsPage)
	if err != nil {
		return fmt.Errorf("docs.html: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, map[string]any{"Info": d.Info, "Rows": rows}); err != nil {
		return fmt.Errorf("docs.html: %w", err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(b.Bytes()) // the client may be gone; there is nobody to tell
	return nil
}
