package enterprise

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

const (
	maxRows      = 2000
	queryTimeout = 5 * time.Second
)

// section is one question and what its answer tells.
type section struct {
	name  string
	query string
	slow  bool // asked every details_every, and told again in between
	tell  func(*reading, []row)
}

// row is one row of an answer, its columns in lower case, NULL left out.
type row map[string]string

// number returns a column as a number.
func (r row) number(column string) (float64, bool) {
	v, err := strconv.ParseFloat(strings.TrimSpace(r[column]), 64)
	return v, err == nil
}

// orZero is number with 0 for none.
func (r row) orZero(column string) float64 {
	v, _ := r.number(column)
	return v
}

// reading is one Gather.
type reading struct {
	settings
	server  *server
	sink    input.Sink
	now     time.Time
	keeping bool // what is told now is told again until the next details
}

// put hands over one sample. Labels come in pairs.
func (r *reading) put(metric string, v float64, labels ...string) {
	m := make(map[string]string, len(labels)/2)
	for i := 0; i+1 < len(labels); i += 2 {
		m[labels[i]] = labels[i+1]
	}
	sm := base.Sample{Labels: base.LabelsFrom(metric, m), Time: r.now.UnixMilli(), Value: v}
	if r.keeping {
		r.server.slow = append(r.server.slow, sm)
	}
	r.sink.Sample(sm)
}

// column hands over a column that is a number.
func (r *reading) column(metric string, from row, column string, labels ...string) {
	if v, ok := from.number(column); ok {
		r.put(metric, v, labels...)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// up is the exporter's name for an answering server.
func (r *reading) up() string {
	if r.kind == oracle {
		return "oracledb_up"
	}
	return "mssql_up"
}

func (r *reading) gather(ctx context.Context, open func(Login) (*sql.DB, error)) error {
	sections := oracleSections
	if r.kind == sqlServer {
		sections = sqlServerSections
	}
	began := time.Now()
	rows, err := r.login(ctx, open, sections[0].query)
	if err != nil {
		return err
	}
	r.put("faultline_database_query_duration_seconds", time.Since(began).Seconds())
	r.verdict("")
	sections[0].tell(r, rows)
	details := r.now.Sub(r.server.details) >= r.details
	if details {
		r.server.slow = nil
	} else {
		for _, sm := range r.server.slow {
			sm.Time = r.now.UnixMilli()
			r.sink.Sample(sm)
		}
	}
	var faults []error
	for _, s := range sections[1:] {
		if s.slow && !details {
			continue
		}
		rows, err := r.ask(ctx, s.query)
		r.keeping = s.slow
		r.put("faultline_database_section_success", truth(err == nil), "section", s.name)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", s.name, err))
		} else {
			s.tell(r, rows)
		}
		r.keeping = false
	}
	if details {
		r.server.details = r.now
	}
	if len(faults) > 0 {
		return input.Partial{Err: errors.Join(faults...)}
	}
	return nil
}

// login asks the first question, over the connection kept or a new one.
func (r *reading) login(ctx context.Context, open func(Login) (*sql.DB, error), query string) ([]row, error) {
	if r.now.Before(r.server.paused) {
		r.verdict("password")
		return nil, fmt.Errorf("the password was refused; the next try is at %s", r.server.paused.UTC().Format(time.RFC3339))
	}
	l, err := r.settings.login()
	if err != nil {
		r.verdict("settings")
		return nil, err
	}
	if r.server.db == nil {
		db, err := open(l)
		if err != nil {
			r.verdict("settings")
			return nil, err
		}
		db.SetMaxOpenConns(1)
		db.SetConnMaxIdleTime(idleTime)
		r.server.db = db
	}
	rows, err := r.ask(ctx, query)
	if err == nil {
		return rows, nil
	}
	reason := reasonOf(r.kind, err)
	r.server.logout() // the password is read anew at the next
	r.verdict(reason)
	if reason == "password" {
		r.server.paused = r.now.Add(passwordPause)
	}
	if p := string(l.Password); p != "" {
		return nil, errors.New(strings.ReplaceAll(err.Error(), p, "<secret>"))
	}
	return nil, err
}

// verdict tells the evidence in order: port, login, query, and whether the server
// serves at all; "" is all of it.
func (r *reading) verdict(reason string) {
	answers := reason == ""
	if open, known := portOpen(reason); known && !r.now.Before(r.server.paused) {
		r.put("faultline_database_port_open", truth(open))
	}
	r.put(r.up(), truth(answers))
	r.put("faultline_database_login_success", truth(answers || reason == "query"))
	r.put("faultline_database_query_success", truth(answers))
	if answers || serving[reason] {
		r.put("faultline_database_serving", 1)
	} else if reason != "settings" && reason != "tls" && reason != "unresolved" && reason != "other" {
		r.put("faultline_database_serving", 0)
	}
	if r.server.failed != "" && r.server.failed != reason {
		r.put("faultline_database_failed", 0, "reason", r.server.failed)
	}
	if r.server.failed = reason; reason != "" {
		r.put("faultline_database_failed", 1, "reason", reason)
	}
}

// portOpen tells from a reason whether a connection could be made; known is false
// where the reason does not say it.
func portOpen(reason string) (open, known bool) {
	switch reason {
	case "port_closed", "unreachable":
		return false, true
	case "settings", "unresolved", "timeout", "tls", "other":
		return false, false
	}
	return true, true // a word of the server's own, or an answer
}

// ask reads an answer's rows, within the time there is: the drivers may wait longer
// for a server that says nothing, and whoever waits for them is taken for the one that
// is at fault. What comes late is dropped, and its connection with it.
func (r *reading) ask(ctx context.Context, query string) ([]row, error) {
	if r.server.db == nil {
		return nil, errors.New("not asked: the question before was not answered in time")
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	type answer struct {
		rows []row
		err  error
	}
	answered, db := make(chan answer, 1), r.server.db
	go func() {
		rows, err := rowsOf(ctx, db, query)
		answered <- answer{rows, err}
	}()
	select {
	case a := <-answered:
		if a.err != nil && ctx.Err() == context.DeadlineExceeded && !errors.Is(a.err, context.DeadlineExceeded) {
			a.err = fmt.Errorf("%w: %w", context.DeadlineExceeded, a.err) // a driver that hangs up by itself names another cause
		}
		return a.rows, a.err
	case <-ctx.Done():
		select {
		case a := <-answered: // at the same moment
			if a.err == nil {
				return a.rows, nil
			}
		default:
		}
		r.server.logout()
		return nil, ctx.Err()
	}
}

// rowsOf asks and reads all rows. Nothing is left open in the session.
func rowsOf(ctx context.Context, db *sql.DB, query string) ([]row, error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var out []row
	cells, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
	for i := range cells {
		into[i] = &cells[i]
	}
	for rows.Next() {
		if len(out) >= maxRows {
			return nil, fmt.Errorf("more than %d rows", maxRows)
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		m := make(row, len(columns))
		for i, c := range cells {
			if c.Valid {
				m[strings.ToLower(columns[i])] = c.String
			}
		}
		out = append(out, m)
	}
	return out, rows.Err()
}
