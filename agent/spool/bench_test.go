package spool

import (
	"sync"
	"testing"
)

// BenchmarkDrain empties a spool that holds a cut of some hours, oldest first,
// as the uplink does: peek, send, acknowledge. Sending is not in it.
func BenchmarkDrain(b *testing.B) {
	const records, size, peek = 2_000, 3_500, 256 << 10
	b.SetBytes(records * size)
	for range b.N {
		b.StopTimer()
		s := open(b, Options{Dir: b.TempDir()})
		fill(b, s, records, make([]byte, size))
		b.StartTimer()
		drained := 0
		for {
			batch, err := s.Peek(SamplesBacklog, peek)
			if err != nil {
				b.Fatal(err)
			}
			if len(batch.Records) == 0 {
				batch, err = s.Peek(SamplesLive, peek)
			}
			if err != nil {
				b.Fatal(err)
			}
			if len(batch.Records) == 0 {
				break
			}
			drained += len(batch.Records)
			if err := s.Ack(batch.Range()); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		if drained != records {
			b.Fatalf("%d records drained, want %d", drained, records)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*records/b.Elapsed().Seconds(), "records/s")
}

// fill appends from many goroutines, so that records share syncs.
func fill(b *testing.B, s *Spool, records int, payload []byte) {
	b.Helper()
	const writers = 50
	var wg sync.WaitGroup
	errs := make(chan error, writers)
	for range writers {
		wg.Go(func() {
			for range records / writers {
				if err := s.Append(Samples, payload); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		b.Fatal(err)
	default:
	}
}
