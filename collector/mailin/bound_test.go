package mailin

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestBounded: mails made to be slow are read within bounds.
func TestBounded(t *testing.T) {
	head := "From: a@b.example\nSubject: x\n"
	nested := bytes.Buffer{}
	nested.WriteString(head)
	for range 200 {
		nested.WriteString("Content-Type: multipart/mixed; boundary=b\n\n--b\n")
	}
	for name, raw := range map[string]string{
		"short lines":      head + "\n" + strings.Repeat("a\n", 200_000),
		"quoted lines":     head + "\n" + strings.Repeat("On a wrote\n", 100_000),
		"one long line":    head + "\n" + strings.Repeat("在", 500_000),
		"digits":           head + "\n" + strings.Repeat("1点", 200_000),
		"open words":       head + "Subject: " + strings.Repeat("=?gbk?B?", 100_000) + "\n\nx",
		"words":            head + "Subject: " + strings.Repeat("=?gbk?B?ytU=?= ", 50_000) + "\n\nx",
		"many headers":     strings.Repeat("X-A: b\n", 300_000) + "\nx",
		"folded":           "Subject: a\n" + strings.Repeat(" b\n", 300_000) + "\nx",
		"addresses":        "To: " + strings.Repeat("a@b.example,", 100_000) + "\n\nx",
		"references":       "References: " + strings.Repeat("<a@b>", 200_000) + "\n\nx",
		"parameters":       "Content-Type: text/plain" + strings.Repeat("; a*0=b", 100_000) + "\n\nx",
		"nested":           nested.String(),
		"parts":            head + "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n", 100_000),
		"open tags":        head + "Content-Type: text/html\n\n" + strings.Repeat("<blockquote><div>a", 50_000),
		"padding":          head + "Content-Transfer-Encoding: base64\n\n" + strings.Repeat("YQ==\n", 200_000),
		"report":           head + "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n" + strings.Repeat("\n\nAction: failed\nFinal-Recipient: rfc822; a@b\n", 20_000),
		"forwarded itself": head + strings.Repeat("Content-Type: message/rfc822\n\n", 10_000),
	} {
		began := time.Now()
		m, err := Parse([]byte(raw), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		Understand(m.New, arrived, shanghai)
		if d := time.Since(began); d > 5*time.Second {
			t.Errorf("%s took %s", name, d)
		} else {
			t.Logf("%s: %s", name, d.Round(time.Millisecond))
		}
	}
}
