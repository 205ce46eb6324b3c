package spool

import (
	"testing"
)

// FuzzSegment opens a segment of any bytes: no record is made up, nothing is
// read for ever, and whatever cannot be read does not stand in the way.
func FuzzSegment(f *testing.F) {
	whole := []byte(magic)
	for _, p := range []string{"one", "two", "three"} {
		whole = appendRecord(whole, []byte(p))
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-2])
	f.Add([]byte(magic))
	f.Add([]byte("FLSPOOL1\x05\x00\x00\x00aaaahello"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		const first = "spool/events/0000000000000001-1763762400000.seg"
		for _, last := range []bool{true, false} {
			fs := newMemFS()
			fs.put(first, data)
			if !last { // not mended at Open, met by Peek
				fs.put("spool/events/0000000000000002-1763762400001.seg", appendRecord([]byte(magic), []byte("next")))
			}
			s := open(t, Options{FS: fs})
			add(t, s, Events, "more")
			total := 0
			for i := 0; ; i++ {
				b := peek(t, s, EventsOldest, 100)
				if len(b.Records) == 0 {
					break
				}
				if i > len(data)+10 {
					t.Fatal("Peek does not come to an end")
				}
				for _, r := range b.Records {
					total += len(r.Data)
				}
				if err := s.Ack(b.Range()); err != nil {
					t.Fatal(err)
				}
			}
			if total > len(data)+len("next")+len("more") {
				t.Fatalf("%d bytes of records from %d", total, len(data))
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
