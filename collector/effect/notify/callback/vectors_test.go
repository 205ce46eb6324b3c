package callback

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"
)

// The vendors' own examples: WeCom's documentation (path 90968), Feishu's event
// documentation, and DingTalk's DingTalk-Callback-Crypto.
const (
	wecomToken    = "QDG6eK"
	wecomKey      = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
	wecomCorp     = "wx5823bf96d3bd56c7"
	wecomEcho     = "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ=="
	wecomMessage  = "RypEvHKD8QQKFhvQ6QleEB4J58tiPdvo+rtK1I9qca6aM/wvqnLSV5zEPeusUiX5L5X/0lWfrf0QADHHhGd3QczcdCUpj911L3vg3W/sYYvuJTs3TUUkSUXxaccAS0qhxchrRYt66wiSpGLYL42aM6A8dTT+6k4aSknmPj48kzJs8qLjvd4Xgpue06DOdnLxAUHzM6+kDZ+HMZfJYuR+LtwGc2hgf5gsijff0ekUNXZiqATP7PF5mZxZ3Izoun1s4zG4LUMnvw2r+KqCKIw+3IQH03v+BCA9nMELNqbSf6tiWSrXJB3LAVGUcallcrw8V2t9EL4EhzJWrQUax5wLVMNS0+rUPA3k22Ncx4XXZS9o0MBH27Bo6BpNelZpS+/uh9KsNlY6bHCmJU9p8g7m3fVKn28H3KDYA5Pl/T8Z1ptDAVe0lXdQ2YoyyH2uyPIGHBZZIs2pDBS8R07+qN+E7Q=="
	dingEncrypted = "0vJiX6vliEpwG3U45CtXqi+m8PXbQRARJ8p8BbDuD1EMTDf0jKpQ79QS93qEk7XHpP6u+oTTrd15NRPvNvmBKyDCYxxOK+HZeKju4yhELOFchzNukR+t8SB/qk4ROMu3"
	dingReceiver  = "ding6ccabc44d2c8d38b"
	dingKey       = "Yue0EfdN5900c1ce5cf6A152c63DDe1808a60c5ecd7"
)

func TestWeComVectors(t *testing.T) {
	if got := SignWeCom(wecomToken, "1409659589", "263014780", wecomEcho); got != "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3" {
		t.Errorf("address check signs as %s", got)
	}
	echo, err := DecryptWeCom(wecomKey, wecomEcho, wecomCorp)
	if err != nil || string(echo) != "1616140317555161061" {
		t.Errorf("echo %q, %v", echo, err)
	}
	if got := SignWeCom(wecomToken, "1409659813", "1372623149", wecomMessage); got != "477715d11cdb4164915debcba66cb864d751f3e6" {
		t.Errorf("message signs as %s", got)
	}
	plain, err := DecryptWeCom(wecomKey, wecomMessage, wecomCorp)
	if err != nil || !bytes.Contains(plain, []byte("<Content><![CDATA[hello]]></Content>")) || !bytes.Contains(plain, []byte("<FromUserName><![CDATA[mycreate]]>")) {
		t.Errorf("message %s, %v", plain, err)
	}
}

func TestDingTalkVectors(t *testing.T) {
	if got := SignWeCom("mryue", "1608001896814", "WL4PK6yA", dingEncrypted); got != "03044561471240d4a14bb09372dfcfd4fd0e40cb" {
		t.Errorf("event signs as %s", got)
	}
	plain, err := DecryptWeCom(dingKey, dingEncrypted, dingReceiver)
	if err != nil || !strings.HasPrefix(string(plain), `{"EventType":"check_`) {
		t.Errorf("event %s, %v", plain, err)
	}
	// Made with openssl: printf '1700000000000\nSEC0123456789abcdef' | openssl dgst -sha256 -hmac SEC0123456789abcdef -binary | base64
	// It is the value of the group robot's signature before it is escaped for a URL.
	if got := SignDingTalk("1700000000000", "SEC0123456789abcdef"); got != "TSZbRFUuvaSQaRKUpF970OPCb2/LcQAP3wOvwZIzBZk=" {
		t.Errorf("robot message signs as %s", got)
	}
}

func TestFeishuVectors(t *testing.T) {
	plain, err := DecryptFeishu("test key", "P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk=")
	if err != nil || string(plain) != "hello world" {
		t.Errorf("%q, %v", plain, err)
	}
	// Made with openssl: printf '1700000000noncetest key{"a":1}' | openssl dgst -sha256
	if got := SignFeishu("1700000000", "nonce", "test key", []byte(`{"a":1}`)); got != "0a1034087e8401c835d4748df18ee1dd9229b921e1ea48340681ac6140f94099" {
		t.Errorf("signs as %s", got)
	}
}

// TestTampered changes every byte in turn: what is not exactly what was sealed
// either does not open or is refused by its signature.
func TestTampered(t *testing.T) {
	raw, err := base64.StdEncoding.DecodeString(wecomMessage)
	if err != nil {
		t.Fatal(err)
	}
	want := SignWeCom(wecomToken, "1", "2", wecomMessage)
	for i := range raw {
		x := bytes.Clone(raw)
		x[i] ^= 1
		text := base64.StdEncoding.EncodeToString(x)
		if SignWeCom(wecomToken, "1", "2", text) == want {
			t.Fatalf("byte %d changed, the signature not", i)
		}
		_, _ = DecryptWeCom(wecomKey, text, wecomCorp) // must not panic
	}
	for name, bad := range map[string]string{"empty": "", "no base64": "%%", "no whole block": "AAAA", "another's key": dingEncrypted} {
		if _, err := DecryptWeCom(wecomKey, bad, wecomCorp); !errors.Is(err, errCipher) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := DecryptFeishu("k", bad); !errors.Is(err, errCipher) {
			t.Errorf("feishu, %s: %v", name, err)
		}
	}
	if _, err := DecryptWeCom(wecomKey, wecomMessage, "another corporation"); !errors.Is(err, errCipher) {
		t.Errorf("another's message: %v", err)
	}
	if _, err := DecryptWeCom("short", wecomMessage, wecomCorp); !errors.Is(err, errCipher) {
		t.Errorf("short key: %v", err)
	}
}

func FuzzEncrypt(f *testing.F) {
	f.Add([]byte("专线中断"), "corp")
	f.Fuzz(func(t *testing.T, message []byte, receiver string) {
		text, err := EncryptWeCom(wecomKey, message, []byte("0123456789abcdef"), receiver)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecryptWeCom(wecomKey, text, receiver)
		if err != nil || !bytes.Equal(got, message) {
			t.Fatalf("%q becomes %q, %v", message, got, err)
		}
	})
}

func TestFresh(t *testing.T) {
	now := time.Unix(1700000000, 0)
	for stamp, ok := range map[string]bool{"1700000000": true, "1700000000000": true, "1699996401": true, "1699996399": false, "1700003601": false, "1700003601000": false, "": false, "now": false} {
		if err := fresh(stamp, now); (err == nil) != ok {
			t.Errorf("%q: %v", stamp, err)
		}
	}
}
