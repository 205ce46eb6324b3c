package database

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// reading is one poll: where its samples and events go.
type reading struct {
	w    *watched
	sink input.Sink
	at   time.Time
	kept []base.Sample // what a section read now and then has handed over; nil: nobody keeps it
}

// now sets the time of the samples that follow.
func (r *reading) now() { r.at = r.w.opts.Now() }

// put hands over one value; labels are names and values by turns.
func (r *reading) put(name string, value float64, labels ...string) {
	r.sample(labelled(name, labels), value)
}

func (r *reading) sample(ls base.Labels, value float64) {
	s := base.Sample{Labels: ls, Time: r.at.UnixMilli(), Value: value}
	if r.kept != nil {
		r.kept = append(r.kept, s)
	}
	r.sink.Sample(s)
}

// again hands over what was read before as of now: whoever judges takes an old
// sample for none, and what it says is known until it is read anew.
func (r *reading) again(samples []base.Sample) {
	for _, s := range samples {
		s.Time = r.at.UnixMilli()
		r.sink.Sample(s)
	}
}

// count hands over one value of a metric whose label values come and go. Those
// of the last reading that end does not see again become 0 once, so that nobody
// takes their last value for the present one.
func (r *reading) count(f *family, value float64, labels ...string) {
	ls := labelled(f.name, labels)
	key := strings.Join(labels, "\x00")
	f.seen[key] = ls
	r.sample(ls, value)
}

// family is a metric whose label values come and go.
type family struct {
	name string
	seen map[string]base.Labels
}

func (r *reading) family(name string) *family { return &family{name, map[string]base.Labels{}} }

// end closes a family's reading.
func (r *reading) end(f *family) {
	was := r.w.families[f.name]
	for _, key := range slices.Sorted(maps.Keys(was)) {
		if _, still := f.seen[key]; !still {
			r.sample(was[key], 0)
		}
	}
	r.w.families[f.name] = f.seen
}

func labelled(name string, labels []string) base.Labels {
	ls := make(base.Labels, 1, 1+len(labels)/2)
	ls[0] = base.Label{Name: base.MetricName, Value: name}
	for i := 0; i+1 < len(labels); i += 2 {
		if labels[i+1] != "" {
			ls = append(ls, base.Label{Name: labels[i], Value: labels[i+1]})
		}
	}
	ls.Sort()
	return ls
}

// event hands over one event; empty attributes are left out.
func (r *reading) event(kind, text string, attrs map[string]string) {
	maps.DeleteFunc(attrs, func(_, v string) bool { return v == "" })
	r.sink.Event(base.Event{Kind: kind, At: r.at, Text: text, Attrs: attrs})
}

// putState says how far the poll has come.
func (r *reading) putState(st state, f *Failure) {
	if !st.untried {
		r.put("faultline_database_port_open", truth(st.port))
	}
	r.put("faultline_database_login_success", truth(st.login))
	r.put("faultline_database_query_success", truth(st.query))
	r.put(kinds[r.w.set.kind].up, truth(st.query))
	if st.connectTook > 0 {
		r.put("faultline_database_connect_duration_seconds", st.connectTook.Seconds())
	}
	if st.loginTook > 0 {
		r.put("faultline_database_login_duration_seconds", st.loginTook.Seconds())
	}
	if st.query {
		r.put("faultline_database_query_duration_seconds", st.queryTook.Seconds())
	}
	failed := noFailure
	serves := yes
	if f != nil {
		failed, serves = f.reason, f.reason.serves()
	}
	if serves != unknown && !st.untried {
		r.put("faultline_database_serving", truth(serves == yes))
	}
	for _, k := range reasons {
		r.put("faultline_database_failed", truth(k.reason == failed), "reason", string(k.reason))
	}
}

// changing are numbers and hexadecimal ids that differ from one process to the
// next; nameLength is how much of a name is kept, in runes.
var changing = regexp.MustCompile(`[0-9a-fA-F]{8,}|[0-9]{3,}`)

const nameLength = 60

// tidy makes a name that programs give themselves fit for a label.
func tidy(name string) string {
	name = changing.ReplaceAllString(name, "*")
	if r := []rune(name); len(r) > nameLength {
		return string(r[:nameLength]) + "…"
	}
	return name
}

// seconds says a duration in text: 0.5 s, 12 s, 3 min.
func seconds(s float64) string {
	switch {
	case s < 10:
		return strconv.FormatFloat(s, 'f', 1, 64) + " s"
	case s < 120:
		return strconv.FormatFloat(s, 'f', 0, 64) + " s"
	default:
		return strconv.FormatFloat(s/60, 'f', 0, 64) + " min"
	}
}

func decimal(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
