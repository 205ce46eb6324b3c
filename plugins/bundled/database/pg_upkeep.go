package database

import (
	"context"
	"math"
)

// readCheckpoints reports what is written to disk and to the archive. Version 17
// keeps checkpoints in a view of their own; boards and rules know the old names.
func (p *postgres) readCheckpoints(ctx context.Context, r *reading) error {
	view := "(SELECT checkpoints_timed AS timed, checkpoints_req AS requested FROM pg_stat_bgwriter) c"
	if p.version >= 170000 {
		view = "(SELECT num_timed AS timed, num_requested AS requested FROM pg_stat_checkpointer) c"
	}
	t, err := p.one(ctx, `SELECT c.*, a.archived_count AS archived, a.failed_count AS failed,
		extract(epoch FROM clock_timestamp() - a.last_archived_time) AS age, extract(epoch FROM clock_timestamp() - a.last_failed_time) AS broken,
		current_setting('archive_mode') <> 'off' AS archives FROM %s, pg_stat_archiver a`, view)
	if err != nil {
		return err
	}
	t.puts(r, 0, nil, map[string]string{"timed": "pg_stat_bgwriter_checkpoints_timed_total", "requested": "pg_stat_bgwriter_checkpoints_req_total"})
	if !t.truth(0, "archives") {
		return nil
	}
	t.puts(r, 0, nil, map[string]string{"archived": "pg_stat_archiver_archived_count", "failed": "pg_stat_archiver_failed_count",
		"age": "pg_stat_archiver_last_archive_age"})
	t.puts(r, 0, []string{"type", "log"}, map[string]string{"age": "faultline_database_backup_age_seconds"})
	age, archived := t.number(0, "age")
	broken, failed := t.number(0, "broken")
	r.put("faultline_database_archiving", truth(!failed || archived && age < broken))
	return nil
}

// readTablespaces reports how large each tablespace is.
func (p *postgres) readTablespaces(ctx context.Context, r *reading) error {
	t, err := p.ask(ctx, `SELECT spcname, pg_tablespace_size(oid) AS size FROM pg_tablespace ORDER BY spcname LIMIT %d`, databasesRead)
	if err != nil {
		return p.permission(err)
	}
	for i := range t.rows {
		t.puts(r, i, []string{"tablespace", t.text(i, "spcname")}, map[string]string{"size": "faultline_database_tablespace_size_bytes"})
	}
	return nil
}

// readIndexes reports the largest indexes of the database logged in to and those
// that were not built to their end, which cost every write and serve no query.
func (p *postgres) readIndexes(ctx context.Context, r *reading) error {
	t, err := p.ask(ctx, `SELECT current_database() AS datname, n.nspname, t.relname, c.relname AS indexrelname, pg_relation_size(c.oid) AS size, i.indisvalid AS valid
		FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'i' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
		ORDER BY i.indisvalid, c.relpages DESC, c.oid LIMIT %d`, tablesRead)
	if err != nil {
		return err
	}
	invalid := 0.0
	for i := range t.rows {
		invalid += 1 - t.orZero(i, "valid")
		t.puts(r, i, []string{"datname", t.text(i, "datname"), "schemaname", t.text(i, "nspname"), "relname", t.text(i, "relname"), "indexrelname", t.text(i, "indexrelname")},
			map[string]string{"size": "pg_general_index_info_pg_relation_size"})
	}
	r.put("faultline_database_invalid_indexes", invalid)
	return nil
}

// Sizes of PostgreSQL's pages and rows, in bytes (its manual, "Database Page
// Layout" and "B-Tree Indexes").
const (
	pageHeader  = 24
	itemPointer = 4
	tupleHeader = 24 // 23, aligned
	treeSpecial = 16
	indexHeader = 8
	bloatLeast  = 1 << 20 // smaller tables and indexes are not looked at
)

// readBloat estimates how much of the largest tables and indexes holds nothing:
// what the planner's statistics say of rows and their width against what the files
// take. Columns whose statistics we may not see (SELECT on the table is needed)
// give no estimate, nor do indexes of expressions.
func (p *postgres) readBloat(ctx context.Context, r *reading) error {
	widths := `SELECT coalesce(sum((1 - s.null_frac) * s.avg_width), 0) AS width, count(s.attname) AS seen, count(*) AS columns FROM pg_attribute a
		LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = t.relname AND s.attname = a.attname AND NOT s.inherited`
	t, err := p.ask(ctx, `SELECT current_database() AS datname, n.nspname, t.relname, '' AS idxname, t.reltuples AS tuples, pg_relation_size(t.oid) AS size,
			current_setting('block_size')::int AS page, coalesce(substring(array_to_string(t.reloptions, ',') FROM 'fillfactor=([0-9]+)')::int, 100) AS fill, w.*
		FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace, LATERAL (%[1]s WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped) w
		WHERE t.oid IN (SELECT oid FROM pg_class WHERE relkind IN ('r', 'm') AND relpages >= %[2]d AND reltuples >= 0 ORDER BY relpages DESC LIMIT %[3]d)
		AND n.nspname NOT IN ('pg_catalog', 'information_schema')
		UNION ALL SELECT current_database(), n.nspname, t.relname, c.relname, c.reltuples, pg_relation_size(c.oid), current_setting('block_size')::int,
			coalesce(substring(array_to_string(c.reloptions, ',') FROM 'fillfactor=([0-9]+)')::int, 90), w.*
		FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace,
			LATERAL (%[1]s WHERE a.attrelid = t.oid AND a.attnum = ANY (i.indkey::int2[])) w
		WHERE i.indexprs IS NULL AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND c.oid IN (SELECT x.oid FROM pg_class x JOIN pg_am m ON m.oid = x.relam
			WHERE m.amname = 'btree' AND x.relpages >= %[2]d AND x.reltuples >= 0 ORDER BY x.relpages DESC LIMIT %[3]d)`, widths, bloatLeast/8192, tablesRead)
	if err != nil {
		return err
	}
	for i := range t.rows {
		if t.orZero(i, "columns") == 0 || t.orZero(i, "seen") < t.orZero(i, "columns") {
			continue
		}
		kind, labels := "table", []string{"datname", t.text(i, "datname"), "schemaname", t.text(i, "nspname"), "relname", t.text(i, "relname")}
		head, spare := float64(tupleHeader), float64(pageHeader)
		if index := t.text(i, "idxname"); index != "" {
			kind, labels, head, spare = "btree", append(labels, "idxname", index), indexHeader, pageHeader+treeSpecial
		}
		size := t.orZero(i, "size")
		r.put("pg_bloat_"+kind+"_real_size", size, labels...)
		r.put("pg_bloat_"+kind+"_bloat_pct", bloat(size, t.orZero(i, "page"), t.orZero(i, "fill"), t.orZero(i, "tuples"), head+t.orZero(i, "width"), spare), labels...)
	}
	return nil
}

// bloat is the part of size bytes that tuples of that width do not need, in percent.
func bloat(size, page, fill, tuples, width, spare float64) float64 {
	each := math.Ceil(width/8)*8 + itemPointer
	fit := max(1, math.Floor((page-spare)*fill/100/each))
	pages := math.Ceil(size / page)
	if pages == 0 {
		return 0
	}
	return 100 * max(0, pages-max(1, math.Ceil(tuples/fit))) / pages
}
