package api

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestOpenAPIDescribesTheRoutes holds openapi.json to the routes that are served.
func TestOpenAPIDescribesTheRoutes(t *testing.T) {
	var served, described []string
	for _, r := range (&server{}).routes() {
		served = append(served, r.method+" "+r.path)
	}
	var d openAPIText
	if err := json.Unmarshal(openAPIDocument, &d); err != nil {
		t.Fatal(err)
	}
	for path, ops := range d.Paths {
		for method, op := range ops {
			described = append(described, strings.ToUpper(method)+" "+path)
			if op.Summary == "" || len(op.Responses) == 0 {
				t.Errorf("%s %s: no summary or responses", method, path)
			}
			for _, name := range pathParameters(path) {
				if !slices.ContainsFunc(op.Parameters, func(p struct {
					Name, In, Description string
					Required              bool
				}) bool {
					return p.Name == name && p.In == "path" && p.Required
				}) {
					t.Errorf("%s %s: parameter %s is not described", method, path, name)
				}
			}
		}
	}
	slices.Sort(served)
	slices.Sort(described)
	if diff := cmp.Diff(served, described); diff != "" {
		t.Errorf("routes (-served +described)\n%s", diff)
	}
}

func pathParameters(path string) (names []string) {
	for _, part := range strings.Split(path, "/") {
		if strings.HasPrefix(part, "{") {
			names = append(names, strings.Trim(part, "{}"))
		}
	}
	return names
}

// TestOpenAPIDescribesTheFields holds the schemas to the Go types.
func TestOpenAPIDescribesTheFields(t *testing.T) {
	var d struct {
		Components struct {
			Schemas map[string]struct{ Properties map[string]any }
		}
	}
	if err := json.Unmarshal(openAPIDocument, &d); err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]any{"Incident": Incident{}, "Alert": AlertView{}, "Clock": ClockView{}, "Ticket": TicketView{}, "Problem": problem{}, "Quiet": quietView{}} {
		var fields []string
		for f := range reflect.TypeOf(v).Fields() {
			tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			fields = append(fields, tag)
		}
		slices.Sort(fields)
		if diff := cmp.Diff(fields, slices.Sorted(maps.Keys(d.Components.Schemas[name].Properties))); diff != "" {
			t.Errorf("%s (-type +described)\n%s", name, diff)
		}
	}
}
