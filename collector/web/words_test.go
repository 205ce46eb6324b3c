package web

import (
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/document"
	"github.com/faultline/faultline/internal/lang"
)

func catalogues(t *testing.T) (zh, en catalogue) {
	t.Helper()
	c, err := loadCatalogues()
	if err != nil {
		t.Fatal(err)
	}
	return c[lang.ZH], c[lang.EN]
}

func TestBothLanguagesSayTheSame(t *testing.T) {
	zh, en := catalogues(t)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(zh)), slices.Sorted(maps.Keys(en))); diff != "" {
		t.Errorf("keys (-zh-CN +en)\n%s", diff)
	}
	verbs := regexp.MustCompile(`%[a-z]`)
	han := regexp.MustCompile(`\p{Han}`)
	for k := range zh {
		if diff := cmp.Diff(verbs.FindAllString(zh[k], -1), verbs.FindAllString(en[k], -1)); diff != "" {
			t.Errorf("%s: arguments (-zh-CN +en)\n%s", k, diff)
		}
		if han.MatchString(en[k]) {
			t.Errorf("%s: Chinese in the English catalogue: %s", k, en[k])
		}
	}
}

// TestEveryKeyIsThere finds keys that templates and code use.
func TestEveryKeyIsThere(t *testing.T) {
	zh, _ := catalogues(t)
	use := regexp.MustCompile(`\.T\(? ?"([a-z0-9_.]+)"`)
	check := func(name string, text []byte) {
		for _, m := range use.FindAllSubmatch(text, -1) {
			if key := string(m[1]); zh[key] == "" && !strings.HasSuffix(key, ".") {
				t.Errorf("%s uses %s, which has no words", name, key)
			}
		}
	}
	pages, err := fs.Glob(files, "templates/*.html")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no templates: %v", err)
	}
	for _, name := range pages {
		b, err := files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		check(name, b)
	}
	for _, r := range account.Roles() {
		if zh["role."+r.ID] != r.Title.ZH {
			t.Errorf("role %s is called %q and %q", r.ID, zh["role."+r.ID], r.Title.ZH)
		}
	}
	for _, i := range sampleIncidents() {
		for _, s := range chartsOf(i) {
			if _, ok := zh["measure."+s.Unit]; zh["chart."+s.ID] == "" || !ok {
				t.Errorf("chart %s in %s has no words", s.ID, s.Unit)
			}
		}
	}
}

func TestDuration(t *testing.T) {
	zh, en := catalogues(t)
	for d, want := range map[time.Duration][2]string{
		0: {"0 s", "0 秒"}, 59 * time.Second: {"59 s", "59 秒"}, 200 * time.Second: {"3 min 20 s", "3 分 20 秒"}, time.Hour: {"1 h", "1 小时"},
		26*time.Hour + 5*time.Minute: {"1 d 2 h", "1 天 2 小时"}, 24*time.Hour + 5*time.Minute: {"1 d", "1 天"}, -time.Minute: {"0 s", "0 秒"},
	} {
		if got := [2]string{(&page{words: en}).Duration(d), (&page{words: zh}).Duration(d)}; got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

func TestLanguageOf(t *testing.T) {
	for header, want := range map[string]string{"": lang.ZH, "en-GB,en;q=0.9": lang.EN, "zh-TW": lang.ZH, "fr,de": lang.ZH, "fr, en;q=0.5": lang.EN} {
		f := newFixture(t)
		b := f.browser()
		b.header.Set("Accept-Language", header)
		if _, _, page := b.get("/sign-in"); !strings.Contains(page, `<html lang="`+want+`"`) {
			t.Errorf("Accept-Language %q: not %s", header, want)
		}
	}
}

// TestPapersHaveOneName holds the timeline's words to those of the documents.
func TestPapersHaveOneName(t *testing.T) {
	zh, en := catalogues(t)
	for _, k := range document.Kinds {
		if got, want := (lang.Text{ZH: zh["attachment."+k], EN: en["attachment."+k]}), document.KindTitle(k); got != want {
			t.Errorf("%s is called %q and %q", k, got, want)
		}
	}
}
