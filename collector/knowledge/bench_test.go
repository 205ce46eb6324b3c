//go:build unix

package knowledge

import (
	"database/sql"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/sqlstore/storetest"
	"github.com/faultline/faultline/internal/lang"
)

// BenchmarkSuggest asks a base of 2,000 entries, one for each working day of eight
// years, and reports the slowest answers.
func BenchmarkSuggest(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchSuggest(b, newSQLite(b)) })
	b.Run("postgres", func(b *testing.B) {
		p, err := storetest.StartPostgres()
		if err != nil {
			storetest.SkipOrFail(b, err)
		}
		b.Cleanup(p.Stop)
		db, err := sql.Open("pgx", p.URL(b))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = db.Close() })
		benchSuggest(b, Database{Read: db, Write: db, Postgres: true})
	})
}

func benchSuggest(b *testing.B, db Database) {
	base := New(db, at0)
	if err := base.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	parts := []string{"专线", "交换机", "路由器", "电源", "风扇", "端口", "丢包", "重启", "中断", "告警", "数据库", "空调", "温度", "配置", "光模块", "网线"}
	for n := range 2000 {
		e := entry(fmt.Sprintf("k%05d", n), parts[n%16]+parts[n/16%16]+fmt.Sprint("编号", n), parts[n/3%16]+"出现"+parts[n/7%16]+parts[n/11%16], "处理"+parts[n/5%16]+"后恢复")
		e.Models, e.Class = []string{fmt.Sprintf("S%d-28P", 5700+n%90)}, []string{"device", "carrier_line"}[n%2]
		e.Cause = lang.Text{EN: fmt.Sprintf("port %d flapped because of module %d", n%48, n%77)}
		put(b, base, e)
	}
	var took []time.Duration
	for n := 0; b.Loop(); n++ {
		start := time.Now()
		got, err := base.Suggest(b.Context(), Query{Class: "device", Model: fmt.Sprintf("S%d-28P", 5700+n%90), Text: parts[n%16] + "和" + parts[n/3%16] + "告警，端口 flapping " + parts[n/5%16], AllSites: true})
		if err != nil || len(got) == 0 {
			b.Fatal(got, err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
