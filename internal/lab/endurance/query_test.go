package endurance

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// stored is a series as the Prometheus API answers it.
type stored struct {
	Metric map[string]string `json:"metric"`
	Value  [2]any            `json:"value"`  // of an instant
	Values [][2]any          `json:"values"` // of a range: seconds, value as text
}

// scalar is the value of the one series that the expression has.
func (c *company) scalar(expr string) (float64, error) {
	b, err := c.call(http.MethodGet, "/prometheus/api/v1/query?query="+url.QueryEscape(expr), nil)
	if err != nil {
		return 0, err
	}
	var res struct{ Data struct{ Result []stored } }
	if err := json.Unmarshal(b, &res); err != nil {
		return 0, err
	}
	if len(res.Data.Result) != 1 {
		return 0, fmt.Errorf("%s has %d series", expr, len(res.Data.Result))
	}
	return strconv.ParseFloat(res.Data.Result[0].Value[1].(string), 64)
}

// point is one stored sample.
type point struct {
	at    int64 // milliseconds
	value float64
}

// raw returns every stored sample of the series that the selector names, by the
// value of the label.
func (c *company) raw(t *testing.T, selector, label string, since time.Time) map[string][]point {
	t.Helper()
	span := int(time.Since(since).Seconds()) + 5
	b, err := c.call(http.MethodGet, "/prometheus/api/v1/query?query="+url.QueryEscape(fmt.Sprintf("%s[%ds]", selector, span)), nil)
	if err != nil {
		t.Fatal(err)
	}
	var res struct{ Data struct{ Result []stored } }
	if err := json.Unmarshal(b, &res); err != nil {
		t.Fatal(err)
	}
	out := map[string][]point{}
	for _, s := range res.Data.Result {
		key := s.Metric[label]
		for _, v := range s.Values {
			value, err := strconv.ParseFloat(v[1].(string), 64)
			if err != nil {
				t.Fatal(err)
			}
			out[key] = append(out[key], point{int64(v[0].(float64)*1000 + 0.5), value})
		}
	}
	return out
}

// own returns the sum of the collector's own metric over the series that have
// all the labels.
func (c *company) own(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	b, err := c.call(http.MethodGet, "/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	return sumOf(string(b), name, labels)
}

// agentOwn is own of the agent's metrics.
func (c *company) agentOwn(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	res, err := c.client.Get(c.agentURL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return sumOf(string(b), name, labels)
}

// sumOf reads the text format of Prometheus.
func sumOf(text, name string, labels []string) float64 {
	sum := 0.0
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		series, value, _ := strings.Cut(lines.Text(), "} ")
		if !strings.HasPrefix(series, name+"{") {
			series, value, _ = strings.Cut(lines.Text(), " ")
		}
		have, _, _ := strings.Cut(series, "{")
		v, err := strconv.ParseFloat(value, 64)
		if have != name || err != nil {
			continue
		}
		all := true
		for _, l := range labels {
			all = all && strings.Contains(series, l)
		}
		if all {
			sum += v
		}
	}
	return sum
}
