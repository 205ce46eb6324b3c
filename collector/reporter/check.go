package reporter

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/lang"
)

// Bounds of a report, in characters, pictures and bytes.
const (
	maxSymptoms = 2000
	maxWord     = 120
	MaxPhotos   = 3
	MaxPhoto    = 8 << 20
	// MaxRequest bounds a whole report with its pictures.
	MaxRequest = MaxPhotos*MaxPhoto + 64<<10
)

// Categories of symptoms, in the order they are offered.
const (
	NetworkDown = "network_down"
	NetworkSlow = "network_slow"
	System      = "system" // a business system or server does not answer
	Power       = "power"
	Room        = "room" // heat, water, smoke, noise in the machine room
	Equipment   = "equipment"
	Security    = "security"
	Other       = "other"
)

// Categories returns all categories.
func Categories() []string {
	return []string{NetworkDown, NetworkSlow, System, Power, Room, Equipment, Security, Other}
}

// Fault is what is wrong with a report, for the person who wrote it.
type Fault struct {
	Field string
	Text  lang.Text
}

// Error returns the text in English.
func (f *Fault) Error() string { return f.Text.EN }

func fault(field, zh, en string) error { return &Fault{field, lang.Text{ZH: zh, EN: en}} }

// check completes the draft and finds what is wrong with it.
func (d *Draft) check(g *inventory.Graph) error {
	if d.Category == "" {
		d.Category = Other
	}
	if d.Language != lang.EN {
		d.Language = lang.ZH
	}
	_, known := g.Site(d.Site)
	switch {
	case !known:
		return fault("site", "请选择地点", "choose the place")
	case d.Device != "" && g.SiteOf(d.Device) != d.Site:
		return fault("device", "该地点没有这台设备或专线", "there is no such device or line at this place")
	case !slices.Contains(Categories(), d.Category):
		return fault("category", "请选择故障现象", "choose what is wrong")
	case strings.TrimSpace(d.Symptoms) == "":
		return fault("symptoms", "请说明现象", "say what you see")
	case utf8.RuneCountInString(d.Symptoms) > maxSymptoms:
		return fault("symptoms", "现象说明超过 2000 字", "what you see is longer than 2000 characters")
	case utf8.RuneCountInString(d.Name) > maxWord || utf8.RuneCountInString(d.Contact) > maxWord:
		return fault("name", "姓名或联系方式太长", "name or contact is too long")
	case len(d.Photos) > MaxPhotos:
		return fault("photo", "最多 3 张照片", "three photos at most")
	}
	for _, s := range []string{d.Symptoms, d.Name, d.Contact} {
		if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			return fault("symptoms", "文字不是 UTF-8", "the text is not UTF-8")
		}
	}
	return nil
}

func mac(key []byte, text string) string {
	m := hmac.New(sha256.New, key)
	m.Write([]byte("report link\x00" + text))
	return hex.EncodeToString(m.Sum(nil))[:32]
}
