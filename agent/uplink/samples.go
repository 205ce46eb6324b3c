package uplink

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/faultline/faultline/agent/link"
	"github.com/faultline/faultline/agent/spool"
	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
)

// sampleItem is one record of the samples lane, decoded.
type sampleItem struct {
	at    spool.Range
	batch base.Batch
}

// sendSamples sends the next samples of a cursor. It returns how many it took
// up, zero when there were none, and whether the way is still open.
func (u *Uplink) sendSamples(ctx context.Context, c spool.Cursor) (int, bool) {
	u.decoder.Reset()
	items, n := u.takeSamples(c)
	if len(items) == 0 {
		return n, true
	}
	return n, u.deliverSamples(ctx, items, cursorName(c))
}

// takeSamples peeks and decodes about as much as may go in one request; the rest
// goes back. A record counts as one sample at least. What it returns is valid until
// the decoder's next Reset.
func (u *Uplink) takeSamples(c spool.Cursor) (items []sampleItem, n int) {
	records := u.peek(u.samples, c)
	for i, r := range records {
		if n >= u.most {
			u.opt.Spool.Return(r.Range.Through(records[len(records)-1].Range))
			break
		}
		batch, err := u.decoder.Decode(r.Data)
		n += max(batch.Len(), 1)
		if err != nil {
			u.quarantine(r.Range, err.Error())
			continue
		}
		records[i].Data = nil // not needed any more, and the request may take its time
		items = append(items, sampleItem{r.Range, batch})
	}
	return items, n
}

// backlog is the name of the cursor whose samples can wait.
const backlog = "backlog"

func cursorName(c spool.Cursor) string {
	if c == spool.SamplesLive {
		return "live"
	}
	return backlog
}

// deliverSamples writes the items in one request; refused ones are halved until
// the one that is at fault is found. It tells whether the way is still open.
func (u *Uplink) deliverSamples(ctx context.Context, items []sampleItem, cursor string) bool {
	all := make([]base.Batch, len(items))
	ranges := make([]spool.Range, len(items))
	empty := true
	for i, it := range items {
		ranges[i], all[i] = it.at, it.batch
		empty = empty && it.batch.Len() == 0
	}
	if !u.ready(u.samples) {
		u.takeBack(ranges)
		return false
	}
	if empty {
		for _, r := range ranges {
			u.ack(r)
		}
		return true
	}
	begin := u.opt.Now()
	a, stored, err := u.write(ctx, all, cursor == backlog)
	u.resize(u.opt.Now().Sub(begin), err)
	if err != nil {
		u.takeBack(ranges)
		u.unanswered(ctx, u.samples, err)
		return false
	}
	v := judge(a.Status)
	if v == refused && stored.written > 0 {
		v = accepted // remote write 2.0: the good part is stored and must not be sent again
	}
	if v == again && cursor == backlog { // what is live need not wait for it
		u.held = u.opt.Now().Add(max(link.RetryAfter(a.Header, u.opt.Now()), time.Second))
		u.takeBack(ranges)
		return false
	}
	u.answered(u.samples, a, v)
	switch v {
	case accepted:
		if cursor == backlog {
			u.backlogRefusals = 0
		}
		u.count(stored, all, cursor, a)
		u.delivered(u.samples, a.Header, ranges)
		return true
	case refused, tooLarge:
		return u.splitSamples(ctx, items, cursor, a.Text())
	default:
		u.takeBack(ranges)
		return false
	}
}

// largest is how many times MaxSamples may go in one request over a fast line.
const largest = 4

// resize lets requests grow while they are answered fast, so that many records
// share one, and go back to MaxSamples where the line is slow.
func (u *Uplink) resize(took time.Duration, err error) {
	switch {
	case err != nil || took > u.opt.Timeout/5:
		u.most = u.opt.MaxSamples
	case took < u.opt.Timeout/20:
		u.most = min(2*u.most, largest*u.opt.MaxSamples)
	}
}

func (u *Uplink) splitSamples(ctx context.Context, items []sampleItem, cursor, reason string) bool {
	if len(items) == 1 {
		u.quarantine(items[0].at, reason)
		if cursor == backlog {
			u.backlogRefusals++ // slows the backlog only, in round
		} else {
			u.refusedOne(u.samples)
		}
		return true
	}
	half := len(items) / 2
	first := u.deliverSamples(ctx, items[:half], cursor)
	return u.deliverSamples(ctx, items[half:], cursor) && first
}

// count counts an accepted request and what of it the receiver left out.
func (u *Uplink) count(s stored, all []base.Batch, cursor string, a link.Answer) {
	u.met.samples.WithLabelValues(cursor).Add(float64(s.written))
	if left := s.sent - s.written; left > 0 {
		u.met.rejected.Add(float64(left))
		u.opt.Logger.Warn("uplink: the receiver left samples out", "samples", left, "of", s.sent, "answer", a.Text())
	}
	if cursor == "live" {
		u.met.delay.Set(u.opt.Now().Sub(time.UnixMilli(newest(all))).Seconds())
	}
}

// newest is the time of the newest sample, in milliseconds.
func newest(all []base.Batch) int64 {
	at := int64(math.MinInt64)
	for i := range all {
		for k := range all[i].Samples {
			at = max(at, all[i].Samples[k].Time)
		}
		for k := range all[i].Blocks {
			for _, r := range all[i].Blocks[k].Rows {
				at = max(at, r.Time)
			}
		}
	}
	return at
}

// stored is what a request held and what the receiver says it wrote.
type stored struct{ sent, written int }

// versionState is which remote write the receiver understands.
type versionState struct {
	old     bool      // only 1.0, or nothing proves otherwise
	proven  bool      // 2.0 was confirmed
	probeAt time.Time // when 2.0 is tried again while old
	epoch   string    // of the receiver when it was found to be old
}

// write sends samples by remote write 2.0 if the receiver proves that it stores
// that, else by 1.0. Receivers that know only 1.0 answer 204 to 2.0 and store
// nothing; the header with the number of samples written tells them apart.
func (u *Uplink) write(ctx context.Context, all []base.Batch, kept bool) (link.Answer, stored, error) {
	v := &u.version
	if v.old && (!u.opt.Now().Before(v.probeAt) || v.epoch != u.samples.epoch) {
		v.old = false
	}
	if !v.old {
		body := u.encoder.V2Batches(all, u.opt.MetricType)
		a, err := u.post(ctx, u.samples, body.Data, writeHeader(wire.WriteV2ContentType, wire.WriteV2Version, kept))
		if err != nil {
			return a, stored{}, err
		}
		written, err := strconv.Atoi(a.Header.Get(wire.HeaderSamplesWritten))
		written = min(max(written, 0), body.Samples)
		if written > 0 || err == nil && a.Status == http.StatusBadRequest {
			v.proven = true // a refusal with the header understood the message, too
			u.met.version.Set(2)
		}
		if !v.unproven(a.Status, written) {
			return a, stored{body.Samples, written}, nil
		}
	}
	var samples []base.Sample
	for i := range all {
		samples = append(samples, all[i].All()...)
	}
	body := u.encoder.V1(samples)
	a, err := u.post(ctx, u.samples, body.Data, writeHeader(wire.WriteV1ContentType, wire.WriteV1Version, kept))
	if err != nil {
		return a, stored{}, err
	}
	if !a.OK() {
		return a, stored{sent: body.Samples}, nil
	}
	if !v.old {
		u.opt.Logger.Info("uplink: the receiver does not prove remote write 2.0, using 1.0")
	}
	*v = versionState{old: true, probeAt: v.probeAt, epoch: u.samples.epoch}
	if !u.opt.Now().Before(v.probeAt) {
		v.probeAt = u.opt.Now().Add(u.opt.Reprobe)
	}
	u.met.version.Set(1)
	return a, stored{body.Samples, body.Samples}, nil
}

// unproven tells whether an answer to 2.0 calls for sending the same by 1.0: a
// success without proof, or a refusal of the form by one that never proved it.
func (v *versionState) unproven(status, written int) bool {
	switch {
	case written > 0:
		return false
	case status/100 == 2:
		return true
	case status == http.StatusBadRequest, status == http.StatusUnsupportedMediaType, status == http.StatusNotAcceptable:
		return !v.proven
	default:
		return false
	}
}

// writeHeader is the header of a write; kept says that the samples come from the
// backlog.
func writeHeader(contentType, version string, kept bool) http.Header {
	h := http.Header{
		"Content-Type":          {contentType},
		"Content-Encoding":      {"snappy"},
		wire.HeaderWriteVersion: {version},
	}
	if kept {
		h[wire.HeaderBacklog] = []string{"1"}
	}
	return h
}
