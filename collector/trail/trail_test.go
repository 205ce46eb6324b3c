package trail

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/incident"
)

var t0 = time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)

func log(t *testing.T, id string, n int) []incident.Event {
	t.Helper()
	events := []incident.Event{{IncidentID: id, At: t0, Kind: incident.Opened, Actor: incident.System, Diagnosis: &incident.Diagnosis{Cause: id}}}
	for k := range n {
		events = append(events, incident.Event{IncidentID: id, At: t0.Add(time.Duration(k) * time.Hour), Kind: incident.Commented,
			Actor: incident.Actor{Kind: "person", ID: "li", Role: []string{"branch_it", "hq_network"}[k%2]}, Comment: "note " + strconv.Itoa(k)})
	}
	_, sealed, err := incident.Append(incident.Incident{}, events)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// export is two incidents and three acts over two sealed days.
func export(t *testing.T, f Filter) []byte {
	t.Helper()
	a, b := log(t, "a", 6), log(t, "b", 3)
	acts := []account.AuditEntry{{At: t0, Actor: "li", Action: "sign_in"}, {At: t0.Add(time.Hour), Actor: "li", Action: "act"}, {At: t0.Add(30 * time.Hour), Actor: "zhao", Action: "act"}}
	link := func(events []incident.Event, n int) Link {
		return Link{events[n].IncidentID, events[n].Seq, events[n].Hash}
	}
	first := Next("2026-11-20", t0.Add(16*time.Hour), nil, []Link{link(a, 3)}, acts)
	second := Next("2026-11-21", t0.Add(40*time.Hour), []Seal{first}, []Link{link(a, 6), link(b, 3)}, acts)
	var out bytes.Buffer
	w := NewWriter(&out, f)
	for _, err := range []error{w.Incident(a), w.Incident(b), w.Audit(acts), w.Seals([]Seal{first, second})} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestWholeExportVerifies(t *testing.T) {
	for name, f := range map[string]Filter{"all": {}, "role": {Role: "hq_network"}, "keyword": {Keyword: "NOTE 2"}, "time": {From: t0.Add(time.Hour), To: t0.Add(3 * time.Hour)}} {
		rep, err := Verify(bytes.NewReader(export(t, f)))
		if err != nil || len(rep.Faults) > 0 || rep.Incidents != 2 || rep.Events+rep.Stubs != 11 || rep.Seals != 2 || rep.Head == "" {
			t.Errorf("%s: %+v, %v", name, rep, err)
		}
		if name != "all" && (rep.Stubs == 0 || rep.Events == 0) {
			t.Errorf("%s: nothing is filtered: %+v", name, rep)
		}
	}
}

// TestEveryTamperedRowIsFound alters, removes and swaps each row, with the last
// line made to fit again, as somebody who knows the format would.
func TestEveryTamperedRowIsFound(t *testing.T) {
	rows := strings.SplitAfter(strings.TrimSuffix(string(export(t, Filter{Role: "branch_it"})), "\n"), "\n")
	rows = rows[:len(rows)-1]
	whole, err := Verify(bytes.NewReader(export(t, Filter{})))
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, changed []string) {
		t.Helper()
		v, err := Verify(strings.NewReader(ended(t, changed)))
		if err != nil || len(v.Faults) == 0 && v.Head == whole.Head {
			t.Errorf("%s is not found: %v", what, err)
		}
	}
	for n := range rows {
		check("removal of row "+strconv.Itoa(n+1), append(append([]string{}, rows[:n]...), rows[n+1:]...))
		altered := append([]string{}, rows...)
		for _, ab := range [][2]string{{"note", "nota"}, {`"hash":"`, `"hash":"0`}, {`"cause":"`, `"cause":"x`}, {`"Actor":"`, `"Actor":"x`}, {`"audit":`, `"audit":1`}} {
			if s := strings.Replace(rows[n], ab[0], ab[1], 1); s != rows[n] && !strings.HasPrefix(s, `{"audit":1`) {
				altered[n] = s
				break
			}
		}
		if altered[n] == rows[n] {
			t.Fatalf("row %d was not altered: %s", n+1, rows[n])
		}
		check("change of row "+strconv.Itoa(n+1), altered)
		if n > 0 {
			swapped := append([]string{}, rows...)
			swapped[n-1], swapped[n] = swapped[n], swapped[n-1]
			// Different parts may stand in any order; rows of one chain may not.
			if strings.HasPrefix(rows[n-1], `{"audit`) != strings.HasPrefix(rows[n], `{"audit`) || strings.Contains(rows[n], `"seq":1,`) || strings.HasPrefix(rows[n], `{"seal`) != strings.HasPrefix(rows[n-1], `{"seal`) {
				continue
			}
			check("swap of rows "+strconv.Itoa(n)+" and "+strconv.Itoa(n+1), swapped)
		}
	}
	if v, err := Verify(strings.NewReader(strings.Join(rows, ""))); err != nil || len(v.Faults) != 1 {
		t.Errorf("a missing last line: %+v, %v", v.Faults, err)
	}
}

// ended is the rows with a last line that fits them.
func ended(t *testing.T, rows []string) string {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out, Filter{})
	for _, r := range rows {
		w.sum.Write([]byte(r))
		w.lines++
		out.WriteString(r)
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
