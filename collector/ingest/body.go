package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/klauspost/compress/snappy"
)

// readBody reads the request's body into d's buffer, at most the limit.
func (d *decoder) readBody(r *http.Request) ([]byte, *fault) {
	limit := d.limits.BodyBytes
	if r.ContentLength > limit {
		return nil, tooLarge(fmt.Sprintf("body of %d bytes, at most %d: send smaller requests", r.ContentLength, limit))
	}
	d.body.Reset()
	_, err := d.body.ReadFrom(io.LimitReader(r.Body, limit+1))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, badRequest("truncated", fmt.Sprintf("body truncated after %d bytes", d.body.Len()))
	case err != nil:
		return nil, badRequest("truncated", "read body: "+err.Error())
	case int64(d.body.Len()) > limit:
		return nil, tooLarge(fmt.Sprintf("body larger than %d bytes: send smaller requests", limit))
	}
	return d.body.Bytes(), nil
}

// readSnappy reads and decompresses a snappy block.
func (d *decoder) readSnappy(r *http.Request) ([]byte, *fault) {
	body, f := d.readBody(r)
	if f != nil {
		return nil, f
	}
	n, err := snappy.DecodedLen(body)
	if err != nil {
		return nil, badRequest("snappy", "body is not a snappy block: "+err.Error())
	}
	if n > d.limits.DecodedBytes {
		return nil, tooLarge(fmt.Sprintf("body of %d bytes when decompressed, at most %d: send smaller requests", n, d.limits.DecodedBytes))
	}
	if cap(d.plain) < n {
		d.plain = make([]byte, n)
	}
	plain, err := snappy.Decode(d.plain[:cap(d.plain)], body)
	if err != nil {
		return nil, badRequest("snappy", "body is not a whole snappy block: "+err.Error())
	}
	return plain, nil
}

// Bounds of what a decoder keeps between requests.
const (
	maxKept       = 4 << 20 // bytes of each buffer
	maxKeptLabels = 100_000
	maxKeptPoints = 50_000
)

func (d *decoder) trim() {
	if d.body.Cap() > maxKept {
		d.body = bytes.Buffer{}
	}
	if cap(d.plain) > maxKept {
		d.plain = nil
	}
	if cap(d.labels) > maxKeptLabels {
		d.labels, d.symbols = nil, nil
	}
	if cap(d.points) > maxKeptPoints || cap(d.series) > maxKeptPoints {
		d.points, d.spans, d.series = nil, nil, nil
	}
}
