package mailin

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/width"
)

// What a vendor's text may mean. The words are those of process.Vendor….
const (
	SaysAccepted = "accepted"
	SaysFixed    = "reported_fixed"
	SaysComment  = ""            // anything else: people read it
	saysAsks     = "vendor_asks" // the Reason of such a comment: process.ReasonVendorAsks
)

// Meaning is what was understood of a text.
type Meaning struct {
	Says      string    // one of Says…
	ETA       time.Time // when he expects it repaired or is there; zero: not said
	Reference string    // his own ticket number
}

var (
	clauseEnd = regexp.MustCompile(`[，,。！!；;\n、]+|\.\s+|\.$`)
	question  = regexp.MustCompile(`[?？吗么]\s*$`)

	fixedWords = regexp.MustCompile(`(?i)已\s*(经)?\s*(全部|完全|成功)?\s*(修复|恢复|抢通|排除|解决|修好|处理好|处理完|处理完毕|处理完成|更换完成|更换完毕)|(修复|恢复)(了|完成|完毕|正常)|修好了|业务(已)?恢复|(线路|电路|链路|专线)(已|已经)?(通了|畅通|恢复)|故障(已)?(排除|消除)|(现|目前|现在)(已|已经)?(正常|通了)|` +
		`\b(has|have) (now )?been (fixed|repaired|restored|resolved|replaced)\b|\b(is|are|was|were|now) (now )?(fixed|repaired|restored|resolved|back up|up again|back online)\b|^\s*(fixed|restored|repaired|resolved)\b|\b(service|circuit|line|link) (restored|recovered|is up)\b|\bwe (have )?(fixed|repaired|restored|resolved)\b|\bfault cleared\b`)
	notFixed = regexp.MustCompile(`(?i)(未|没|没有|尚未|还未|还没|仍未|并未|不能|无法|难以|待)(有|能|完全)?\s*(修复|恢复|解决|排除|修好|抢通|处理好)|未通|不通|` +
		`\bnot\b.{0,20}\b(fixed|repaired|restored|resolved|up)\b|\b(isn't|hasn't|haven't|wasn't|aren't|cannot|can't|unable|still down|still faulty)\b`)
	future = regexp.MustCompile(`(?i)预计|预估|计划|将|会在|争取|尽快|尽力|力争|正在|修复中|恢复中|抢修中|处理中|是否|能否|如果|如已|若|一旦|待|后(通知|告知|回复|反馈)|之前|前(修复|恢复)|内(修复|恢复)|时(修复|恢复)|部分|` +
		`\b(will|shall|should|expect|expected|estimate|estimated|eta|going to|to be|being|if|when|once|until|whether|partially|partly|working|please confirm|by \d)\b`)
	acceptedWords = regexp.MustCompile(`(?i)(已|已经)\s*(派单|派工|派人|受理|接单|接收|接报|收到|安排|联系|转派|转交|出发|建单|立单|开单|登记|响应|到场|到达)|收到|受理($|了|中|工单)|派单|正在(处理|排查|抢修|修复|赶往|查)|(处理|抢修|排查|修复)中|工程师.{0,8}(出发|赶往|前往|到场)|安排.{0,6}(处理|抢修|排查|人员|工程师)|` +
		`\b(accepted|acknowledged|dispatched|received|assigned|ticket (is |has been )?(opened|created|raised)|working on (it|this)|looking into|investigating|on (the|my|our) way|engineer (is|has been))\b`)
	refused  = regexp.MustCompile(`(?i)(未|没|没有|不|不予|无法|尚未|还没)\s*(受理|派单|收到|安排|接单)|\b(not|cannot|can't|haven't|hasn't)\b.{0,15}\b(accept|accepted|received|dispatched|assigned|opened)\b|重复派单|撤单`)
	etaWords = regexp.MustCompile(`(?i)预计|预估|估计|大概|大约|争取|计划|将于|约|ETA|\b(expect|expected|estimate|estimated|by|before|within|in|about|around|arrive|arrival|repair time)\b|前(修复|恢复|到|完成)?|之前|内|后|(点|半|分|\d)\s*(左右)?\s*(到|赶到)|到场|到达|恢复时间|修复时间`)
)

// asksUs begins a clause that asks for something.
var asksUs = regexp.MustCompile(`(?i)^(请|烦请|麻烦|望|please\b|pls\b)`)

// Understand says what a vendor's own words mean, in Chinese or English. It is
// modest: "fixed" only where a clause says so and none says the opposite, asks
// or speaks of the future; anything unclear is a comment. at is when he wrote,
// zone where he is. It is pure.
func Understand(text string, at time.Time, zone *time.Location) Meaning {
	if zone == nil {
		zone = time.UTC
	}
	text = shorten(width.Fold.String(text), 4000)
	m := Meaning{Reference: reference(text)}
	fixed, against, accepted := false, false, false
	for _, clause := range clauses(text) {
		asks := question.MatchString(clause)
		if notFixed.MatchString(clause) {
			against = true
			continue
		}
		if fixedWords.MatchString(clause) && !asks && !asksUs.MatchString(clause) && !future.MatchString(clause) {
			fixed = true
		}
		if acceptedWords.MatchString(clause) && !asks && !asksUs.MatchString(clause) {
			if refused.MatchString(clause) {
				against = true
			} else {
				accepted = true
			}
		}
		if m.ETA.IsZero() && !asks && etaWords.MatchString(clause) {
			m.ETA = moment(clause, at, zone)
		}
	}
	switch {
	case fixed && !against:
		m.Says, m.ETA = SaysFixed, time.Time{}
	case fixed: // he says both: people read it
	case !m.ETA.IsZero(), accepted && !against:
		m.Says = SaysAccepted
	}
	return m
}

// clauses cuts a text at its commas and full stops.
func clauses(text string) []string {
	var out []string
	at := 0
	for _, m := range clauseEnd.FindAllStringIndex(text, 400) {
		out = append(out, strings.TrimSpace(text[at:m[0]]))
		at = m[1]
	}
	return append(out, strings.TrimSpace(text[at:]))
}

var referenceWords = regexp.MustCompile(`(?i)(受理单号|受理编号|工单号|工单编号|派单号|单号|流水号|ticket\s*(?:no\.?|number|id|#)?|case\s*(?:no\.?|number|id|#)?|reference(?:\s*(?:no\.?|number))?|ref)\s*(?:是|为|is)?\s*[:#]?\s*([A-Za-z0-9][A-Za-z0-9_/-]{3,40})`)

// reference finds the vendor's own ticket number: one with a digit, not ours.
func reference(text string) string {
	for _, m := range referenceWords.FindAllStringSubmatch(text, 10) {
		if strings.ContainsAny(m[2], "0123456789") && !strings.HasPrefix(strings.ToUpper(m[2]), "FL") && !ownNumber.MatchString(m[2]) {
			return m[2]
		}
	}
	return ""
}

var ownNumber = regexp.MustCompile(`^\d{8}-\d{4}$`)

var (
	durationRe = regexp.MustCompile(`(?i)(半|\d{1,3}(?:\.\d)?|[一二两三四五六七八九十]{1,2})\s*(?:个)?\s*(半)?\s*(小时|钟头|分钟|分鐘|hours?|hrs?|h\b|minutes?|mins?|min\b)\s*(半)?`)
	dateRe     = regexp.MustCompile(`(?:(\d{4})\s*[-/年.]\s*)?(\d{1,2})\s*[-/月.]\s*(\d{1,2})\s*日?`)
	clockRe    = regexp.MustCompile(`(?i)(凌晨|早上|上午|中午|下午|傍晚|晚上|今晚|明晚|晚)?\s*(?:(\d{1,2})\s*:\s*(\d{2})(?::\d{2})?|(\d{1,2})\s*[点點时時]\s*(?:(\d{1,2})\s*分?|(半)|(整)|(一刻))?|(\d{1,2})\s*(?:am|pm)\b)\s*(am|pm)?`)
	dayWords   = []struct {
		word string
		days int
	}{{"大后天", 3}, {"后天", 2}, {"明天", 1}, {"明日", 1}, {"明早", 1}, {"明晚", 1}, {"次日", 1}, {"day after tomorrow", 2}, {"tomorrow", 1}, {"今天", 0}, {"今日", 0}, {"今晚", 0}, {"当日", 0}, {"today", 0}, {"tonight", 0}}
)

// furthest is how far ahead an expected time is believed.
const furthest = 31 * 24 * time.Hour

// moment reads a time out of a clause: a clock with or without a day, or a
// span from when he wrote. The zero time when there is none that makes sense.
func moment(clause string, at time.Time, zone *time.Location) time.Time {
	local := at.In(zone)
	day, dated := dayOf(clause, local)
	rest := dateRe.ReplaceAllString(clause, " ")
	hour, minute, ok := clockOf(rest)
	if !ok {
		if d := spanOf(rest); d > 0 && !dated && d <= furthest {
			return at.Add(d).UTC().Truncate(time.Minute)
		}
		return time.Time{}
	}
	t := time.Date(day.Year(), day.Month(), day.Day(), hour, minute, 0, 0, zone)
	if !dated && t.Before(at) {
		if at.Sub(t) < 2*time.Hour {
			return time.Time{} // just past: a slip of the pen, or not about the future
		}
		t = time.Date(day.Year(), day.Month(), day.Day()+1, hour, minute, 0, 0, zone)
	}
	if t.Before(at.Add(-time.Minute)) || t.Sub(at) > furthest {
		return time.Time{}
	}
	return t.UTC()
}

// dayOf is the day a clause names; the writer's own when it names none.
func dayOf(clause string, local time.Time) (time.Time, bool) {
	if m := dateRe.FindStringSubmatch(clause); m != nil {
		y, mo, d := local.Year(), number(m[2]), number(m[3])
		if m[1] != "" {
			y = number(m[1])
		}
		if mo >= 1 && mo <= 12 && d >= 1 && d <= 31 {
			day := time.Date(y, time.Month(mo), d, 0, 0, 0, 0, local.Location())
			if m[1] == "" && local.Sub(day) > 180*24*time.Hour {
				day = day.AddDate(1, 0, 0) // said in December of January
			}
			return day, true
		}
	}
	lower := strings.ToLower(clause)
	for _, w := range dayWords {
		if strings.Contains(lower, w.word) {
			return local.AddDate(0, 0, w.days), true
		}
	}
	return local, false
}

// clockOf reads a time of day.
func clockOf(s string) (hour, minute int, ok bool) {
	m := clockRe.FindStringSubmatch(s)
	if m == nil {
		return 0, 0, false
	}
	switch {
	case m[2] != "":
		hour, minute = number(m[2]), number(m[3])
	case m[4] != "":
		hour, minute = number(m[4]), number(m[5])
		if m[6] != "" {
			minute = 30
		}
		if m[8] != "" {
			minute = 15
		}
	default:
		hour = number(m[9])
	}
	tail := strings.ToLower(m[0])
	switch {
	case strings.Contains(tail, "pm"), m[1] == "下午", m[1] == "傍晚", strings.HasSuffix(m[1], "晚"), m[1] == "晚上":
		if hour < 12 {
			hour += 12
		}
	case m[1] == "中午" && hour < 3:
		hour += 12
	case strings.Contains(tail, "am") && hour == 12, m[1] == "凌晨" && hour == 12:
		hour = 0
	}
	return hour, minute, hour < 24 && minute < 60
}

// spanOf reads a span: 2小时, 半小时, 1个半小时, 90 minutes.
func spanOf(s string) time.Duration {
	m := durationRe.FindStringSubmatch(s)
	if m == nil {
		return 0
	}
	unit := time.Minute
	if c := strings.ToLower(m[3])[0]; c == 'h' || strings.HasPrefix(m[3], "小时") || strings.HasPrefix(m[3], "钟头") {
		unit = time.Hour
	}
	if m[1] == "半" {
		return unit / 2
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		n = float64(chineseNumber(m[1]))
	}
	if m[2] != "" || m[4] != "" {
		n += 0.5
	}
	return time.Duration(n * float64(unit))
}

// chineseNumber reads 一 to 十九 and the tens.
func chineseNumber(s string) int {
	digits := map[rune]int{'一': 1, '二': 2, '两': 2, '三': 3, '四': 4, '五': 5, '六': 6, '七': 7, '八': 8, '九': 9}
	n := 0
	for _, r := range s {
		if r == '十' {
			n = max(n, 1) * 10
			continue
		}
		n += digits[r]
	}
	return n
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
