package host

import (
	"fmt"
	"io/fs"
	"unsafe"

	"golang.org/x/sys/windows"
)

// What pdh.dll has (pdh.h, pdhmsg.h).
var (
	pdh                = windows.NewLazySystemDLL("pdh.dll")
	pdhOpenQuery       = pdh.NewProc("PdhOpenQueryW")
	pdhAddEnglish      = pdh.NewProc("PdhAddEnglishCounterW") // names as in English whatever language Windows speaks
	pdhCollect         = pdh.NewProc("PdhCollectQueryData")
	pdhRawCounterArray = pdh.NewProc("PdhGetRawCounterArrayW")
	pdhRawCounterValue = pdh.NewProc("PdhGetRawCounterValue")
	pdhCloseQuery      = pdh.NewProc("PdhCloseQuery")
)

const (
	pdhMoreData  = 0x800007D2
	pdhNoData    = 0x800007D5
	pdhValidData = 0
	pdhNewData   = 1
	pdhMost      = 16 << 20 // bytes of one answer
)

// pdhRawCounter is PDH_RAW_COUNTER.
type pdhRawCounter struct {
	status    uint32
	timeStamp windows.Filetime
	first     int64
	second    int64
	multi     uint32
}

// pdhRawItem is PDH_RAW_COUNTER_ITEM_W.
type pdhRawItem struct {
	name *uint16
	raw  pdhRawCounter
}

// pdhQuery reads one object's counters. A counter that this Windows does not have
// is left out.
type pdhQuery struct {
	handle    uintptr
	instances bool
	counters  []uintptr // 0: not there
	buf       []byte
}

func openQuery(object string, instances bool, names []string) (*pdhQuery, error) {
	q := &pdhQuery{instances: instances, counters: make([]uintptr, len(names))}
	if err := pdh.Load(); err != nil {
		return nil, err
	}
	if code, _, _ := pdhOpenQuery.Call(0, 0, uintptr(unsafe.Pointer(&q.handle))); code != 0 {
		return nil, pdhError("open query", code)
	}
	there := 0
	for i, n := range names {
		path := `\` + object + `\` + n
		if instances {
			path = `\` + object + `(*)\` + n
		}
		p, err := windows.UTF16PtrFromString(path)
		if err != nil {
			return nil, err
		}
		if code, _, _ := pdhAddEnglish.Call(q.handle, uintptr(unsafe.Pointer(p)), 0, uintptr(unsafe.Pointer(&q.counters[i]))); code == 0 {
			there++
		} else {
			q.counters[i] = 0
		}
	}
	if there == 0 {
		_, _, _ = pdhCloseQuery.Call(q.handle)
		return nil, fmt.Errorf("performance counters of %s: %w", object, fs.ErrNotExist)
	}
	return q, nil
}

func pdhError(what string, code uintptr) error {
	return fmt.Errorf("performance counters: %s: 0x%08x", what, uint32(code))
}

func (q *pdhQuery) read() ([]instanceValues, error) {
	switch code, _, _ := pdhCollect.Call(q.handle); uint32(code) {
	case 0:
	case pdhNoData:
		return nil, nil // no instance is there
	default:
		return nil, pdhError("collect", code)
	}
	if !q.instances {
		return q.single(), nil
	}
	at, out := map[string]int{}, []instanceValues(nil)
	for i, c := range q.counters {
		if c == 0 {
			continue
		}
		items, err := q.items(c)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			name := windows.UTF16PtrToString(item.name)
			k, known := at[name]
			if !known {
				k = len(out)
				at[name], out = k, append(out, instanceValues{name: name, values: make([]rawValue, len(q.counters))})
			}
			out[k].values[i] = valueOf(item.raw)
		}
	}
	return out, nil
}

func valueOf(r pdhRawCounter) rawValue {
	return rawValue{there: r.status == pdhValidData || r.status == pdhNewData, first: r.first, second: r.second}
}

func (q *pdhQuery) single() []instanceValues {
	out := instanceValues{values: make([]rawValue, len(q.counters))}
	for i, c := range q.counters {
		var kind uint32
		var raw pdhRawCounter
		if c == 0 {
			continue
		}
		if code, _, _ := pdhRawCounterValue.Call(c, uintptr(unsafe.Pointer(&kind)), uintptr(unsafe.Pointer(&raw))); code == 0 {
			out.values[i] = valueOf(raw)
		}
	}
	return []instanceValues{out}
}

// items are the instances of a counter, valid until the next call.
func (q *pdhQuery) items(counter uintptr) ([]pdhRawItem, error) {
	if len(q.buf) == 0 {
		q.buf = make([]byte, 16<<10)
	}
	for {
		size, n := uint32(len(q.buf)), uint32(0)
		code, _, _ := pdhRawCounterArray.Call(counter, uintptr(unsafe.Pointer(&size)), uintptr(unsafe.Pointer(&n)), uintptr(unsafe.Pointer(&q.buf[0])))
		switch {
		case code == 0 && n == 0:
			return nil, nil
		case code == 0:
			return unsafe.Slice((*pdhRawItem)(unsafe.Pointer(&q.buf[0])), n), nil
		case uint32(code) != pdhMoreData:
			return nil, nil // this one has no data now
		case len(q.buf) >= pdhMost:
			return nil, pdhError("too many instances", code)
		}
		q.buf = make([]byte, max(int(size), 2*len(q.buf)))
	}
}
