package robot

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strconv"
)

// SignDingTalk returns the query value sign: the secret is the key, the
// timestamp (ms since the epoch) and the secret are the text. It is escaped for
// a URL.
func SignDingTalk(ms int64, secret string) string {
	return url.QueryEscape(mac(secret, strconv.FormatInt(ms, 10)+"\n"+secret))
}

// SignFeishu returns the body's field sign. It is the other way round than
// DingTalk's: timestamp (s) and secret are the key, and the text is empty.
func SignFeishu(s int64, secret string) string {
	return mac(strconv.FormatInt(s, 10)+"\n"+secret, "")
}

func mac(key, text string) string {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}
