// Package browser drives a headless Chromium in tests, over the pipe of its
// DevTools protocol: open a page at a phone's size, fill in forms, press buttons,
// choose files, take pictures. It needs the browser and nothing else, and is no
// part of the product.
package browser

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faultline/faultline/internal/lab/need"
)

// Size is how a page is shown.
type Size struct {
	Width, Height int
	Phone         bool   // touch, two pixels for one
	Agent         string // user agent; "" is the browser's
	Language      string // Accept-Language; "" is zh-CN
	NoScript      bool   // scripts of pages do not run
}

// Page is one open page. Its methods end the test when they fail; they are
// called from the test's goroutine.
type Page struct {
	t       testing.TB
	w       io.Writer
	session string

	mu      sync.Mutex // guards the fields below
	next    int
	waiting map[int]chan answer
	loaded  chan struct{} // capacity 1
	faults  []string
}

type answer struct {
	Result json.RawMessage
	Error  *struct{ Message string }
}

// patience is how long one command may take on a busy machine.
const patience = 60 * time.Second

// Open starts a browser with an empty page; it ends with the test.
func Open(t testing.TB, s Size) *Page {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		need.Missing(t, "chromium is not installed: apt-get install chromium")
	}
	if s.Language == "" {
		s.Language = "zh-CN"
	}
	p := start(t, program, s)
	var target struct{ TargetID string }
	p.must("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	p.must("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	p.session = attached.SessionID
	for _, domain := range []string{"Page", "DOM", "Log", "Runtime"} {
		p.must(domain+".enable", nil, nil)
	}
	scale := 1
	if s.Phone {
		scale = 2
	}
	p.must("Emulation.setDeviceMetricsOverride", map[string]any{"width": s.Width, "height": s.Height, "deviceScaleFactor": scale, "mobile": s.Phone}, nil)
	if s.Agent != "" {
		p.must("Emulation.setUserAgentOverride", map[string]any{"userAgent": s.Agent, "acceptLanguage": s.Language}, nil)
	}
	if s.NoScript {
		p.must("Emulation.setScriptExecutionDisabled", map[string]any{"value": true}, nil)
	}
	return p
}

// start runs the program and reads what it says.
func start(t testing.TB, program string, s Size) *Page {
	t.Helper()
	toR, toW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	fromR, fromW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run", "--remote-debugging-pipe",
		"--accept-lang="+s.Language, "--user-data-dir="+filepath.Join(t.TempDir(), "profile"), "about:blank")
	cmd.ExtraFiles = []*os.File{toR, fromW}          // the browser's 3 and 4
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8") // or files with Chinese names are not found
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = toR.Close(), fromW.Close()
	p := &Page{t: t, w: toW, waiting: map[int]chan answer{}, loaded: make(chan struct{}, 1)}
	done := make(chan struct{})
	go func() { defer close(done); p.read(fromR) }()
	t.Cleanup(func() {
		_ = toW.Close() // it ends when nobody speaks to it any more
		gone := make(chan struct{})
		go func() { defer close(gone); _ = cmd.Wait() }()
		select {
		case <-gone:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-gone
		}
		_ = fromR.Close()
		<-done
		if t.Failed() {
			t.Logf("chromium: %s", said.String())
		}
	})
	return p
}

// read takes answers and events, which end with a zero byte.
func (p *Page) read(r io.Reader) {
	in := bufio.NewReaderSize(r, 1<<20)
	for {
		b, err := in.ReadBytes(0)
		if err != nil {
			return
		}
		var m struct {
			ID     int
			Method string
			Params json.RawMessage
			answer
		}
		if json.Unmarshal(bytes.TrimSuffix(b, []byte{0}), &m) != nil {
			continue
		}
		p.mu.Lock()
		switch {
		case m.ID != 0:
			if c := p.waiting[m.ID]; c != nil {
				c <- m.answer
				delete(p.waiting, m.ID)
			}
		case m.Method == "Page.loadEventFired":
			select {
			case p.loaded <- struct{}{}:
			default:
			}
		case m.Method == "Log.entryAdded" || m.Method == "Runtime.exceptionThrown":
			p.faults = append(p.faults, string(m.Params))
		}
		p.mu.Unlock()
	}
}

// must sends a command and reads its answer.
func (p *Page) must(method string, params, into any) {
	p.t.Helper()
	if params == nil {
		params = map[string]any{}
	}
	p.mu.Lock()
	p.next++
	id, c := p.next, make(chan answer, 1)
	p.waiting[id] = c
	p.mu.Unlock()
	msg := map[string]any{"id": id, "method": method, "params": params}
	if p.session != "" {
		msg["sessionId"] = p.session
	}
	b, err := json.Marshal(msg)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.w.Write(append(b, 0)); err != nil {
		p.t.Fatalf("%s: %v", method, err)
	}
	select {
	case a := <-c:
		if a.Error != nil {
			p.t.Fatalf("%s: %s", method, a.Error.Message)
		}
		if into != nil {
			if err := json.Unmarshal(a.Result, into); err != nil {
				p.t.Fatalf("%s: %v", method, err)
			}
		}
	case <-time.After(patience):
		p.t.Fatalf("%s: no answer from the browser", method)
	}
}

// Go opens an address.
func (p *Page) Go(address string) {
	p.t.Helper()
	p.leave(func() { p.must("Page.navigate", map[string]any{"url": address}, nil) })
}

// leave does what leads to another page and waits until that is there.
func (p *Page) leave(do func()) {
	p.t.Helper()
	select {
	case <-p.loaded:
	default:
	}
	do()
	select {
	case <-p.loaded:
	case <-time.After(patience):
		p.t.Fatal("the page does not come")
	}
}

// node finds the one element of a CSS selector.
func (p *Page) node(selector string) int {
	p.t.Helper()
	var doc struct{ Root struct{ NodeID int } }
	p.must("DOM.getDocument", nil, &doc)
	var found struct{ NodeID int }
	p.must("DOM.querySelector", map[string]any{"nodeId": doc.Root.NodeID, "selector": selector}, &found)
	if found.NodeID == 0 {
		p.t.Fatalf("the page has no %s:\n%s", selector, p.HTML())
	}
	return found.NodeID
}

// Press clicks an element where it lies, as a finger does, and waits for the page
// that follows.
func (p *Page) Press(selector string) {
	p.t.Helper()
	p.leave(func() { p.click(selector) })
}

// Click clicks on what opens or closes within the page.
func (p *Page) Click(selector string) {
	p.t.Helper()
	p.click(selector)
}

func (p *Page) click(selector string) {
	p.t.Helper()
	n := p.node(selector)
	p.must("DOM.scrollIntoViewIfNeeded", map[string]any{"nodeId": n}, nil)
	var box struct{ Model struct{ Content []float64 } }
	p.must("DOM.getBoxModel", map[string]any{"nodeId": n}, &box)
	c := box.Model.Content
	x, y := (c[0]+c[4])/2, (c[1]+c[5])/2
	for _, kind := range []string{"mousePressed", "mouseReleased"} {
		p.must("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1}, nil)
	}
}

// Type writes into a field.
func (p *Page) Type(selector, text string) {
	p.t.Helper()
	p.must("DOM.focus", map[string]any{"nodeId": p.node(selector)}, nil)
	p.must("Input.insertText", map[string]any{"text": text}, nil)
}

// Choose chooses files.
func (p *Page) Choose(selector string, paths ...string) {
	p.t.Helper()
	p.must("DOM.setFileInputFiles", map[string]any{"nodeId": p.node(selector), "files": paths}, nil)
}

// HTML is the document as it is.
func (p *Page) HTML() string {
	p.t.Helper()
	var doc struct{ Root struct{ NodeID int } }
	p.must("DOM.getDocument", nil, &doc)
	var out struct{ OuterHTML string }
	p.must("DOM.getOuterHTML", map[string]any{"nodeId": doc.Root.NodeID}, &out)
	return out.OuterHTML
}

// Shows fails the test for each text that the page does not hold.
func (p *Page) Shows(texts ...string) {
	p.t.Helper()
	doc := p.HTML()
	for _, want := range texts {
		if !strings.Contains(doc, want) {
			p.t.Errorf("the page does not show %q", want)
		}
	}
}

// Wide is how wide the page's content is, in its own pixels: more than the
// window's width has to be pushed aside to be read.
func (p *Page) Wide() int {
	p.t.Helper()
	var m struct {
		CSSContentSize struct{ Width float64 }
	}
	p.must("Page.getLayoutMetrics", nil, &m)
	return int(m.CSSContentSize.Width)
}

// Picture takes a picture of the whole page. With FAULTLINE_SCREENSHOTS=DIR it
// is kept there under the name.
func (p *Page) Picture(name string) []byte {
	p.t.Helper()
	var shot struct{ Data string }
	p.must("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &shot)
	b, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		p.t.Fatal(err)
	}
	if keep := os.Getenv("FAULTLINE_SCREENSHOTS"); keep != "" {
		if err := os.WriteFile(filepath.Join(keep, name+".png"), b, 0o644); err != nil {
			p.t.Fatal(err)
		}
	}
	return b
}

// Faults are what the browser complained about so far.
func (p *Page) Faults() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.faults...)
}

// String says where the page is.
func (p *Page) String() string { return fmt.Sprintf("browser session %s", p.session) }
