package inventory

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Hours is when somebody is reached, as the register says it: 7x24, 工作日 8:30-17:30,
// Mon-Fri 09:00-18:00; Sat 09:00-12:00. The zero value is day and night.
type Hours struct {
	Work  bool // as the working calendar has it, hours included
	Spans []DaySpan
}

// DaySpan is a stretch of each of certain days, in minutes after midnight of wall
// time. Where To is not after From it ends on the day after.
type DaySpan struct {
	Days     [7]bool // by time.Weekday
	Workdays bool    // instead: the days that the working calendar has as worked
	Freedays bool    // instead: those it has as not worked
	From, To int
}

// Always tells whether the hours are day and night.
func (h Hours) Always() bool { return !h.Work && len(h.Spans) == 0 }

// maxSpans bounds how much one text may say.
const maxSpans = 20

var (
	alwaysWords = map[string]bool{"": true, "7x24": true, "24x7": true, "7*24": true, "24*7": true, "7x24小时": true, "24小时": true, "全天": true, "全天候": true, "always": true}
	workWords   = map[string]bool{"work": true, "workinghours": true, "officehours": true, "businesshours": true, "工作时间": true, "上班时间": true, "5x8": true, "8x5": true, "5x8小时": true}
	spanPattern = regexp.MustCompile(`(\d{1,2})(?::(\d{2}))?-(\d{1,2})(?::(\d{2}))?`)
	hoursTidy   = strings.NewReplacer("×", "x", "：", ":", "；", ";", "、", ",", "，", ",", "–", "-", "—", "-", "~", "-", "～", "-", "至", "-", "到", "-", "点半", ":30", "点", ":00", "时", ":00", "\n", ";")
	weekdayIs   = map[string]time.Weekday{"周日": 0, "周天": 0, "周一": 1, "周二": 2, "周三": 3, "周四": 4, "周五": 5, "周六": 6,
		"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
)

// ParseHours reads when somebody is reached. Parts are separated by ; and each is
// days and stretches of the day: 工作日 8:30-12:00, 13:30-17:30; 周六 9:00-12:00.
// Without days a stretch is of every day; days without a stretch are whole.
func ParseHours(text string) (Hours, error) {
	s := strings.ToLower(strings.Join(strings.Fields(text), ""))
	s = strings.NewReplacer("星期", "周", "礼拜", "周").Replace(s)
	if alwaysWords[strings.ReplaceAll(s, "×", "x")] {
		return Hours{}, nil
	}
	if workWords[strings.ReplaceAll(s, "×", "x")] {
		return Hours{Work: true}, nil
	}
	var out Hours
	for part := range strings.SplitSeq(strings.Trim(hoursTidy.Replace(s), ";"), ";") {
		spans, err := daySpans(part)
		if err != nil || len(out.Spans)+len(spans) > maxSpans {
			return Hours{}, fmt.Errorf("hours %q: want 7x24, 工作时间, or days and times such as 工作日 8:30-17:30 or Mon-Fri 09:00-18:00", text)
		}
		out.Spans = append(out.Spans, spans...)
	}
	return out, nil
}

// daySpans reads one part: days, then stretches.
func daySpans(part string) ([]DaySpan, error) {
	at := spanPattern.FindStringIndex(part)
	days, times := part, ""
	if at != nil {
		days, times = part[:at[0]], part[at[0]:]
	}
	on, err := daysOf(strings.Trim(days, ",:"))
	if err != nil {
		return nil, err
	}
	if times == "" {
		if days == "" {
			return nil, fmt.Errorf("nothing")
		}
		on.To = 24 * 60
		return []DaySpan{on}, nil
	}
	var out []DaySpan
	for one := range strings.SplitSeq(strings.TrimSuffix(times, ","), ",") {
		m := spanPattern.FindStringSubmatch(one)
		if m == nil || m[0] != one {
			return nil, fmt.Errorf("%q", one)
		}
		x := on
		var err1, err2 error
		x.From, err1 = minutes(m[1], m[2])
		x.To, err2 = minutes(m[3], m[4])
		if err1 != nil || err2 != nil || x.From == 24*60 || x.From == x.To {
			return nil, fmt.Errorf("%q", one)
		}
		out = append(out, x)
	}
	return out, nil
}

func minutes(hour, minute string) (int, error) {
	h, err := strconv.Atoi(hour)
	if err != nil {
		return 0, err
	}
	m := 0
	if minute != "" {
		if m, err = strconv.Atoi(minute); err != nil {
			return 0, err
		}
	}
	if h > 24 || m > 59 || h == 24 && m > 0 {
		return 0, fmt.Errorf("%s:%s is no time of day", hour, minute)
	}
	return h*60 + m, nil
}

// daysOf reads the days of a part; none named are all.
func daysOf(s string) (DaySpan, error) {
	var out DaySpan
	switch s {
	case "", "每天", "每日", "daily", "everyday":
		return DaySpan{Days: [7]bool{true, true, true, true, true, true, true}}, nil
	case "工作日", "workdays", "workingdays", "businessdays":
		return DaySpan{Workdays: true}, nil
	case "节假日", "非工作日", "休息日", "holidays", "freedays", "non-workingdays":
		return DaySpan{Freedays: true}, nil
	case "周末", "weekends", "weekend":
		return DaySpan{Days: [7]bool{0: true, 6: true}}, nil
	}
	for one := range strings.SplitSeq(s, ",") {
		from, to, many := strings.Cut(one, "-")
		a, err := weekday(from)
		if err != nil {
			return out, err
		}
		b := a
		if many {
			if b, err = weekday(to); err != nil {
				return out, err
			}
		}
		for d := a; ; d = (d + 1) % 7 {
			out.Days[d] = true
			if d == b {
				break
			}
		}
	}
	return out, nil
}

func weekday(s string) (time.Weekday, error) {
	if len(s) > 3 && slices.Contains([]string{"sunday", "monday", "tuesday", "tues", "wednesday", "thursday", "thur", "thurs", "friday", "saturday"}, s) {
		s = s[:3]
	} else if strings.ContainsAny(s, "日一二三四五六天") && !strings.HasPrefix(s, "周") {
		s = "周" + s // 周一至五
	}
	d, ok := weekdayIs[s]
	if !ok {
		return 0, fmt.Errorf("%q is no day of the week", s)
	}
	return d, nil
}
