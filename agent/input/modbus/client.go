package modbus

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/faultline/faultline/agent/input/failure"
)

const (
	maxWords  = 125 // of one answer (Modbus application protocol 1.1b3, 6.3)
	busyPause = 100 * time.Millisecond
	patience  = 10 * time.Second // without a deadline of the caller's
)

// exception is an answer that says why there are no values.
type exception byte

// Error returns what the code means.
func (e exception) Error() string {
	texts := map[exception]string{
		1: "the device does not know this function: holding and input registers are different tables", 2: "the device has no such register",
		3: "the device does not take this number of registers", 4: "the device failed while it answered", 5: "the device needs more time", 6: "the device is busy",
		8: "the device's memory is faulty", 10: "the gateway has no way to the unit", 11: "the unit behind the gateway does not answer",
	}
	text := texts[e]
	if text == "" {
		text = "the device refuses"
	}
	return fmt.Sprintf("%s (exception %d)", text, byte(e))
}

// busy tells whether a moment later may be better.
func (e exception) busy() bool { return e == 5 || e == 6 }

// client asks one unit over one connection, which it opens when it is needed, and
// a second time when it was lost. It is used by one goroutine.
type client struct {
	address string
	unit    byte
	conn    net.Conn
	number  uint16 // of the last request
	again   bool   // the connection was opened a second time
}

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// read returns count registers from first. A busy device is asked once more, and
// so is one that ended the connection.
func (c *client) read(ctx context.Context, function byte, first uint16, count int) ([]uint16, error) {
	words, err := c.once(ctx, function, first, count)
	var e exception
	switch {
	case errors.As(err, &e) && e.busy():
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(busyPause):
		}
		return c.once(ctx, function, first, count)
	case err != nil && !c.again && lost(err):
		c.again = true
		return c.once(ctx, function, first, count)
	}
	return words, err
}

// lost tells whether the device ended the connection, as gateways do that want
// few.
func lost(err error) bool {
	r := failure.Reason(err)
	return r == "closed" || r == "reset"
}

func (c *client) once(ctx context.Context, function byte, first uint16, count int) ([]uint16, error) {
	if err := c.open(ctx); err != nil {
		return nil, err
	}
	conn := c.conn // what is called late may find c without one
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	words, err := c.exchange(function, first, count)
	if err != nil && !errors.As(err, new(exception)) {
		c.close()
	}
	return words, err
}

func (c *client) open(ctx context.Context) error {
	if c.conn != nil {
		return nil
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.address)
	if err != nil {
		return err
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(patience)
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return errors.Join(err, conn.Close())
	}
	c.conn = conn
	return nil
}

func (c *client) exchange(function byte, first uint16, count int) ([]uint16, error) {
	c.number++
	if _, err := c.conn.Write(request(c.number, c.unit, function, first, count)); err != nil {
		return nil, err
	}
	for range 4 { // an answer to an earlier request may be on its way
		number, unit, pdu, err := readFrame(c.conn)
		if err != nil {
			return nil, err
		}
		if number != c.number {
			continue
		}
		if unit != c.unit {
			return nil, failure.As(failure.Malformed, fmt.Errorf("unit %d answers for unit %d", unit, c.unit))
		}
		return parsePDU(pdu, function, count)
	}
	return nil, failure.As(failure.Malformed, errors.New("the device answers other requests than those it was sent"))
}

// request is a frame that asks for count registers (Modbus messaging on TCP/IP
// 1.0b, 3.1.3).
func request(number uint16, unit, function byte, first uint16, count int) []byte {
	b := binary.BigEndian.AppendUint16(nil, number)
	b = append(b, 0, 0, 0, 6, unit, function)
	b = binary.BigEndian.AppendUint16(b, first)
	return binary.BigEndian.AppendUint16(b, uint16(count))
}

// readFrame reads one frame and returns its number, unit and what follows.
func readFrame(r io.Reader) (number uint16, unit byte, pdu []byte, err error) {
	var head [7]byte
	if _, err = io.ReadFull(r, head[:]); err != nil {
		return 0, 0, nil, err
	}
	length := int(binary.BigEndian.Uint16(head[4:]))
	if protocol := binary.BigEndian.Uint16(head[2:]); protocol != 0 || length < 3 || length > 254 {
		return 0, 0, nil, failure.As(failure.Malformed, fmt.Errorf("no Modbus answer: protocol %d, length %d", protocol, length))
	}
	pdu = make([]byte, length-1)
	if _, err = io.ReadFull(r, pdu); err != nil {
		return 0, 0, nil, err
	}
	return binary.BigEndian.Uint16(head[:]), head[6], pdu, nil
}

// parsePDU returns the registers of an answer to function.
func parsePDU(pdu []byte, function byte, count int) ([]uint16, error) {
	switch {
	case len(pdu) == 2 && pdu[0] == function|0x80:
		return nil, failure.As(failure.Status, exception(pdu[1]))
	case len(pdu) < 2 || pdu[0] != function || int(pdu[1]) != 2*count || len(pdu) != 2+2*count:
		return nil, failure.As(failure.Malformed, fmt.Errorf("answer of %d bytes to function %d for %d registers", len(pdu), function, count))
	}
	words := make([]uint16, count)
	for i := range words {
		words[i] = binary.BigEndian.Uint16(pdu[2+2*i:])
	}
	return words, nil
}
