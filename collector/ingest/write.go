package ingest

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
)

const (
	headerHistogramsWritten = "X-Prometheus-Remote-Write-Histograms-Written"
	headerExemplarsWritten  = "X-Prometheus-Remote-Write-Exemplars-Written"

	protoV1 = "prometheus.WriteRequest"
	protoV2 = "io.prometheus.write.v2.Request"

	storeRetry = 5 * time.Second
)

// write serves a remote write request.
func (h *Handler) write(w http.ResponseWriter, r *http.Request, src Source) *fault {
	v2, f := writeVersion(r.Header)
	if f != nil {
		return f
	}
	d := h.decoder()
	defer h.release(d)
	plain, f := d.readSnappy(r)
	if f != nil {
		return f
	}
	h.metrics.bytes.Add(float64(d.body.Len()))
	d.forced = newForced(src)
	decode, name := d.decodeV1, protoV1
	if v2 {
		decode, name = d.decodeV2, protoV2
	}
	if err := decode(plain); errors.Is(err, errTooMany) {
		return tooLarge(err.Error() + ": send smaller requests")
	} else if err != nil {
		return badRequest("protobuf", "body is not a "+name+": "+err.Error())
	}
	d.dropAhead(h.opts.Now().Add(h.opts.Limits.MaxAhead).UnixMilli())
	if d.histograms > 0 {
		d.refused.Reject(nil, metricstore.ReasonNativeHistogram, d.histograms)
	}
	stats, f := h.store(r.Context(), w, src, d)
	if f != nil {
		return f
	}
	if v2 {
		w.Header().Set(wire.HeaderSamplesWritten, strconv.Itoa(stats.Appended))
		w.Header().Set(headerHistogramsWritten, "0")
		w.Header().Set(headerExemplarsWritten, "0")
	}
	if stats.Rejected > 0 {
		return badRequest("partial", partialText(stats, d.samples+d.histograms))
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// writeVersion tells from the headers which message the body is. Without
// headers it is version 1.0, as old senders have it.
func writeVersion(head http.Header) (v2 bool, f *fault) {
	if enc := head.Get("Content-Encoding"); enc != "" && enc != "snappy" {
		return false, unsupported(fmt.Sprintf("content encoding %q is not accepted, only snappy (block format)", enc))
	}
	ct := head.Get("Content-Type")
	if ct == "" {
		return false, nil
	}
	media, params, err := mime.ParseMediaType(ct)
	if err != nil || media != "application/x-protobuf" {
		return false, unsupported(fmt.Sprintf("content type %q is not accepted, only application/x-protobuf", ct))
	}
	switch params["proto"] {
	case "", protoV1:
		return false, nil
	case protoV2:
		return true, nil
	default:
		return false, unsupported(fmt.Sprintf("message %q is not accepted, only %s and %s", params["proto"], protoV1, protoV2))
	}
}

func unsupported(text string) *fault {
	return &fault{status: http.StatusUnsupportedMediaType, outcome: "content_type", text: text}
}

// store appends d's series, tells mirrors and observers, and sets the headers
// of durability. The stats include what the decoder refused.
func (h *Handler) store(ctx context.Context, w http.ResponseWriter, src Source, d *decoder) (metricstore.Stats, *fault) {
	epoch := ""
	if h.opts.Durable != nil {
		epoch = h.opts.Durable.Epoch()
	}
	var stats metricstore.Stats
	if len(d.series) > 0 {
		var err error
		if stats, err = h.appendAll(ctx, d.series); err != nil {
			return stats, &fault{status: http.StatusServiceUnavailable, outcome: "store", retry: storeRetry, text: "nothing acknowledged, send again: " + err.Error()}
		}
	}
	if h.opts.Durable != nil {
		if h.opts.Durable.Epoch() != epoch {
			return stats, &fault{status: http.StatusServiceUnavailable, outcome: "store", retry: time.Second, text: "nothing acknowledged, send again: the store was reopened meanwhile"}
		}
		h.setDurable(w, epoch)
	}
	h.observe(src, d)
	stats.Add(d.refused)
	h.metrics.count(stats, d)
	return stats, nil
}

func (h *Handler) appendAll(ctx context.Context, series []metricstore.Series) (metricstore.Stats, error) {
	stats, err := h.opts.Appender.Append(ctx, series)
	if err != nil {
		return stats, err
	}
	for _, m := range h.opts.Mirrors {
		if _, err := m.Append(ctx, series); err != nil {
			return stats, err
		}
	}
	return stats, nil
}

func (h *Handler) setDurable(w http.ResponseWriter, epoch string) {
	w.Header().Set(wire.HeaderEpoch, epoch)
	w.Header().Set(wire.HeaderSequence, strconv.FormatUint(h.opts.Durable.Sequence(), 10))
	w.Header().Set(wire.HeaderDurable, strconv.FormatUint(h.opts.Durable.DurableUntil(), 10))
}

func (h *Handler) observe(src Source, d *decoder) {
	if h.opts.Metadata != nil && len(d.metadata) > 0 {
		h.opts.Metadata.KeepMetadata(d.metadata)
	}
	if len(d.series) == 0 {
		return
	}
	for _, see := range h.opts.Observers {
		see(src, d.series)
	}
}

// partialText says in one line what was stored and what was refused, and why.
func partialText(stats metricstore.Stats, sent int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "stored %d of %d samples; refused %d for good", stats.Appended, sent, stats.Rejected)
	const named = 5
	for i, r := range stats.Rejections {
		if i == named {
			b.WriteString("; ...")
			break
		}
		fmt.Fprintf(&b, "; %s: %s", r.Reason, hint(r.Reason))
		if len(r.Labels) > 0 {
			fmt.Fprintf(&b, " (%s)", labelText(r.Labels))
		}
	}
	return b.String()
}

func hint(reason string) string {
	switch reason {
	case metricstore.ReasonTooFarAhead:
		return "the sender's clock is ahead of the collector's"
	case metricstore.ReasonTooOld:
		return "older than the store takes"
	case metricstore.ReasonDuplicateTime:
		return "another value is stored for that moment"
	case metricstore.ReasonInvalidLabels:
		return "no metric name, or a label that is not valid UTF-8"
	case metricstore.ReasonDuplicateLabels:
		return "a label occurs twice"
	case metricstore.ReasonLabelLimit:
		return "too many or too long labels"
	case metricstore.ReasonNativeHistogram:
		return "native histograms are not stored here, switch them off at the sender"
	default:
		return "refused by the store"
	}
}

func labelText(ls base.Labels) string {
	const longest = 200
	var b strings.Builder
	b.WriteString(ls.Name())
	for _, l := range ls {
		if l.Name == base.MetricName {
			continue
		}
		fmt.Fprintf(&b, " %s=%q", l.Name, l.Value)
		if b.Len() > longest {
			return strings.ToValidUTF8(b.String()[:longest], "") + "..."
		}
	}
	return b.String()
}
