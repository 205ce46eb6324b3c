// Package register is the book of vendors, contracts, circuits, devices,
// certificates and patch panels as people keep it: sheets with rows and
// columns, read from and written to Excel and YAML. The truth is the inventory's
// YAML files (package inventory); an import is planned against them, shown, and
// changes single values in their text, so that everything else stays as it was
// written. Planning is pure; Book does the little I/O there is.
package register

import (
	"slices"
	"strings"

	"github.com/faultline/faultline/internal/lang"
)

// Kind is what the cells of a column hold.
type Kind int

// The kinds of columns.
const (
	Text   Kind = iota
	Texts       // several, one a line or with ; between them
	Date        // 2027-12-31
	Number      // with a decimal point
	Whole       // a number without one
	Span        // 30m, 4h, 2d
	Hours       // 7x24, 工作日 8:30-17:30
)

// Column is one column of a sheet.
type Column struct {
	Path     string // where the value stands in the element's YAML: name.en
	Title    lang.Text
	Kind     Kind
	Required bool
	Refers   string // sites, devices, vendors or things (devices and lines): must exist; "": anything
	Words    []Word // what it may hold; nil: anything
}

// Word is one of the values a column may hold, and what people call it.
type Word struct {
	ID    string
	Title lang.Text
}

// top is the key of the element that the column stands in.
func (c Column) top() string {
	key, _, _ := strings.Cut(c.Path, ".")
	return key
}

// Sheet is one kind of entry.
type Sheet struct {
	Name    string // of the list in the inventory; contacts stand in vendors
	Title   lang.Text
	Key     []string // paths of the columns that name a row
	Columns []Column
}

func (s Sheet) column(path string) (Column, bool) {
	i := slices.IndexFunc(s.Columns, func(c Column) bool { return c.Path == path })
	if i < 0 {
		return Column{}, false
	}
	return s.Columns[i], true
}

// keyOf joins the values that name a row.
func (s Sheet) keyOf(cells map[string]string) string {
	parts := make([]string, len(s.Key))
	for i, k := range s.Key {
		parts[i] = cells[k]
	}
	return strings.Join(parts, " / ")
}

// The sheet whose rows stand inside the elements of another.
const (
	contactsSheet = "contacts"
	vendorsSheet  = "vendors"
)

func t(zh, en string) lang.Text { return lang.Text{ZH: zh, EN: en} }

func col(path, zh, en string) Column { return Column{Path: path, Title: t(zh, en)} }

func (c Column) of(k Kind) Column           { c.Kind = k; return c }
func (c Column) needed() Column             { c.Required = true; return c }
func (c Column) refers(list string) Column  { c.Refers = list; return c }
func (c Column) words(words ...Word) Column { c.Words = words; return c }

var vendorKindWords = []Word{{"carrier", t("运营商", "carrier")}, {"equipment supplier", t("设备供应商", "equipment supplier")},
	{"UPS maintainer", t("UPS维护商", "UPS maintainer")}, {"db vendor", t("数据库厂商", "database vendor")}}

var deviceKindWords = []Word{{"router", t("路由器", "router")}, {"switch", t("交换机", "switch")}, {"firewall", t("防火墙", "firewall")},
	{"server", t("服务器", "server")}, {"ups", t("UPS", "UPS")}, {"environment", t("动环", "environment")}, {"cooling", t("空调", "cooling")},
	{"database", t("数据库", "database")}, {"dns", t("域名服务", "DNS")}, {"pdu", t("配电单元", "PDU")}, {"storage", t("存储", "storage")},
	{"bmc", t("带外管理", "BMC")}, {"printer", t("打印机", "printer")}, {"other", t("其他", "other")}}

// Sheets returns all sheets in the order they are shown.
func Sheets() []Sheet {
	return []Sheet{vendors(), contacts(), contracts(), lines(), devices(), certificates(), patches()}
}

// SheetNamed returns the sheet of that name.
func SheetNamed(name string) (Sheet, bool) {
	all := Sheets()
	i := slices.IndexFunc(all, func(s Sheet) bool { return s.Name == name })
	if i < 0 {
		return Sheet{}, false
	}
	return all[i], true
}

func vendors() Sheet {
	return Sheet{Name: vendorsSheet, Title: t("厂商", "Vendors"), Key: []string{"id"}, Columns: []Column{
		col("id", "编号", "id").needed(), col("kind", "类别", "kind").needed().words(vendorKindWords...),
		col("name.zh-CN", "中文名称", "Chinese name"), col("name.en", "英文名称", "English name"),
		col("language", "语言", "language").words(Word{lang.ZH, t("中文", "Chinese")}, Word{lang.EN, t("英文", "English")}),
		col("emails", "邮箱", "mail addresses").of(Texts), col("phone", "电话", "phone"), col("hours", "服务时间", "hours").of(Hours),
		col("desk", "工单渠道", "desk")}}
}

func contacts() Sheet {
	return Sheet{Name: contactsSheet, Title: t("厂商联系人", "Contacts"), Key: []string{"vendor", "name"}, Columns: []Column{
		col("vendor", "厂商编号", "vendor").needed().refers(vendorsSheet), col("level", "升级级别", "level").of(Whole),
		col("name", "姓名", "name").needed(), col("title", "职务", "title"), col("phone", "电话", "phone"), col("email", "邮箱", "mail address"),
		col("hours", "服务时间", "hours").of(Hours), col("after", "超时后升级", "called after").of(Span)}}
}

func contracts() Sheet {
	return Sheet{Name: "contracts", Title: t("合同与保修", "Contracts"), Key: []string{"id"}, Columns: []Column{
		col("id", "编号", "id").needed(), col("number", "合同号", "contract number"), col("vendor", "厂商编号", "vendor").needed().refers(vendorsSheet),
		col("kind", "类型", "kind").needed().words(Word{"warranty", t("保修", "warranty")}, Word{"maintenance", t("维保", "maintenance")}),
		col("sites", "适用机构", "sites").of(Texts).refers("sites"), col("devices", "适用设备", "devices").of(Texts).refers("devices"),
		col("kinds", "适用设备类别", "device kinds").of(Texts).words(deviceKindWords...), col("from", "起始日期", "from").of(Date), col("until", "截止日期", "until").of(Date),
		col("respond", "响应时限", "response").of(Span), col("repair", "修复时限", "repair").of(Span),
		col("calendar", "计时方式", "calendar").words(Word{"work", t("工作时间", "working time")}, Word{"always", t("全天", "day and night")}),
		col("note", "备注", "note")}}
}

func lines() Sheet {
	end := func(which, zh, en string) []Column {
		return []Column{col(which+".device", zh+"设备", en+" device").refers("devices"), col(which+".interface", zh+"端口", en+" port"), col(which+".address", zh+"地址", en+" address")}
	}
	return Sheet{Name: "lines", Title: t("专线电路", "Circuits"), Key: []string{"id"}, Columns: slices.Concat([]Column{
		col("id", "编号", "id").needed(), col("circuit", "电路号", "circuit number"), col("carrier", "运营商编号", "carrier").needed().refers(vendorsSheet),
		col("site", "服务机构", "site").needed().refers("sites"), col("name.zh-CN", "中文名称", "Chinese name"), col("name.en", "英文名称", "English name"),
		col("role", "主备", "role").needed().words(Word{"main", t("主用", "main")}, Word{"backup", t("备用", "backup")}), col("mbps", "带宽Mbps", "bandwidth Mbit/s").of(Number)},
		end("a_end", "A端", "A end"), end("b_end", "B端", "B end"), []Column{
			col("availability", "承诺可用率%", "availability %").of(Number), col("respond", "响应时限", "response").of(Span), col("repair", "修复时限", "repair").of(Span),
			col("from", "起始日期", "from").of(Date), col("until", "截止日期", "until").of(Date)})}
}

func devices() Sheet {
	return Sheet{Name: "devices", Title: t("设备", "Devices"), Key: []string{"id"}, Columns: []Column{
		col("id", "编号", "id").needed(), col("name.zh-CN", "中文名称", "Chinese name"), col("name.en", "英文名称", "English name"),
		col("site", "所在机构", "site").needed().refers("sites"), col("kind", "类别", "kind").needed().words(deviceKindWords...),
		col("addresses", "地址", "addresses").of(Texts), col("vendor", "制造商", "maker"), col("model", "型号", "model"), col("serial", "序列号", "serial number")}}
}

func certificates() Sheet {
	return Sheet{Name: "certificates", Title: t("证书与许可", "Certificates"), Key: []string{"id"}, Columns: []Column{
		col("id", "编号", "id").needed(), col("kind", "类型", "kind").needed().words(Word{"tls", t("TLS证书", "TLS certificate")}, Word{"licence", t("许可", "licence")},
			Word{"subscription", t("订阅", "subscription")}, Word{"other", t("其他", "other")}),
		col("name", "名称", "name"), col("site", "机构", "site").refers("sites"), col("device", "设备", "device").refers("things"),
		col("vendor", "厂商编号", "vendor").refers(vendorsSheet), col("until", "截止日期", "until").of(Date).needed()}}
}

func patches() Sheet {
	return Sheet{Name: "patches", Title: t("配线架", "Patch panels"), Key: []string{"site", "panel", "port"}, Columns: []Column{
		col("site", "机构", "site").needed().refers("sites"), col("panel", "配线架", "panel").needed(), col("port", "端口", "port").needed(),
		col("switch", "交换机", "switch").refers("devices"), col("switch_port", "交换机端口", "switch port"), col("outlet", "信息点", "outlet"),
		col("device", "接入设备", "device"), col("note", "备注", "note")}}
}
