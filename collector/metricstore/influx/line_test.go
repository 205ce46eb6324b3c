package influx

import (
	"math"
	"testing"

	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/plugins/base"
)

func TestLines(t *testing.T) {
	p := func(v ...float64) (ps []metricstore.Point) {
		for i, x := range v {
			ps = append(ps, metricstore.Point{T: int64(i + 1), V: x})
		}
		return ps
	}
	for _, c := range []struct {
		name, metric string
		labels       map[string]string
		points       []metricstore.Point
		want         string
		skipped      int
	}{
		{"plain", "up", map[string]string{"site": "sh", "agent": "a1"}, p(1, 0.5), "up,agent=a1,site=sh value=1 1\nup,agent=a1,site=sh value=0.5 2\n", 0},
		{"no labels", "up", nil, p(1e21), "up value=1e+21 1\n", 0},
		{"not numbers", "up", nil, p(math.NaN(), 1, math.Inf(1), math.Inf(-1), 2), "up value=1 2\nup value=2 5\n", 3},
		{"only not numbers", "up", nil, p(math.NaN()), "", 1},
		{"special", "a b,c=d", map[string]string{"k y": "v, =\n"}, p(1), `a\ b\,c=d,k\ y=v\,\ \=\ ` + " value=1 1\n", 0},
		{"windows volume", "disk", map[string]string{"volume": `C:\`}, p(1), "disk,volume=C:/ value=1 1\n", 0},
		{"path", "disk", map[string]string{"path": `C:\Program Files\x`}, p(1), `disk,path=C:\Program\ Files\x` + " value=1 1\n", 0},
		{"backslashes", "disk", map[string]string{"path": `\\srv\ a`}, p(1), `disk,path=/\srv/\ a` + " value=1 1\n", 0},
		{"reserved", "#x", map[string]string{"time": "now"}, p(1), "_x,time_label=now value=1 1\n", 0},
		{"中文", "温度", map[string]string{"机房": "上海"}, p(1), "温度,机房=上海 value=1 1\n", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, n, skipped := appendLines(nil, []metricstore.Series{{Labels: base.LabelsFrom(c.metric, c.labels), Points: c.points}})
			if string(got) != c.want || skipped != c.skipped || n != len(c.points)-c.skipped {
				t.Errorf("%q, %d points, %d skipped; want %q", got, n, skipped, c.want)
			}
		})
	}
}
