package scoreboard

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/lang"
)

// TestExportsAddUp reads both files back: their minutes are those of the board.
func TestExportsAddUp(t *testing.T) {
	one := outage("1", 100, 160)
	one.Diagnosis.Title = lang.Same("=cmd()")
	b := Of(Input{Month: start, Zone: cst, Cases: []Case{one, outage("2", 300, 312.5)}, Graph: estate(inventory.Line{}), Now: start.AddDate(0, 2, 0)})
	raw, err := b.CSV(lang.EN)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(raw, []byte("\ufeff")))).ReadAll()
	if err != nil || len(rows) != 3 || rows[1][8] != "'=cmd()" || rows[1][4] != "2026-11-01 01:40:00" || rows[1][10] != b.Code {
		t.Fatalf("%v, %q", err, rows)
	}
	sum := 0.0
	for _, r := range rows[1:] {
		v, err := strconv.ParseFloat(r[6], 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += v
	}
	if raw, err = b.Excel(lang.ZH); err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	down, err := f.GetCellValue("专线可用率", "I2")
	if err != nil || down != "72.5" || sum != 72.5 || b.Circuits[0].DownMinutes() != 72.5 {
		t.Errorf("Excel says %s, CSV %v, the board %v (%v)", down, sum, b.Circuits[0].DownMinutes(), err)
	}
}

type links map[string]Link

func (m links) PutLink(_ context.Context, l Link) error { m[l.Hash] = l; return nil }
func (m links) LinkByHash(_ context.Context, h string) (Link, error) {
	l, ok := m[h]
	if !ok {
		return l, errors.New("none")
	}
	return l, nil
}
func (m links) Links(context.Context, time.Time) ([]Link, error) { return nil, nil }

func TestLinks(t *testing.T) {
	m, now := links{}, start
	token, l := NewLink("ct", "2026-11", "wang", now)
	if err := m.PutLink(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	open := func(token string, at time.Time) bool { _, err := Open(t.Context(), m, token, at); return err == nil }
	if !open(token, now) || open(token, now.Add(31*24*time.Hour)) || open(token[:51]+"x", now) || open(l.Hash, now) || open("", now) {
		t.Error("a link opens when it must not, or does not when it must")
	}
	l.Revoked = true
	if err := m.PutLink(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if open(token, now) {
		t.Error("a revoked link opens")
	}
}
