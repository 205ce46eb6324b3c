package sqlmask_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/faultline/faultline/plugins/bundled/database/sqlmask"
)

func TestMask(t *testing.T) {
	for _, c := range []struct {
		name    string
		dialect sqlmask.Dialect
		in      string
		want    string
	}{
		{"string", sqlmask.PostgreSQL, `select * from staff where name = '张伟'`, `select * from staff where name = ?`},
		{"doubled quote", sqlmask.PostgreSQL, `update a set b='it''s' where c=1`, `update a set b=? where c=?`},
		{"numbers", sqlmask.PostgreSQL, `select 1, -2.5e-7, .5, 0x1F, 1_000 from t2 where c3=$1`, `select ?, -?, ?, ?, ? from t2 where c3=$1`},
		{"names keep digits", sqlmask.PostgreSQL, `insert into lk2_2026 values (130)`, `insert into lk2_2026 values (?)`},
		{"quoted name", sqlmask.PostgreSQL, `select "Order 5" from "T"`, `select "Order 5" from "T"`},
		{"double quotes are literals in MySQL", sqlmask.MySQL, "select `col 1` from t where a=\"secret\"", "select `col 1` from t where a=?"},
		{"dollar quotes", sqlmask.PostgreSQL, `do $$ secret $$; do $tag$ a $$ b $tag$ x`, `do ?; do ? x`},
		{"dollar quotes with a Chinese tag", sqlmask.PostgreSQL, `do $密$ secret $密$ x`, `do ? x`},
		{"prefixes", sqlmask.PostgreSQL, `select B'0101', X'ff', U&'d' , N'x'`, `select B?, X?, U&? , N?`},
		{"comments", sqlmask.PostgreSQL, "select /* card 4711 /* nested */ still */ a -- 4711\nfrom t", "select a from t"},
		{"MySQL comments", sqlmask.MySQL, "select a # 4711\nfrom t /* x */ where b=1", "select a from t where b=?"},
		{"white space", sqlmask.PostgreSQL, "begin;\n\t lock table  lk in access exclusive mode;\x00 select pg_sleep(3600);", "begin; lock table lk in access exclusive mode; select pg_sleep(?);"},
		{"backslash before a quote ends what is known", sqlmask.PostgreSQL, `select 'a\', secret`, `select ?…`},
		{"escaped quote in MySQL", sqlmask.MySQL, `select 'it\'s', secret`, `select ?…`},
		{"escaped backslash", sqlmask.MySQL, `select 'a\\' from t`, `select ? from t`},
		{"cut by the server within a literal", sqlmask.PostgreSQL, `insert into t values ('secr`, `insert into t values (?…`},
		{"cut by the server within a name", sqlmask.PostgreSQL, `select "secr`, `select ?…`},
		{"cut within a dollar literal", sqlmask.PostgreSQL, `do $$ secr`, `do ?…`},
		{"password", sqlmask.PostgreSQL, `alter user x password 'hunter2'`, `alter user x password ?`},
		{"operators", sqlmask.PostgreSQL, `select a->>'k', b::int4, c[1] from d`, `select a->>?, b::int4, c[?] from d`},
		{"no UTF-8", sqlmask.PostgreSQL, "select \xff from t", "select \uFFFD from t"},
		{"empty", sqlmask.PostgreSQL, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := sqlmask.Mask(c.dialect, c.in, 500); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestMaskIsBounded(t *testing.T) {
	for _, limit := range []int{0, 1, 5, 50} {
		got := sqlmask.Mask(sqlmask.MySQL, strings.Repeat("查询 select a, ", 1000), limit)
		if n := utf8.RuneCountInString(got); n > max(limit, 1) {
			t.Errorf("limit %d: %d runes", limit, n)
		}
		if limit > 0 && !strings.HasSuffix(got, "…") {
			t.Errorf("limit %d: %q does not say that it was cut", limit, got)
		}
	}
	if got := sqlmask.Mask(sqlmask.PostgreSQL, "select", 6); got != "select" {
		t.Errorf("what fits was cut: %q", got)
	}
}

// FuzzMask embeds data as clients quote it; none of it may come through.
func FuzzMask(f *testing.F) {
	for _, s := range []string{"a", `\`, `\'`, "''", "$$", "/*", "-- \n", "it's", `"`, "`", "密"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data string) {
		const mark = "QZX"
		data = mark + strings.ReplaceAll(data, mark, "") + mark
		standard := strings.ReplaceAll(data, "'", "''")
		escaped := strings.NewReplacer(`\`, `\\`, `'`, `\'`, `"`, `\"`).Replace(data)
		for _, c := range []struct {
			dialect sqlmask.Dialect
			text    string
		}{
			{sqlmask.PostgreSQL, "select '" + standard + "' from t"},
			{sqlmask.PostgreSQL, "select E'" + escaped + "' from t"},
			{sqlmask.MySQL, "select '" + standard + "' from t"},
			{sqlmask.MySQL, "select '" + escaped + "' from t"},
			{sqlmask.MySQL, `select "` + escaped + `" from t`},
		} {
			if c.dialect == sqlmask.MySQL && c.text[8:8+len(standard)] == standard && strings.Contains(data, `\`) {
				continue // only with NO_BACKSLASH_ESCAPES, which the text does not tell
			}
			got := sqlmask.Mask(c.dialect, c.text, 1<<20)
			if strings.Contains(got, mark) {
				t.Errorf("%q came through: %q", c.text, got)
			}
			if !utf8.ValidString(got) {
				t.Errorf("no UTF-8: %q", got)
			}
		}
	})
}
