package ticket

import (
	"fmt"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lang"
)

// classes are the classes of faults as vendors read them.
var classes = map[string]lang.Text{
	incident.ClassCarrierLine:   {ZH: "专线故障", EN: "leased-line fault"},
	incident.ClassDevice:        {ZH: "设备故障", EN: "device fault"},
	incident.ClassPower:         {ZH: "供电故障", EN: "power fault"},
	incident.ClassConfiguration: {ZH: "配置问题", EN: "configuration fault"},
	incident.ClassServer:        {ZH: "服务器故障", EN: "server fault"},
	incident.ClassDatabase:      {ZH: "数据库故障", EN: "database fault"},
	incident.ClassEnvironment:   {ZH: "机房环境故障", EN: "machine-room environment fault"},
	incident.ClassSecurity:      {ZH: "安全事件", EN: "security event"},
}

var severities = map[string]lang.Text{
	incident.SeverityCritical: {ZH: "紧急", EN: "critical"},
	incident.SeverityMajor:    {ZH: "重要", EN: "major"},
	incident.SeverityMinor:    {ZH: "一般", EN: "minor"},
}

var lineRoles = map[string]lang.Text{
	"main":   {ZH: "主用线路", EN: "main line"},
	"backup": {ZH: "备用线路", EN: "backup line"},
}

var deviceKinds = map[string]lang.Text{
	"router":      {ZH: "路由器", EN: "router"},
	"switch":      {ZH: "交换机", EN: "switch"},
	"firewall":    {ZH: "防火墙", EN: "firewall"},
	"server":      {ZH: "服务器", EN: "server"},
	"ups":         {ZH: "UPS 电源", EN: "UPS"},
	"environment": {ZH: "环境监测", EN: "environment sensor"},
	"cooling":     {ZH: "空调", EN: "air conditioning"},
	"database":    {ZH: "数据库", EN: "database"},
	"dns":         {ZH: "DNS 服务器", EN: "DNS server"},
	"pdu":         {ZH: "配电单元", EN: "PDU"},
	"other":       {ZH: "其他设备", EN: "other device"},
}

var moreEvidence = lang.Text{ZH: "现场数据恢复上报后将进一步确认。", EN: "It will be confirmed once the branch's own measurements arrive."}

// lasted is a duration in words, in its two largest units.
func lasted(d time.Duration, language string) string {
	if d < 0 {
		d = 0
	}
	s := int64(d / time.Second)
	units := [4][2]string{{"天", " d"}, {"小时", " h"}, {"分", " min"}, {"秒", " s"}}
	amounts := [4]int64{s / 86400, s / 3600 % 24, s / 60 % 60, s % 60}
	word, sep := 0, ""
	if language == lang.EN {
		word, sep = 1, " "
	}
	for n := range amounts {
		if amounts[n] == 0 && n < 3 {
			continue
		}
		out := fmt.Sprintf("%d%s", amounts[n], units[n][word])
		if n < 3 && amounts[n+1] > 0 {
			out += sep + fmt.Sprintf("%d%s", amounts[n+1], units[n+1][word])
		}
		return out
	}
	return ""
}
