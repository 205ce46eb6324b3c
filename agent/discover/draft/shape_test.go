package draft

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/internal/lab/need"
	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/rules"
)

// parse makes instances of lines "OID|tag|value" as recordings have them.
func parse(lines ...string) []Instance {
	var all []Instance
	for _, l := range lines {
		f := strings.SplitN(l, "|", 3)
		if len(f) != 3 {
			continue
		}
		var i Instance
		for _, n := range strings.Split(f[0], ".") {
			v, err := strconv.ParseUint(n, 10, 32)
			if err != nil {
				return all
			}
			i.OID = append(i.OID, uint32(v))
		}
		tag, err := strconv.Atoi(strings.TrimRight(f[1], "xe"))
		if err != nil {
			continue
		}
		i.Type, i.Text = byte(tag), f[2]
		switch i.Type {
		case 4:
			i.Octets = []byte(f[2])
		case 2, 65, 66, 67, 70:
			i.Number, err = strconv.ParseFloat(f[2], 64)
			i.IsNum = err == nil
		}
		all = append(all, i)
	}
	return all
}

func TestFind(t *testing.T) {
	const e = "1.3.6.1.4.1.99999."
	tests := []struct {
		name  string
		lines []string
		want  []string
	}{
		{"scalars", []string{e + "1.1.0|4|A700", e + "1.2.0|2|5", e + "1.3.0|2|7"}, []string{"scalar .1.1.0", "scalar .1.2.0", "scalar .1.3.0"}},
		{"a table", []string{e + "2.1.1.1|2|1", e + "2.1.1.2|2|2", e + "2.1.2.1|4|a", e + "2.1.2.2|4|b"}, []string{"table .2.1 columns 1 2 rows 2 index 1"}},
		{"a table of one row", []string{e + "2.1.1.1|2|1", e + "2.1.2.1|4|a", e + "2.1.3.1|2|7"}, []string{"table .2.1 columns 1 2 3 rows 1 index 1"}},
		{"two tables in a group that ends in 1", []string{
			e + "1.1.1.1.1|2|1", e + "1.1.1.1.2|2|2", e + "1.1.1.2.1|4|a", e + "1.1.1.2.2|4|b",
			e + "1.2.1.1.1|4|x", e + "1.2.1.2.1|2|1"}, []string{"table .1.1.1 columns 1 2 rows 2 index 1", "table .1.2.1 columns 1 2 rows 1 index 1"}},
		{"an index of two numbers that begins with 1", []string{e + "3.1.2.1.1|2|1", e + "3.1.2.1.2|2|1", e + "3.1.3.1.1|4|a", e + "3.1.3.1.2|4|b"}, []string{"table .3.1 columns 2 3 rows 2 index 2"}},
		{"an index of text", []string{e + "3.1.2.1.97|2|1", e + "3.1.2.2.97.98|2|1", e + "3.1.3.1.97|4|a", e + "3.1.3.2.97.98|4|b"}, []string{"table .3.1 columns 2 3 rows 2 index 0"}},
		{"a column that lacks rows", []string{e + "2.1.1.1|2|1", e + "2.1.1.2|2|2", e + "2.1.1.3|2|2", e + "2.1.2.3|4|b"}, []string{"table .2.1 columns 1 2 rows 3 index 1"}},
		{"a group of scalars and a table", []string{e + "1.1.1.0|4|A", e + "1.1.2.0|2|5", e + "1.2.1.1.7|2|1", e + "1.2.1.2.7|4|a"}, []string{"table .1.2.1 columns 1 2 rows 1 index 1", "scalar .1.1.1.0", "scalar .1.1.2.0"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			s := Find(parse(tt.lines...))
			short := func(oid []uint32) string { return strings.TrimPrefix(Dotted(oid), strings.TrimSuffix(e, ".")) }
			for _, x := range s.Tables {
				text := "table " + short(x.Entry) + " columns"
				for _, c := range x.Columns {
					text += fmt.Sprint(" ", c.Number)
				}
				got = append(got, fmt.Sprintf("%s rows %d index %d", text, x.Rows, x.Index))
			}
			for _, x := range s.Scalars {
				got = append(got, "scalar "+short(x.OID))
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

// recordings returns the files of recorded devices, which are not part of this
// repository.
func recordings(t testing.TB) []string {
	root := os.Getenv("FAULTLINE_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "..", "..", "shared")
	}
	files, err := filepath.Glob(filepath.Join(root, "data", "snmp", "dev", "*.snmprec"))
	if err != nil || len(files) == 0 {
		need.Missing(t, "no recorded devices: set FAULTLINE_SHARED to where they are")
	}
	return files
}

// enterprise returns a recording's objects of enterprises.
func enterprise(t testing.TB, file string) []Instance {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var lines []string
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		if strings.HasPrefix(in.Text(), "1.3.6.1.4.1.") {
			lines = append(lines, in.Text())
		}
	}
	return parse(lines...)
}

// near are the tables found above or below a place.
func near(found map[string]bool, at string) []string {
	var all []string
	for f := range found {
		if strings.HasPrefix(f, at+".") || strings.HasPrefix(at, f+".") {
			all = append(all, f)
		}
	}
	return all
}

// TestFindsKnownTables: of the tables that profiles describe and recorded devices
// have, nearly all are found where the profiles say that they are.
func TestFindsKnownTables(t *testing.T) {
	dir, err := fs.Sub(rules.FS(), "profiles")
	if err != nil {
		t.Fatal(err)
	}
	set, err := profile.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	entries := map[string]bool{}
	for _, name := range set.Names() {
		for _, table := range set.Profile(name).Tables {
			if strings.HasPrefix(table.Entry, "1.3.6.1.4.1.") {
				entries[table.Entry] = true
			}
		}
	}
	there, right := 0, 0
	for _, file := range recordings(t) {
		all := enterprise(t, file)
		found := map[string]bool{}
		for _, x := range Find(all).Tables {
			found[Dotted(x.Entry)] = true
		}
		has := map[string]int{}
		for _, i := range all {
			for n := shallowest; n < len(i.OID)-1; n++ {
				if at := Dotted(i.OID[:n]); entries[at] {
					has[at]++
				}
			}
		}
		for at, n := range has {
			there++
			if found[at] {
				right++
			} else {
				t.Logf("%s: %s (%d objects) was not found, but %v", filepath.Base(file), at, n, near(found, at))
			}
		}
	}
	t.Logf("%d of %d tables found", right, there)
	if 10*right < 9*there {
		t.Errorf("%d of %d tables found, want nine of ten", right, there)
	}
}
