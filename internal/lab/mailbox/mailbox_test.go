package mailbox

import (
	"context"
	"net/http/httptest"
	"net/smtp"
	"strings"
	"testing"
	"time"
)

const sample = "From: a@x.invalid\r\nTo: b@y.invalid\r\nSubject: =?UTF-8?B?57q/6Lev5Lit5pat?=\r\nMessage-ID: <1@x>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n<b>电路 SH-0231</b>\r\n"

func TestMailIsKeptAndShown(t *testing.T) {
	dir := t.TempDir()
	b, err := Open("127.0.0.1:0", dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	if err := smtp.SendMail(b.Addr(), nil, "a@x.invalid", []string{"b@y.invalid"}, []byte(sample)); err != nil {
		t.Fatal(err)
	}
	mails, err := b.Wait(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got := mails[0].Subject; got != "线路中断" {
		t.Errorf("subject %q", got)
	}
	rec := httptest.NewRecorder()
	b.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	if body := rec.Body.String(); !strings.Contains(body, "&lt;b&gt;电路 SH-0231") || strings.Contains(body, "<b>电路") {
		t.Errorf("the page does not show the mail escaped: %s", body)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	again, err := Open("127.0.0.1:0", dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := again.Mails(); len(got) != 1 || got[0].MessageID != "<1@x>" {
		t.Errorf("after a restart: %+v", got)
	}
	_ = again.ln.Close()
}
