package storetest

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/document"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
)

// testDocuments stores any bytes, lists without them, and never overwrites.
func testDocuments(t *testing.T, e *env) {
	ctx := t.Context()
	e.mustOpen(t, "doc-1")
	body := []byte{0, 1, 0xff, 0xfe, '\'', '\n', 0}
	d := document.Document{ID: "d1", IncidentID: "doc-1", Origin: document.Uploaded, Kind: "photo", Name: "机房.jpg", Media: "image/jpeg", Size: 7, Hash: "h",
		At: t0, By: incident.Actor{Kind: "person", ID: "li"}, Body: body}
	if err := e.store.PutDocument(ctx, d); err != nil {
		t.Fatal(err)
	}
	other := d
	other.Name, other.Body = "other", []byte("other")
	if err := e.store.PutDocument(ctx, other); err != nil {
		t.Fatalf("handed in again: %v", err)
	}
	got, err := e.store.Document(ctx, "doc-1", "d1")
	if err != nil || !bytes.Equal(got.Body, body) {
		t.Fatalf("%v, %v", got.Body, err)
	}
	d.Body = nil
	list, err := e.store.Documents(ctx, "doc-1")
	if err != nil || cmp.Diff([]document.Document{d}, list) != "" {
		t.Fatalf("%v, %s", err, cmp.Diff([]document.Document{d}, list))
	}
	if _, err := e.store.Document(ctx, "doc-2", "d1"); !errors.Is(err, engine.ErrNotFound) {
		t.Fatalf("of another incident: %v", err)
	}
	if err := e.store.PutDocument(ctx, document.Document{ID: "d2", IncidentID: "nobody"}); err == nil {
		t.Fatal("a document of no incident was stored")
	}
}
