package ingest

import (
	"math"
	"net/http"
	"strconv"
	"time"
)

// fault is an answer other than success. 4xx other than 429 says that the same
// request would be refused again, everything else that it may be repeated.
type fault struct {
	status  int
	outcome string        // for the counter
	text    string        // for the sender's log
	retry   time.Duration // Retry-After; zero: none
}

func (f *fault) answer(w http.ResponseWriter) {
	if f.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(f.retry.Seconds()))))
	}
	http.Error(w, f.text, f.status)
}

func badRequest(outcome, text string) *fault {
	return &fault{status: http.StatusBadRequest, outcome: outcome, text: text}
}

func tooLarge(text string) *fault {
	return &fault{status: http.StatusRequestEntityTooLarge, outcome: "too_large", text: text}
}
