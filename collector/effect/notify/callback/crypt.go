package callback

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// skew is how far a callback's clock may be from ours: DingTalk's own bound.
const skew = time.Hour

// Errors of callbacks. None says which half was wrong.
var (
	ErrSignature = errors.New("the callback's signature does not fit")
	ErrStale     = errors.New("the callback's clock is more than an hour from ours")
	errCipher    = errors.New("the callback cannot be decrypted")
)

// SignWeCom is msg_signature of WeCom, and of DingTalk's encrypted events: SHA-1
// over token, timestamp, nonce and cipher text in alphabetical order.
func SignWeCom(token, timestamp, nonce, encrypted string) string {
	parts := []string{token, timestamp, nonce, encrypted}
	slices.Sort(parts)
	sum := sha1.Sum([]byte(strings.Join(parts, "")))
	return hex.EncodeToString(sum[:])
}

// DecryptWeCom opens a message of WeCom, or an encrypted event of DingTalk: AES
// in CBC mode under the 43 characters of EncodingAESKey, with the key's beginning
// as IV. receiver is the corporation's (or app's) ID that the message must be for.
func DecryptWeCom(encodingKey, encrypted, receiver string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(encodingKey + "=")
	if err != nil || len(key) != 32 {
		return nil, fmt.Errorf("EncodingAESKey: want 43 characters of base64: %w", errCipher)
	}
	plain, err := decrypt(key, key[:aes.BlockSize], encrypted, 32)
	if err != nil {
		return nil, err
	}
	const head = 16 + 4 // random bytes, length
	if len(plain) < head {
		return nil, errCipher
	}
	n := int64(binary.BigEndian.Uint32(plain[16:head]))
	if n > int64(len(plain)-head) || !hmac.Equal(plain[head+n:], []byte(receiver)) {
		return nil, errCipher
	}
	return plain[head : head+n], nil
}

// EncryptWeCom closes a message as DecryptWeCom opens it; random is 16 bytes.
func EncryptWeCom(encodingKey string, message, random []byte, receiver string) (string, error) {
	key, err := base64.StdEncoding.DecodeString(encodingKey + "=")
	if err != nil || len(key) != 32 || len(random) != 16 {
		return "", errCipher
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", err
	}
	plain := binary.BigEndian.AppendUint32(slices.Clone(random), uint32(len(message)))
	plain = append(append(plain, message...), receiver...)
	pad := 32 - len(plain)%32
	plain = append(plain, bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, key[:aes.BlockSize]).CryptBlocks(plain, plain)
	return base64.StdEncoding.EncodeToString(plain), nil
}

// SignFeishu is the header X-Lark-Signature of events and card actions.
func SignFeishu(timestamp, nonce, encryptKey string, body []byte) string {
	h := sha256.New()
	h.Write([]byte(timestamp + nonce + encryptKey))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// DecryptFeishu opens the field encrypt: AES in CBC mode under the SHA-256 of the
// Encrypt Key, with the first block as IV.
func DecryptFeishu(encryptKey, encrypted string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(encrypted)
	if err != nil || len(raw) <= aes.BlockSize {
		return nil, errCipher
	}
	key := sha256.Sum256([]byte(encryptKey))
	return decrypt(key[:], raw[:aes.BlockSize], base64.StdEncoding.EncodeToString(raw[aes.BlockSize:]), aes.BlockSize)
}

// SignDingTalk is the header sign of a message to a DingTalk robot.
func SignDingTalk(timestamp, appSecret string) string {
	h := hmac.New(sha256.New, []byte(appSecret))
	h.Write([]byte(timestamp + "\n" + appSecret))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// decrypt opens base64 of AES-CBC and takes the padding (at most pad bytes) off.
// Every failure is the same error, so that nobody learns from it.
func decrypt(key, iv []byte, encrypted string, pad int) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(encrypted)
	if err != nil || len(raw) == 0 || len(raw)%aes.BlockSize != 0 {
		return nil, errCipher
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, errCipher
	}
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(raw, raw)
	n := int(raw[len(raw)-1])
	if n < 1 || n > pad || n > len(raw) {
		return nil, errCipher
	}
	for _, b := range raw[len(raw)-n:] {
		if int(b) != n {
			return nil, errCipher
		}
	}
	return raw[:len(raw)-n], nil
}

// fresh checks a timestamp in seconds, or in milliseconds (13 digits).
func fresh(timestamp string, now time.Time) error {
	n, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return ErrStale
	}
	at := time.Unix(n, 0)
	if len(timestamp) >= 13 {
		at = time.UnixMilli(n)
	}
	if d := now.Sub(at); d > skew || d < -skew {
		return ErrStale
	}
	return nil
}

func same(a, b string) bool { return a != "" && hmac.Equal([]byte(a), []byte(b)) }
