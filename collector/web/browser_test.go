package web

import (
	"bytes"
	"image/png"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// chromium returns the browser's path. It is not skipped where all must run.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("chromium is not installed: apt-get install chromium")
	}
	t.Skip("chromium is not installed: pages are not driven in a browser")
	return ""
}

// drive opens the page in a headless browser of that width and returns the
// document as it is after scripts ran, and a picture of it. With the variable
// FAULTLINE_SCREENSHOTS=DIR the pictures are kept there to be looked at.
func drive(t *testing.T, browser, address, name, language string, width, height int) (dom string, picture []byte) {
	t.Helper()
	dir := t.TempDir()
	shot := filepath.Join(dir, "page.png")
	run := func(args ...string) []byte {
		args = append([]string{"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
			"--user-data-dir=" + filepath.Join(dir, "profile"), "--timeout=15000", "--accept-lang=" + language, "--window-size=" + strconv.Itoa(width) + "," + strconv.Itoa(height)}, args...)
		cmd := exec.CommandContext(t.Context(), browser, append(args, address)...)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("chromium %s: %v\n%s", name, err, errs.String())
		}
		for _, fault := range []string{"Content Security Policy", "Uncaught"} {
			if strings.Contains(errs.String(), fault) {
				t.Errorf("%s: the browser complains:\n%s", name, errs.String())
			}
		}
		return out
	}
	dom = string(run("--enable-logging=stderr", "--dump-dom", "--screenshot="+shot))
	picture, err := os.ReadFile(shot)
	if err != nil {
		t.Fatal(err)
	}
	if keep := os.Getenv("FAULTLINE_SCREENSHOTS"); keep != "" {
		if err := os.WriteFile(filepath.Join(keep, name+".png"), picture, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dom, picture
}

// TestPagesInChromium opens the pages in both languages and themes, at a desk's
// width and a phone's, and checks what the browser made of them.
func TestPagesInChromium(t *testing.T) {
	if testing.Short() {
		t.Skip("short: pages are not driven in a browser")
	}
	browser := chromium(t)
	f := newFixture(t)
	f.wait.Store(int64(1500 * time.Millisecond))
	for _, c := range []struct {
		name, path, lang, theme string
		width, height           int
		want                    []string
	}{
		{"signin-zh", "/sign-in", "zh-CN", "light", 1440, 900, []string{"登录", `name="password"`, `name="name"`}},
		{"signin-en-phone", "/sign-in", "en", "dark", 500, 844, []string{"Sign in", `name="password"`}},
		{"list-zh", "/incidents", "zh-CN", "light", 1440, 900, []string{"20261121-0042", "专线故障", "演练"}},
		{"list-en-phone", "/incidents", "en", "dark", 500, 1600, []string{"20261121-0042", "carrier line", "DRILL"}},
		{"detail-zh-phone", "/incidents/01line", "zh-CN", "light", 500, 5200, []string{"两端端口正常", "故障原因分析判断", "u-legend", "前</span>"}},
		{"detail-en", "/incidents/01line", "en", "dark", 1440, 2000, []string{"100 % loss across it", "Carrier repairs", "u-legend", " ago</span>", " overdue</span>"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := f.srv.URL + c.path
			if c.path != "/sign-in" { // a browser that only takes pictures cannot fill in a form
				q := url.Values{"as": {"chen"}, "lang": {c.lang}, "theme": {c.theme}, "next": {c.path}}
				address = f.srv.URL + "/test-sign-in?" + q.Encode()
			}
			dom, picture := drive(t, browser, address, c.name, c.lang, c.width, c.height)
			for _, w := range c.want {
				if !strings.Contains(dom, w) {
					t.Errorf("the page does not show %q", w)
				}
			}
			img, err := png.Decode(bytes.NewReader(picture))
			if err != nil || img.Bounds().Dx() != c.width {
				t.Errorf("picture: %v, %v", img.Bounds(), err)
			}
		})
	}
}

// TestServe serves the fixture for a person to look at:
// FAULTLINE_SERVE=10m go test -run TestServe -v ./collector/web
func TestServe(t *testing.T) {
	long, err := time.ParseDuration(os.Getenv("FAULTLINE_SERVE"))
	if err != nil {
		return // nobody wants to look
	}
	f := newFixture(t)
	t.Logf("%s/test-sign-in?as=chen&lang=en&theme=light&next=/", f.srv.URL)
	select {
	case <-t.Context().Done():
	case <-time.After(long):
	}
}
