package mailin

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
)

// decodeText turns bytes of a declared charset into UTF-8. Mail programs declare
// wrongly often enough that the bytes have the last word: GB18030 declared as
// US-ASCII, Latin-1 or UTF-8, and UTF-8 declared as GB2312, come out right.
func decodeText(b []byte, declared string) string {
	if len(b) == 0 {
		return ""
	}
	name := strings.ToLower(strings.Trim(strings.TrimSpace(declared), `"'`))
	if isASCII(b) && !shifting(name) {
		return string(b)
	}
	switch {
	case chineseGB(name):
		if looksUTF8(b) {
			return string(b)
		}
		return decodeWith(simplifiedchinese.GB18030, b)
	case chineseBig5(name):
		if looksUTF8(b) {
			return string(b)
		}
		if gbScore(b) >= 0.98 && big5Score(b) < 0.7 {
			return decodeWith(simplifiedchinese.GB18030, b)
		}
		return decodeWith(traditionalchinese.Big5, b)
	case vague(name):
		return guess(b)
	}
	if name == "utf-7" || name == "unicode-1-1-utf-7" {
		return strings.ToValidUTF8(string(b), "\uFFFD")
	}
	if strings.HasPrefix(name, "utf-16") || strings.HasPrefix(name, "utf16") {
		return decodeWith(unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), b)
	}
	if enc, err := htmlindex.Get(name); err == nil {
		return decodeWith(enc, b)
	}
	return guess(b)
}

func chineseGB(name string) bool {
	switch name {
	case "gb18030", "gbk", "x-gbk", "gb2312", "gb_2312-80", "gb-2312", "gb_2312", "cp936", "ms936", "windows-936", "936", "euc-cn", "x-euc-cn", "csgb2312", "chinese", "iso-ir-58":
		return true
	}
	return false
}

func chineseBig5(name string) bool {
	switch name {
	case "big5", "big-5", "cn-big5", "csbig5", "x-x-big5", "cp950", "big5-hkscs":
		return true
	}
	return false
}

// vague are declarations that say nothing about bytes above 127.
func vague(name string) bool {
	switch name {
	case "", "us-ascii", "ascii", "ansi_x3.4-1968", "utf-8", "utf8", "unknown-8bit", "x-unknown", "unknown", "8bit", "binary", "default",
		"iso-8859-1", "latin1", "windows-1252", "cp1252", "ansi":
		return true
	}
	return false
}

// shifting are encodings whose bytes are all below 128 and mean something else.
func shifting(name string) bool {
	return strings.HasPrefix(name, "iso-2022") || strings.HasPrefix(name, "hz-gb") || strings.HasPrefix(name, "utf-16") || strings.HasPrefix(name, "utf16")
}

// guess reads bytes whose charset nobody said rightly.
func guess(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	gb, big5 := gbScore(b), big5Score(b)
	switch {
	case mostlyUTF8(b):
		return strings.ToValidUTF8(string(b), "\uFFFD") // cut in the middle of a letter
	case gb >= 0.6 && gb >= big5:
		return decodeWith(simplifiedchinese.GB18030, b)
	case big5 >= 0.6:
		return decodeWith(traditionalchinese.Big5, b)
	case gb > 0.3:
		return decodeWith(simplifiedchinese.GB18030, b)
	}
	if enc, err := htmlindex.Get("windows-1252"); err == nil {
		return decodeWith(enc, b)
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}

func decodeWith(enc encoding.Encoding, b []byte) string {
	out, err := enc.NewDecoder().Bytes(b)
	if err != nil {
		return strings.ToValidUTF8(string(b), "\uFFFD")
	}
	return strings.ToValidUTF8(string(out), "\uFFFD")
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// looksUTF8 tells UTF-8 from GBK: valid, and with a letter of three or more
// bytes, since two-byte sequences are common in both.
func looksUTF8(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	return bytes.ContainsFunc(b, func(r rune) bool { return r >= 0x800 })
}

// mostlyUTF8 tells whether all but a few bytes at the ends of pieces are UTF-8.
func mostlyUTF8(b []byte) bool {
	letters, bad := 0, 0
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && n == 1:
			bad++
		case r >= 0x800:
			letters++
		}
		b = b[n:]
	}
	return letters > 0 && bad*10 < letters
}

// gbScore is the share of the pairs of high bytes that are common characters or
// punctuation of GB 2312 (rows 1-3 and 16-55).
func gbScore(b []byte) float64 {
	return pairs(b, func(hi, lo byte) bool {
		return lo >= 0xA1 && lo <= 0xFE && (hi >= 0xA1 && hi <= 0xA3 || hi >= 0xB0 && hi <= 0xD7)
	})
}

// big5Score is the share that are frequently used characters or punctuation of Big5.
func big5Score(b []byte) float64 {
	return pairs(b, func(hi, lo byte) bool {
		return hi >= 0xA1 && hi <= 0xC6 && (lo >= 0x40 && lo <= 0x7E || lo >= 0xA1 && lo <= 0xFE)
	})
}

func pairs(b []byte, common func(hi, lo byte) bool) float64 {
	all, good := 0, 0
	for i := 0; i < len(b); i++ {
		if b[i] < 0x80 {
			continue
		}
		all++
		if i+1 < len(b) && common(b[i], b[i+1]) {
			good++
		}
		i++
	}
	if all == 0 {
		return 0
	}
	return float64(good) / float64(all)
}
