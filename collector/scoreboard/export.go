package scoreboard

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/faultline/faultline/internal/lang"
)

// stamp writes moments in the zone the board was counted in.
func (b Board) stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(b.From.Location()).Format("2006-01-02 15:04:05")
}

func yes(is bool, language string) string {
	if is {
		return lang.Text{ZH: "是", EN: "yes"}.In(language)
	}
	return lang.Text{ZH: "否", EN: "no"}.In(language)
}

// table is a sheet: its name, its headings and its rows.
type table struct {
	name lang.Text
	head []lang.Text
	rows [][]any
}

func x(zh, en string) lang.Text { return lang.Text{ZH: zh, EN: en} }

func (b Board) minuteRows(language string) table {
	t := table{name: x("分钟明细", "Minutes"), head: []lang.Text{x("编号", "line"), x("电路号", "circuit"), x("机构", "site"), x("起", "from"), x("止", "to"), x("分钟", "minutes"), x("计入", "counts"), x("原因", "reason"), x("故障单", "incident")}}
	for _, c := range b.Circuits {
		for _, i := range c.Intervals {
			t.rows = append(t.rows, []any{c.Line, c.Number, c.Site, b.stamp(i.From), b.stamp(i.To), i.Minutes(), yes(i.Counts, language), i.Why.In(language), i.Incident})
		}
	}
	return t
}

func (b Board) circuitRows(language string) table {
	t := table{name: x("专线可用率", "Circuits"), head: []lang.Text{x("编号", "line"), x("电路号", "circuit"), x("运营商", "carrier"), x("机构", "site"), x("承诺%", "promised %"), x("实际%", "measured %"), x("达标", "kept"), x("考核分钟", "minutes counted"), x("中断分钟", "minutes down"), x("剔除分钟", "minutes excluded")}}
	for _, c := range b.Circuits {
		kept := yes(c.Kept, language)
		if c.Promised == 0 {
			kept = ""
		}
		t.rows = append(t.rows, []any{c.Line, c.Number, c.Carrier, c.Site, c.Promised, c.Measured, kept, c.ServiceMinutes(), c.DownMinutes(), c.ExcludedMinutes()})
	}
	return t
}

func (b Board) vendorRows(language string) table {
	t := table{name: x("厂商", "Vendors"), head: []lang.Text{x("厂商", "vendor"), x("故障单", "incidents"), x("平均响应分钟", "mean response, minutes"), x("响应超时", "late answers"), x("平均修复分钟", "mean repair, minutes"), x("修复超时", "late repairs"), x("声称修复", "claimed fixed"), x("实测证实", "proven"), x("未修复即声称", "claimed too early"), x("退回", "returns"), x("复发", "reopened")}}
	for _, v := range b.Vendors {
		t.rows = append(t.rows, []any{v.Name.In(language), v.Incidents, minutes(v.Response.Seconds), v.LateAnswer, minutes(v.Repair.Seconds), v.LateRepair, v.Claimed, v.Proven, v.Early, v.Returns, v.Reopened})
	}
	return t
}

func (b Board) jobRows(language string) table {
	t := table{name: x("工单明细", "Tickets"), head: []lang.Text{x("厂商", "vendor"), x("故障单", "incident"), x("内容", "title"), x("机构", "site"), x("派单", "sent"), x("响应", "answered"), x("声称修复", "claimed fixed"), x("实测恢复", "proven"), x("等待我方分钟", "waited for us, minutes"), x("修复分钟", "repair, minutes")}}
	for _, v := range b.Vendors {
		for _, j := range v.Jobs {
			t.rows = append(t.rows, []any{v.Name.In(language), j.Incident, j.Title.In(language), j.Site, b.stamp(j.OpenedAt), b.stamp(j.AnsweredAt), b.stamp(j.ClaimedAt), b.stamp(j.ProvenAt), minutes(j.Waited), minutes(j.Repair)})
		}
	}
	return t
}

// Excel writes the board as a workbook.
func (b Board) Excel(language string) ([]byte, error) {
	f := excelize.NewFile()
	defer func() { _ = f.Close() }()
	about := table{name: x("说明", "About"), head: []lang.Text{x("项目", "what"), x("值", "value")}, rows: [][]any{
		{x("月份", "month").In(language), b.Month}, {x("起", "from").In(language), b.stamp(b.From)}, {x("止", "to").In(language), b.stamp(b.To)},
		{x("时区", "time zone").In(language), b.From.Location().String()}, {x("核对码", "check code").In(language), b.Code}}}
	for i, t := range []table{about, b.circuitRows(language), b.minuteRows(language), b.vendorRows(language), b.jobRows(language)} {
		if err := t.write(f, i == 0, language); err != nil {
			return nil, fmt.Errorf("scoreboard %s as Excel: %w", b.Month, err)
		}
	}
	out, err := f.WriteToBuffer()
	if err != nil {
		return nil, fmt.Errorf("scoreboard %s as Excel: %w", b.Month, err)
	}
	return out.Bytes(), nil
}

func (t table) write(f *excelize.File, first bool, language string) error {
	name := t.name.In(language)
	var err error
	if first {
		err = f.SetSheetName("Sheet1", name)
	} else {
		_, err = f.NewSheet(name)
	}
	if err != nil {
		return err
	}
	if err := f.SetColWidth(name, "A", "K", 20); err != nil {
		return err
	}
	head := make([]any, len(t.head))
	for i, h := range t.head {
		head[i] = h.In(language)
	}
	for n, row := range append([][]any{head}, t.rows...) {
		if err := f.SetSheetRow(name, "A"+strconv.Itoa(n+1), &row); err != nil {
			return err
		}
	}
	return nil
}

// CSV writes the minutes, one interval a line, with a mark that tells Excel that
// it is UTF-8. Cells that a spreadsheet would run as a formula are quoted.
func (b Board) CSV(language string) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString("\ufeff")
	w := csv.NewWriter(&out)
	t := b.minuteRows(language)
	line := []string{x("月份", "month").In(language)}
	for _, h := range t.head {
		line = append(line, h.In(language))
	}
	err := w.Write(append(line, x("核对码", "check code").In(language)))
	for _, row := range t.rows {
		line = []string{b.Month}
		for _, v := range row {
			line = append(line, safe(fmt.Sprint(v)))
		}
		if err == nil {
			err = w.Write(append(line, b.Code))
		}
	}
	w.Flush()
	if err == nil {
		err = w.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("scoreboard %s as CSV: %w", b.Month, err)
	}
	return out.Bytes(), nil
}

// safe keeps a spreadsheet from running text as a formula.
func safe(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
