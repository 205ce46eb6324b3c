package vendorpage

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/internal/lab/browser"
)

// weChat is how WeChat on an old Android calls itself.
const weChat = "Mozilla/5.0 (Linux; Android 7.1.1; OPPO R11 Build/NMF26X; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/53.0.2785.49 Mobile MQQBrowser/6.2 TBS/043508 Safari/537.36 MicroMessenger/6.5.13.1100 NetType/WIFI Language/zh_CN"

// TestOnAPhone goes the vendor's way at a phone's size, without scripts: accept,
// hand in the report, say that it is fixed.
func TestOnAPhone(t *testing.T) {
	if testing.Short() {
		t.Skip("short: pages are not driven in a browser")
	}
	w := newWorld(t)
	report := filepath.Join(t.TempDir(), "故障检测报告.pdf")
	if err := os.WriteFile(report, pdf, 0o600); err != nil {
		t.Fatal(err)
	}
	p := browser.Open(t, browser.Size{Width: 390, Height: 844, Phone: true, Agent: weChat, NoScript: true})
	p.Go(w.srv.URL + Prefix + w.token(0))
	p.Shows("甲线丢包百分之百", "SH-0001", "王工", "measured of line-a", "受理工单")
	fits(t, p, "page-zh")
	p.Type(`input[name="at"]`, "14:30")
	p.Press("form.main button")
	p.Shows("已受理，谢谢", "预计时间 2026-11-22 14:30", "更新预计时间")
	p.Choose(`input[type="file"]`, report)
	p.Press(`form[enctype] button`)
	p.Shows("文件已收到", "故障检测报告.pdf")
	p.Type(`#cause`, "光缆被挖断，已熔接")
	p.Press(`#cause + button`)
	p.Shows("已记录", "监测数据尚未证实恢复")
	fits(t, p, "page-zh-fixed")
	got := w.facts(0)
	if len(got) != 3 || got[0].Choice != process.VendorAccepted || got[1].Kind != incident.Attached || got[2].Choice != process.VendorFixed || got[2].Comment != "光缆被挖断，已熔接" {
		t.Fatalf("facts %+v", got)
	}
	if v := w.views(0); len(v) != 1 || v[0].Comment != "微信 WeChat" {
		t.Errorf("views %+v", v)
	}
	if f := p.Faults(); len(f) != 0 {
		t.Errorf("the browser complains: %v", f)
	}
	p.Go(w.srv.URL + Prefix + w.token(2))
	p.Shows("fault of router-c", "Accept the ticket", "Contact on site")
	fits(t, p, "page-en")
	p.Go(w.srv.URL + Prefix + "forged")
	p.Shows("此链接无效")
	fits(t, p, "page-forged")
}

// fits takes a picture and checks that nothing is wider than the phone.
func fits(t *testing.T, p *browser.Page, name string) {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(p.Picture(name)))
	if err != nil || img.Bounds().Dx() != 780 {
		t.Errorf("%s: picture %v, %v", name, img.Bounds(), err)
	}
	if wide := p.Wide(); wide > 390 {
		t.Errorf("%s is %d pixels wide", name, wide)
	}
}
