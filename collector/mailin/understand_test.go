package mailin

import (
	"testing"
	"time"
)

func TestUnderstand(t *testing.T) {
	at := time.Date(2026, 11, 21, 8, 5, 0, 0, time.UTC) // 16:05 in Shanghai, a Saturday
	tests := []struct{ text, says, eta string }{
		{"已派单,预计18:30", SaysAccepted, "11-21 18:30"},
		{"已派单,预计14:30", SaysAccepted, ""},
		{"已派单，预计 18：30", SaysAccepted, "11-21 18:30"},
		{"已派单，预计１８：３０恢复", SaysAccepted, "11-21 18:30"},
		{"已受理", SaysAccepted, ""},
		{"请立即派单排查修复，并回复受理单号、预计恢复时间和故障原因", SaysComment, ""}, // our own words
		{"Please repair it at once and answer with your ticket number", SaysComment, ""},
		{"收到，谢谢", SaysAccepted, ""},
		{"工程师已出发", SaysAccepted, ""},
		{"预计14:30", SaysComment, ""}, // at 16:05 … 14:30 was 95 minutes ago
		{"预计8:00恢复", SaysAccepted, "11-22 08:00"},
		{"预计明天上午9点到场", SaysAccepted, "11-22 09:00"},
		{"预计后天下午3点半", SaysAccepted, "11-23 15:30"},
		{"预计11月22日10时修复", SaysAccepted, "11-22 10:00"},
		{"预计2026-11-23 9:15到货", SaysAccepted, "11-23 09:15"},
		{"预计2小时内恢复", SaysAccepted, "11-21 18:05"},
		{"大约半小时后到", SaysAccepted, "11-21 16:35"},
		{"预计一个半小时", SaysAccepted, "11-21 17:35"},
		{"40分钟内到达现场", SaysAccepted, "11-21 16:45"},
		{"争取今晚8点前恢复", SaysAccepted, "11-21 20:00"},
		{"预计1月5日9:00换板卡", SaysComment, ""}, // further than a month
		{"正在抢修", SaysAccepted, ""},
		{"已修复", SaysFixed, ""},
		{"已恢复", SaysFixed, ""},
		{"线路已于18:02恢复", SaysComment, ""}, // not understood: people read it
		{"故障已排除，请确认业务是否恢复正常。", SaysFixed, ""},
		{"业务已恢复，原因：光缆被挖断", SaysFixed, ""},
		{"修好了", SaysFixed, ""},
		{"设备更换完成，现已正常", SaysFixed, ""},
		{"还没修好", SaysComment, ""},
		{"未恢复", SaysComment, ""},
		{"无法修复，需更换板卡", SaysComment, ""},
		{"修复后通知您", SaysComment, ""},
		{"是否已恢复？", SaysComment, ""},
		{"已恢复了吗", SaysComment, ""},
		{"如已修复请告知", SaysComment, ""},
		{"部分业务已恢复", SaysComment, ""},
		{"A线已修复，B线尚未恢复", SaysComment, ""},
		{"不予受理，不是我司线路", SaysComment, ""},
		{"你好", SaysComment, ""},
		{"", SaysComment, ""},
		{"Ticket opened, ETA 6:30 pm", SaysAccepted, "11-21 18:30"},
		{"Engineer dispatched. Expected by 18:30.", SaysAccepted, "11-21 18:30"},
		{"We are working on it, expected within 2 hours", SaysAccepted, "11-21 18:05"},
		{"Arrival tomorrow 09:00", SaysAccepted, "11-22 09:00"},
		{"The line has been restored.", SaysFixed, ""},
		{"Fixed", SaysFixed, ""},
		{"Resolved, please check.", SaysFixed, ""},
		{"It is not fixed yet", SaysComment, ""},
		{"It will be fixed by 18:30", SaysAccepted, "11-21 18:30"},
		{"Has it been restored?", SaysComment, ""},
		{"We cannot accept this ticket", SaysComment, ""},
		{"please confirm whether service is restored", SaysComment, ""},
		{"Circuit still down, hasn't been repaired", SaysComment, ""},
		{"Once the line is restored we will tell you", SaysComment, ""},
	}
	for _, tt := range tests {
		m := Understand(tt.text, at, shanghai)
		eta := ""
		if !m.ETA.IsZero() {
			eta = m.ETA.In(shanghai).Format("01-02 15:04")
		}
		if m.Says != tt.says || eta != tt.eta {
			t.Errorf("%q: %q %q, want %q %q", tt.text, m.Says, eta, tt.says, tt.eta)
		}
	}
}

func TestReference(t *testing.T) {
	for text, want := range map[string]string{
		"受理单号：CU-2026-8812": "CU-2026-8812", "工单号 20261121888": "20261121888", "Ticket #INC0012345 opened": "INC0012345", "case number: 99-17": "99-17",
		"单号20261121-0042": "", "ticket opened": "", "单号：无": "",
	} {
		if got := Understand(text, arrived, nil).Reference; got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestSubjects(t *testing.T) {
	for s, want := range map[string]string{"回复：答复: RE[2]: Fw: 主题": "主题", "回复(3)：x": "x", "转发: 自动回复：x": "x", "Reason: y": "Reason: y", "AW: SV: z": "z", "": "", "回复：": ""} {
		if got, _ := bareSubject(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
	for s, want := range map[string]int{"[FL#20261121-0042]": 1, "［ＦＬ＃20261121-0042］": 1, "fl# 20261121-42": 1, "FL20261121-0042": 0, "[FL#1-2]": 0} {
		if got := subjectNumbers(s); len(got) != want {
			t.Errorf("%q: %q", s, got)
		}
	}
}

// TestOwnWords: a ticket that comes back unquoted says nothing.
func TestOwnWords(t *testing.T) {
	own := "甲运营商：您好！\n\n我司专线（电路编号 SH-0231）发生故障，请立即派单排查修复，并回复受理单号、预计恢复时间和故障原因。\n\n故障单号：20261121-0042\n请在回复中说明：\n  1. 预计恢复时间（如直接回复：已派单，预计14:30）\n  2. 已修复，原因\n"
	for text, want := range map[string]string{own: SaysComment, "已派单\n" + own: SaysAccepted, "尚未到场\n" + own: SaysComment} {
		if m := Understand(stripQuoted(text), arrived, shanghai); m.Says != want {
			t.Errorf("%q: %q, want %q", text, m.Says, want)
		}
	}
}
