// Command foreignrules says what becomes of alert rules that others wrote when this
// collector runs them: whether our ruler loads each, whether the metrics it reads are
// among ours, and, asked of a running collector, whether it fires there now.
//
//	go run ./internal/lab/foreignrules -rules DIR -url http://127.0.0.1:8470 -token TOKEN
//	go run ./internal/lab/foreignrules -rules DIR -names FILE
//	go run ./internal/lab/foreignrules -rules DIR -provoke
//
// With -provoke it plays faults and says which rules of DIR fire: a quiet week and
// half an hour of faults of a host, whose /proc and /sys are made up and read by the
// agent's input (node-exporter.yml; a disk that fills needs root); a real PostgreSQL
// with a standby and a real MariaDB with a replica, to which it does what the rules
// are about (postgres-exporter.yml, mysqld-exporter.yml; root, five minutes each); a
// real snmpd and a switch played by the program that FAULTLINE_SNMPREPLAY names
// (snmp-exporter.yml). -only picks some of node,postgres,mysql,snmp.
//
// DIR holds *.yml as their authors publish them; FILE has one metric name a line. It
// is a tool of this repository and no part of the product.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	dir := flag.String("rules", "", "directory of rule files")
	names := flag.String("names", "", "file with the names of metrics that there are")
	base := flag.String("url", "", "a collector to ask for them and for what fires")
	token := flag.String("token", os.Getenv("FAULTLINE_TOKEN"), "a reader's")
	play := flag.Bool("provoke", false, "play faults and say which rules fire")
	only := flag.String("only", "node,postgres,mysql,snmp", "of what")
	flag.Parse()
	if *play {
		if err := provokeAll(context.Background(), os.Stdout, *dir, strings.Split(*only, ",")); err != nil {
			fmt.Fprintln(os.Stderr, "foreignrules:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(context.Background(), os.Stdout, *dir, *names, collector{*base, *token}); err != nil {
		fmt.Fprintln(os.Stderr, "foreignrules:", err)
		os.Exit(1)
	}
}

// outcome is what becomes of a rule.
type outcome struct {
	file, name string
	expr       string
	fault      string   // why it does not load
	missing    []string // metrics we do not have
	firing     int      // series of the expression now; -1 not asked
}

func run(ctx context.Context, out io.Writer, dir, names string, c collector) error {
	have, err := known(ctx, names, c)
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.yml"))
	if err != nil || len(files) == 0 {
		return errors.Join(err, fmt.Errorf("no *.yml in %s", dir))
	}
	var all []outcome
	for _, f := range files {
		found, err := judge(f, have)
		if err != nil {
			return err
		}
		all = append(all, found...)
	}
	for i := range all {
		all[i].firing = -1
		if c.url != "" && all[i].fault == "" {
			if all[i].firing, err = c.series(ctx, all[i].expr); err != nil {
				return err
			}
		}
	}
	table(out, all)
	return nil
}

// judge says of each rule of a file whether it loads and what it misses.
func judge(file string, have map[string]bool) ([]outcome, error) {
	rules, err := publishedIn(file)
	if err != nil {
		return nil, err
	}
	var all []outcome
	for _, r := range rules {
		o := outcome{file: filepath.Base(file), name: r.name, expr: r.expr, missing: missing(r.expr, have)}
		if r.err != nil {
			o.fault = r.err.Error()
		}
		all = append(all, o)
	}
	return all, nil
}

// metric finds names of exporters in an expression.
var metric = regexp.MustCompile(`\b(?:node|pg|postgresql|mysql|if[A-Z]|sys[A-Z])[A-Za-z0-9_]*\b`)

// quoted is what stands in quotes: values of labels.
var quoted = regexp.MustCompile(`"[^"]*"|'[^']*'`)

func missing(expr string, have map[string]bool) []string {
	var out []string
	for _, m := range metric.FindAllString(quoted.ReplaceAllString(expr, `""`), -1) {
		if strings.Contains(m, "_") || m[0] == 'i' || m[0] == 's' {
			if m != "ifIndex" && !have[m] && !slices.Contains(out, m) {
				out = append(out, m)
			}
		}
	}
	return out
}

// known are the metrics that there are, from a file or a collector.
func known(ctx context.Context, file string, c collector) (map[string]bool, error) {
	have := map[string]bool{}
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for _, n := range strings.Fields(string(text)) {
			have[n] = true
		}
	}
	if c.url != "" {
		names, err := c.names(ctx)
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			have[n] = true
		}
	}
	if len(have) == 0 {
		return nil, errors.New("no metric is known: -names or -url")
	}
	return have, nil
}

// collector is a running one; url is empty when none is asked.
type collector struct{ url, token string }

func (c collector) get(ctx context.Context, path string, to any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(to)
}

func (c collector) names(ctx context.Context) ([]string, error) {
	var answer struct{ Data []string }
	err := c.get(ctx, "/prometheus/api/v1/label/__name__/values", &answer)
	return answer.Data, err
}

// series is how many series an expression has now.
func (c collector) series(ctx context.Context, expr string) (int, error) {
	var answer struct {
		Data struct{ Result []any }
	}
	err := c.get(ctx, "/prometheus/api/v1/query?query="+url.QueryEscape(expr), &answer)
	return len(answer.Data.Result), err
}

func table(out io.Writer, all []outcome) {
	loads, whole, fires := 0, 0, 0
	for _, o := range all {
		state := "loads"
		if o.fault != "" {
			state = "does not load: " + strings.Join(strings.Fields(o.fault), " ")
		} else {
			loads++
		}
		if len(o.missing) == 0 {
			whole++
		} else {
			state += ", lacks " + strings.Join(o.missing, " ")
		}
		if o.firing > 0 {
			fires++
			state += ", fires"
		}
		fmt.Fprintf(out, "%-24s %-48s %s\n", o.file, o.name, state)
	}
	fmt.Fprintf(out, "\n%d rules: %d load, %d have all their metrics, %d fire\n", len(all), loads, whole, fires)
}
