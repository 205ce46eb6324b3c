package embedded

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/prometheus/common/route"
	"github.com/prometheus/prometheus/config"
	apiv1 "github.com/prometheus/prometheus/web/api/v1"
)

// engineVersion is what clients that adapt to Prometheus' version are told: the
// release the linked module belongs to.
const engineVersion = "3.15.0"

// APIOptions of Handler.
type APIOptions struct {
	Rules   RuleSource // nil: no rules
	Version string     // of the collector, told beside the engine's
}

// Handler serves the Prometheus HTTP API under /api/v1/: what Grafana and other
// readers use, nothing that writes or administers. Mount it with
// http.StripPrefix. Authentication is the caller's.
func (s *Store) Handler(opts APIOptions) http.Handler {
	router := route.New()
	s.engineAPI(opts).Register(router)
	engine := http.StripPrefix("/api/v1", router)
	rules := ruleHandlers{source: opts.Rules}

	mux := http.NewServeMux()
	for _, path := range []string{"query", "query_range", "query_exemplars", "format_query", "parse_query", "labels", "series"} {
		mux.Handle("GET /api/v1/"+path, engine)
		mux.Handle("POST /api/v1/"+path, limitForm(engine))
	}
	mux.Handle("GET /api/v1/label/{name}/values", engine)
	mux.Handle("GET /api/v1/status/buildinfo", engine)
	mux.HandleFunc("GET /api/v1/status/config", serveConfig)
	mux.HandleFunc("GET /api/v1/metadata", s.serveMetadata)
	mux.HandleFunc("GET /api/v1/rules", rules.serveRules)
	mux.HandleFunc("GET /api/v1/alerts", rules.serveAlerts)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		respondError(w, http.StatusNotFound, "not_found", "no such endpoint: "+r.URL.Path)
	})
	return mux
}

// limitForm bounds the body of a posted query.
func limitForm(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		next.ServeHTTP(w, r)
	})
}

// engineAPI builds Prometheus' own API over this store. What it would ask a
// scrape manager or a rule manager for is answered by this package instead.
func (s *Store) engineAPI(opts APIOptions) *apiv1.API {
	q := queryable{s}
	pass := func(f http.HandlerFunc) http.HandlerFunc { return f }
	build := &apiv1.PrometheusVersion{
		Version: engineVersion, Revision: opts.Version, Branch: "faultline",
	}
	return apiv1.NewAPI(
		s.engine, q, nil, nil, q,
		nil, nil, nil,
		func() config.Config { return config.DefaultConfig },
		nil, apiv1.GlobalURLOptions{}, pass,
		nil, "", false, false, 0,
		s.log.With("part", "prometheus_api"),
		nil,
		0, 1, 0,
		false, nil, nil, build,
		nil, nil, nil, nil, nil,
		false, nil, false, false, false, false,
		defaultLookback, false, false, nil, nil,
		apiv1.OpenAPIOptions{}, nil,
	)
}

// serveConfig answers with an empty configuration: there are no scrapes here.
func serveConfig(w http.ResponseWriter, _ *http.Request) {
	respond(w, map[string]string{"yaml": ""})
}

type apiMetadata struct {
	Type string `json:"type"`
	Help string `json:"help"`
	Unit string `json:"unit"`
}

func (s *Store) serveMetadata(w http.ResponseWriter, r *http.Request) {
	limit, ok := intParam(w, r, "limit")
	if !ok {
		return
	}
	if _, ok := intParam(w, r, "limit_per_metric"); !ok {
		return
	}
	res := map[string][]apiMetadata{}
	for _, m := range s.metadata.get(r.FormValue("metric")) {
		if limit >= 0 && len(res) >= limit {
			break
		}
		res[m.Metric] = []apiMetadata{{Type: m.Type, Help: m.Help, Unit: m.Unit}}
	}
	respond(w, res)
}

// intParam returns the parameter, or -1 when there is none; it answers the
// request itself when the parameter is not a number.
func intParam(w http.ResponseWriter, r *http.Request, name string) (int, bool) {
	text := r.FormValue(name)
	if text == "" {
		return -1, true
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		respondError(w, http.StatusBadRequest, "bad_data", name+" must be a number")
		return 0, false
	}
	return n, true
}

type apiResponse struct {
	Status    string `json:"status"`
	Data      any    `json:"data,omitempty"`
	ErrorType string `json:"errorType,omitempty"`
	Error     string `json:"error,omitempty"`
}

func respond(w http.ResponseWriter, data any) {
	writeJSON(w, http.StatusOK, apiResponse{Status: "success", Data: data})
}

func respondError(w http.ResponseWriter, code int, kind, text string) {
	writeJSON(w, code, apiResponse{Status: "error", ErrorType: kind, Error: text})
}

func writeJSON(w http.ResponseWriter, code int, v apiResponse) {
	body := new(strings.Builder)
	enc := json.NewEncoder(body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	// A write error means that the client went away.
	_, _ = w.Write([]byte(strings.TrimSuffix(body.String(), "\n")))
}
