package mailin

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/incident"
)

// want is what a mail of the corpus shall come to.
type want struct {
	outcome, by string
	trusted     bool
	says        string // only what moves the ticket
	eta         string // in Shanghai
	auto        Auto
	text        string   // the writer's own words hold it
	not         string   // … and not this
	files       []string // type, or !reason
	subject     string
}

const (
	pdf  = "application/pdf"
	docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
	txt  = "text/plain"
)

var corpus = map[string]want{
	"01-utf8-dispatched":            {OutcomeFiled, ByToken, true, SaysAccepted, "21 18:30", "", "已派单,预计18:30", "请立即派单", nil, "Re: [FL#20261121-0042] 上海分公司主用专线中断 电路 SH-0231"},
	"02-gb18030-dispatched":         {OutcomeFiled, ByToken, true, SaysAccepted, "21 18:30", "", "已派单，预计18:30恢复。受理单号：CU-2026-8812", "写道", nil, "回复：[FL#20261121-0042] 上海分公司主用专线中断 电路 SH-0231"},
	"03-gbk-qp-fixed":               {OutcomeFiled, ByToken, true, SaysFixed, "", "", "光缆被挖断", "", nil, "答复: [FL#20261121-0042] 上海分公司主用专线中断 电路 SH-0231"},
	"04-gb2312-says-gbk-letters":    {OutcomeFiled, ByToken, true, SaysAccepted, "", "", "工程师朱镕基路段排查中", "", nil, ""},
	"05-big5-fixed":                 {OutcomeFiled, ByToken, true, SaysComment, "", "", "線路已恢復正常", "", nil, "回覆: [FL#20261121-0042] 專線中斷"},
	"06-utf8-declared-gb2312":       {OutcomeFiled, ByToken, true, SaysAccepted, "", "", "已收到，正在处理", "", nil, ""},
	"07-gbk-declared-utf8":          {OutcomeFiled, ByToken, true, SaysFixed, "", "", "故障已排除，请核实", "", nil, ""},
	"08-gbk-declared-ascii-8bit":    {OutcomeFiled, ByToken, true, SaysAccepted, "21 18:05", "", "已安排人员前往现场", "", nil, ""},
	"09-gbk-raw-headers":            {OutcomeFiled, ByToken, true, SaysFixed, "", "", "已恢复", "", nil, "回复: [FL#20261121-0042] 上海分公司主用专线中断 电路 SH-0231"},
	"10-encoded-word-cut-in-letter": {OutcomeFiled, ByToken, true, SaysAccepted, "", "", "已派单", "", nil, "回复：[FL#20261121-0042] 上海分公司主用专线中断 电路 SH-0231"},
	"11-english-eta":                {OutcomeFiled, ByToken, true, SaysAccepted, "21 18:30", "", "CU-77120", "wrote", nil, ""},
	"12-english-fixed":              {OutcomeFiled, ByToken, true, SaysFixed, "", "", "restored, please verify", "not restored", nil, ""},
	"13-not-fixed-yet":              {OutcomeFiled, ByToken, true, SaysComment, "", "", "尚未恢复", "", nil, ""},
	"14-will-be-fixed":              {OutcomeFiled, ByToken, true, SaysAccepted, "21 20:00", "", "今晚", "", nil, ""},
	"15-question":                   {OutcomeFiled, ByToken, true, SaysComment, "", "", "是否已恢复", "", nil, ""},
	"16-both":                       {OutcomeFiled, ByToken, true, SaysComment, "", "", "备用电路仍未恢复", "", nil, ""},
	"17-quote-says-fixed":           {OutcomeFiled, ByToken, true, SaysAccepted, "", "", "收到", "已修复", nil, ""},
	"18-qq-mail-to-token":           {OutcomeFiled, ByToken, true, SaysAccepted, "21 18:30", "", "已派单", "已修复", nil, ""},
	"19-qq-mail-subject-only":       {OutcomeQueued, ByNobody, false, "", "", "", "已修复", "", nil, ""},
	"20-in-reply-to":                {OutcomeFiled, ByThread, true, SaysAccepted, "", "", "已受理", "", nil, "Re: 线路故障"},
	"21-references-only":            {OutcomeFiled, ByThread, true, SaysAccepted, "21 19:00", "", "正在抢修", "", nil, ""},
	"22-changed-subject-sibling":    {OutcomeFiled, ByThread, true, SaysFixed, "", "", "已修复", "", nil, "明天的事"},
	"23-subject-known-sender":       {OutcomeFiled, BySubject, true, SaysFixed, "", "", "已恢复正常", "", nil, ""},
	"24-subject-fullwidth":          {OutcomeFiled, BySubject, true, SaysAccepted, "", "", "已派单", "", nil, ""},
	"25-forwarded-attached":         {OutcomeFiled, ByThread, true, SaysAccepted, "", "", "请跟进", "body", nil, ""},
	"26-forwarded-inline":           {OutcomeFiled, ByToken, true, SaysComment, "", "", "设备已修复", "", nil, ""},
	"27-no-match-known-vendor":      {OutcomeQueued, ByNobody, false, "", "", "", "已派单", "", nil, ""},
	"28-no-match-stranger":          {OutcomeQueued, ByNobody, false, "", "", "", "优质服务", "", nil, ""},
	"29-forged-token":               {OutcomeQueued, ByNobody, false, "", "", "", "已修复", "", nil, ""},
	"30-unknown-number":             {OutcomeQueued, ByNobody, false, "", "", "", "已修复", "", nil, ""},
	"31-out-of-office-zh":           {OutcomeAuto, ByToken, true, SaysComment, "", AutoAbsence, "休假", "", nil, ""},
	"32-out-of-office-en":           {OutcomeAuto, ByToken, true, SaysComment, "", AutoAbsence, "out of office", "", nil, ""},
	"33-auto-received":              {OutcomeAuto, ByToken, true, SaysComment, "", AutoReply, "已受理", "", nil, ""},
	"34-qq-auto-no-header":          {OutcomeAuto, ByToken, true, SaysComment, "", AutoReply, "尽快处理", "", nil, ""},
	"35-bounce-failed":              {OutcomeAuto, ByThread, true, SaysComment, "", AutoBounce, "", "", nil, ""},
	"36-bounce-delayed":             {OutcomeAuto, ByThread, true, SaysComment, "", AutoBounce, "", "", nil, ""},
	"37-bounce-qq-zh":               {OutcomeQueued, ByNobody, false, "", "", AutoBounce, "退回", "", nil, ""},
	"38-read-receipt":               {OutcomeAuto, ByToken, true, SaysComment, "", AutoReceipt, "已阅读", "", nil, ""},
	"39-our-own-back":               {OutcomeAuto, ByToken, true, SaysComment, "", AutoOwn, "已修复", "", nil, ""},
	"40-newsletter":                 {OutcomeIgnored, ByNobody, false, "", "", AutoBulk, "已安排", "", nil, ""},
	"41-inspection-pdf":             {OutcomeFiled, ByToken, true, SaysFixed, "", "", "附检测报告", "", []string{pdf, "image/png"}, ""},
	"42-name-lies-exe":              {OutcomeFiled, ByToken, true, SaysComment, "", "", "见附件", "", []string{"!program"}, ""},
	"43-macro-docx":                 {OutcomeFiled, ByToken, true, SaysComment, "", "", "报告", "", []string{"!macro"}, ""},
	"44-zip-bomb":                   {OutcomeFiled, ByToken, true, SaysComment, "", "", "日志", "", []string{"!archive_bomb"}, ""},
	"45-zip-with-exe-and-good-docx": {OutcomeFiled, ByToken, true, SaysComment, "", "", "附件", "", []string{"!program", docx}, ""},
	"46-js-html-svg-empty":          {OutcomeFiled, ByToken, true, SaysComment, "", "", "看附件", "", []string{"!script", "!active_content", "!active_content", "!empty", "!active_content"}, ""},
	"47-eleven-files":               {OutcomeFiled, ByToken, true, SaysComment, "", "", "日志", "", append(slices.Repeat([]string{txt}, 10), "!too_many", "!too_many"), ""},
	"48-encrypted-zip-rar":          {OutcomeFiled, ByToken, true, SaysComment, "", "", "密码", "", []string{"!encrypted", "!archive"}, ""},
	"49-rfc2231-names":              {OutcomeFiled, ByToken, true, SaysComment, "", "", "附件", "", []string{pdf, txt}, ""},
	"50-no-boundary":                {OutcomeFiled, ByToken, true, SaysAccepted, "", "", "已派单", "", nil, ""},
	"51-not-closed":                 {OutcomeFiled, ByToken, true, SaysAccepted, "21 18:30", "", "已派单", "", []string{pdf}, ""},
	"52-no-blank-line":              {OutcomeFiled, ByToken, true, SaysAccepted, "21 18:30", "", "已派单", "", nil, ""},
	"53-nested-deep":                {OutcomeFiled, ByToken, true, SaysComment, "", "", "", "深", nil, ""},
	"54-broken-base64":              {OutcomeFiled, ByToken, true, SaysAccepted, "", "", "已派单", "", nil, ""},
	"55-header-injection":           {OutcomeFiled, ByToken, true, SaysAccepted, "", "", "收到", "", nil, "[FL#20261121-0042] x Bcc: a@b.example"},
	"56-html-only-outlook":          {OutcomeFiled, ByToken, true, SaysFixed, "", "", "您好，电路已抢通", "尚未恢复", nil, ""},
	"57-mobile-163":                 {OutcomeFiled, ByToken, true, SaysAccepted, "21 18:30", "", "下午6点半", "已修复", nil, ""},
	"58-empty-body":                 {OutcomeFiled, ByToken, true, SaysComment, "", "", "", "", nil, ""},
	"59-mail-merge-two-numbers":     {OutcomeFiled, BySubject, false, SaysFixed, "", "", "都已修复", "", nil, ""},
}

func mails(t testing.TB) (names []string, raw map[string][]byte) {
	t.Helper()
	files, err := filepath.Glob("testdata/mails/*.eml")
	if err != nil {
		t.Fatal(err)
	}
	raw = map[string][]byte{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(f), ".eml")
		names, raw[name] = append(names, name), b
	}
	slices.Sort(names)
	return names, raw
}

func TestCorpus(t *testing.T) {
	names, raw := mails(t)
	if len(names) < 40 || len(names) != len(corpus) {
		t.Fatalf("%d mails, %d expectations", len(names), len(corpus))
	}
	w := newWorld(t)
	b := w.inbox(t)
	for _, name := range names { // in order: later mails answer earlier ones
		t.Run(name, func(t *testing.T) {
			x, known := corpus[name]
			if !known {
				t.Fatal("no expectation")
			}
			e, outcome, err := b.Take(t.Context(), raw[name], arrived)
			if err != nil {
				t.Fatal(err)
			}
			check(t, x, e, outcome)
		})
	}
	if len(w.byID) != 2 {
		t.Errorf("%d incidents, want the two there were", len(w.byID))
	}
	for _, f := range w.facts {
		if f.Kind == incident.VendorReported && (f.IncidentID != "ab12" || f.Actor.ID == "") {
			t.Errorf("moved %+v", f)
		}
	}
}

func check(t *testing.T, x want, e Event, outcome string) {
	t.Helper()
	if outcome != x.outcome || e.Match.By != x.by || e.Match.Trusted != x.trusted || e.Auto != x.auto {
		t.Errorf("got %s by %q, trusted %v, auto %q; want %s by %q, trusted %v, auto %q", outcome, e.Match.By, e.Match.Trusted, e.Auto, x.outcome, x.by, x.trusted, x.auto)
	}
	if x.by != ByNobody && e.Meaning.Says != x.says {
		t.Errorf("understood %q, want %q, of %q", e.Meaning.Says, x.says, e.Text)
	}
	eta := ""
	if !e.Meaning.ETA.IsZero() && x.by != ByNobody {
		eta = e.Meaning.ETA.In(shanghai).Format("02 15:04")
	}
	if eta != x.eta {
		t.Errorf("expected time %q, want %q", eta, x.eta)
	}
	if !strings.Contains(e.Text, x.text) || x.not != "" && strings.Contains(e.Text, x.not) {
		t.Errorf("own words %q, want %q in it and %q not", e.Text, x.text, x.not)
	}
	if x.subject != "" && e.Subject != x.subject {
		t.Errorf("subject %q, want %q", e.Subject, x.subject)
	}
	var files []string
	for _, f := range e.Files {
		if f.Refused != "" {
			files = append(files, "!"+string(f.Refused))
			continue
		}
		files = append(files, f.Type)
	}
	if !slices.Equal(files, x.files) {
		t.Errorf("files %q, want %q", files, x.files)
	}
	if facts := Facts(e, shanghai); len(facts) > 0 && facts[0].Kind == incident.VendorReported && (e.Auto != "" || !e.Match.Trusted) {
		t.Errorf("a machine's or a stranger's mail moves the ticket: %+v", facts[0])
	}
}

// TestTimeline holds what people read of some mails.
func TestTimeline(t *testing.T) {
	_, raw := mails(t)
	for name, words := range map[string][]string{
		"02-gb18030-dispatched":     {"已派单，预计18:30恢复", "[预计时间 expected] 2026-11-21 18:30 +08:00", "[对方单号 reference] CU-2026-8812"},
		"35-bounce-failed":          {"邮件退回", "noc@carrier-a.example", "5.1.1", "no such user"},
		"36-bounce-delayed":         {"邮件延迟", "4.4.1"},
		"31-out-of-office-zh":       {"不在办公室", "休假"},
		"42-name-lies-exe":          {"检测报告.pdf: 附件是可执行程序 / the file is a program"},
		"44-zip-bomb":               {"压缩炸弹"},
		"59-mail-merge-two-numbers": {"sender unknown"},
		"58-empty-body":             {"no text"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if _, _, err := w.inbox(t).Take(t.Context(), raw[name], arrived); err != nil {
				t.Fatal(err)
			}
			if len(w.facts) == 0 {
				t.Fatal("nothing in the timeline")
			}
			for _, word := range words {
				if !strings.Contains(w.facts[0].Comment, word) {
					t.Errorf("%q lacks %q", w.facts[0].Comment, word)
				}
			}
		})
	}
}

// TestExactlyOnce breaks every step of filing at random and hands the same
// mails in again, in any order: each is in the log once, and complete.
func TestExactlyOnce(t *testing.T) {
	names, raw := mails(t)
	whole := newWorld(t)
	b := whole.inbox(t)
	for _, n := range names {
		if _, _, err := b.Take(t.Context(), raw[n], arrived); err != nil {
			t.Fatal(err)
		}
	}
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(t)
		w.fail = func(string) error {
			if rnd.IntN(20) == 0 {
				return errors.New("broken")
			}
			return nil
		}
		for _, n := range names {
			b := w.inbox(t, func(o *Options) { o.Limits.Expanded = 1 << 20 }) // restarted each time
			for range 2 {                                                     // and delivered twice
				for tries := 0; ; tries++ {
					if _, _, err := b.Take(t.Context(), raw[n], arrived); err == nil {
						break
					}
					if tries > 500 {
						t.Fatal("never filed")
					}
				}
			}
		}
		if len(w.facts) != len(whole.facts) || len(w.blobs) != len(whole.blobs) || len(w.queue) != len(whole.queue) {
			t.Fatalf("seed %d: %d facts, %d files, %d queued; want %d, %d, %d", seed, len(w.facts), len(w.blobs), len(w.queue), len(whole.facts), len(whole.blobs), len(whole.queue))
		}
	}
}

// TestLoopEnds: a vendor's machine that answers each mail with "fixed" and marks
// none moves the ticket only so often.
func TestLoopEnds(t *testing.T) {
	w := newWorld(t)
	now := arrived
	b := w.inbox(t, func(o *Options) { o.PerHour, o.Now = 5, func() time.Time { return now } })
	take := func(n int) Event {
		raw := "From: noc@carrier-a.example\nTo: faultline+" + w.mailer.ReplyToken("20261121-0042", "ab12/carrier-a") + "@example.com\nMessage-ID: <loop" +
			strings.Repeat("x", n) + "@x>\n\n已修复\n"
		e, _, err := b.Take(context.Background(), []byte(raw), now)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	for n := range 20 {
		if e := take(n); e.Moves() != (n < 5) || e.Muted != (n >= 5) {
			t.Fatalf("mail %d moves %v", n, e.Moves())
		}
	}
	now = now.Add(61 * time.Minute)
	if e := take(21); !e.Moves() {
		t.Fatal("an hour later it still moves nothing")
	}
}

func FuzzParse(f *testing.F) {
	_, raw := mails(f)
	for _, b := range raw {
		if len(b) < 64<<10 {
			f.Add(b)
		}
	}
	l := Limits{Message: 256 << 10, Expanded: 1 << 20, Text: 4000}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b, l)
		if err != nil {
			return
		}
		again, _ := Parse(b, l)
		if m.Fingerprint != again.Fingerprint || m.New != again.New {
			t.Fatal("read differently the second time")
		}
		if strings.ContainsAny(m.Subject+m.From.Name+m.From.Address, "\r\n\x00") {
			t.Fatalf("control characters in %q %q", m.Subject, m.From)
		}
		if n := len([]rune(m.Text)); n > 4001 {
			t.Fatalf("text of %d", n)
		}
		kept := int64(0)
		for _, x := range m.Files {
			kept += int64(len(x.Data))
			if strings.ContainsAny(x.Name, "/\\\x00\n") || x.Name == "" || x.Refused != "" && x.Data != nil {
				t.Fatalf("file %q %q", x.Name, x.Refused)
			}
		}
		if kept > 20<<20 || len(m.Files) > 40 || len(m.Problems) > 60 {
			t.Fatalf("kept %d bytes, %d files, %d problems", kept, len(m.Files), len(m.Problems))
		}
		Understand(m.New, arrived, shanghai)
	})
}
