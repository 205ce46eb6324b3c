package web

import (
	"net/http"
	"strings"
	"testing"

	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/lang"
)

// TestFigure: a measured value has its unit, a share of one is a percentage.
func TestFigure(t *testing.T) {
	words, err := loadCatalogues()
	if err != nil {
		t.Fatal(err)
	}
	p := &page{Lang: lang.EN, words: words[lang.EN]}
	for unit, want := range map[string]string{"ratio": "80.6 %", "percent": "0.8064 %", "celsius": "0.8064 °C", "": "0.8064"} {
		if got := p.Figure(0.8064, unit); got != want {
			t.Errorf("in %q: %q, want %q", unit, got, want)
		}
	}
	zh := &page{Lang: lang.ZH, words: words[lang.ZH]}
	for span, want := range map[string][2]string{"10m": {"10 分", "10 min"}, "1h30m": {"1 小时 30 分", "1 h 30 min"}} {
		if got := [2]string{zh.Span(span), p.Span(span)}; got != want {
			t.Errorf("%s: %q, want %q", span, got, want)
		}
	}
}

// TestVendorInThePersonsLanguage: the log has a vendor's name in the vendor's own
// language; a mail's id is no number of a ticket.
func TestVendorInThePersonsLanguage(t *testing.T) {
	f := newFixture(t, func(o *Options) {
		inv := o.Inventory()
		inv.Vendors = append(inv.Vendors, inventory.Vendor{ID: "unicom-sh", Name: lang.Text{ZH: "中国联通上海", EN: "Unicom Shanghai"}})
	})
	b := f.as("chen")
	b.header.Set("Accept-Language", "en")
	status, _, body := b.get("/incidents/01line")
	if status != http.StatusOK || !strings.Contains(body, "<b>Unicom Shanghai</b>") {
		t.Errorf("status %d; the ticket does not name the vendor in English", status)
	}
	if got := vendorNumber("<inc.1@faultline.example>") + vendorNumber("DX-1"); got != "DX-1" {
		t.Errorf("numbers %q", got)
	}
}
