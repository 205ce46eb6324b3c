package web

import "net/http"

// mount adds the pages of reporting, knowledge, documents and exercises.
func (c *console) mount(mux *http.ServeMux) {
	open, signedIn := c.reportPages()
	for pattern, h := range open {
		mux.Handle(pattern, c.open(h))
	}
	for _, pages := range []map[string]handler{signedIn, c.knowledgePages(), c.writeupPages()} {
		for pattern, h := range pages {
			mux.Handle(pattern, c.signedIn(h, false))
		}
	}
}
