package ipmi

import (
	"crypto/hmac"
	"encoding/binary"
	"errors"
)

// Payload types (table 13-16).
const (
	payloadIPMI     = 0x00
	payloadOpen     = 0x10
	payloadOpened   = 0x11
	payloadRAKP1    = 0x12
	payloadRAKP2    = 0x13
	payloadRAKP3    = 0x14
	payloadRAKP4    = 0x15
	sealedFlags     = 0xc0 // encrypted and signed
	headerBytes     = 16   // RMCP's 4, the session's 12
	nextHeader      = 0x07
	maxPacket       = 1500
	softwareAddress = 0x81 // of a remote console
	controller      = 0x20 // address of the BMC
)

var (
	errPacket    = errors.New("a packet is not in form")
	errSignature = errors.New("a packet's signature is wrong")
)

// keys are what a session signs and encrypts with; the zero value is no session.
type keys struct {
	suite        suite
	sign, cipher []byte // K1, and the first 16 bytes of K2
}

// pack makes a packet of a payload (13.6); with keys it is sealed.
func pack(k keys, kind byte, session, number uint32, payload []byte) []byte {
	if k.sign != nil {
		kind |= sealedFlags
		payload = encrypt(k.cipher, payload)
	}
	b := []byte{6, 0, 0xff, 7, 6, kind}
	b = binary.LittleEndian.AppendUint32(b, session)
	b = binary.LittleEndian.AppendUint32(b, number)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(payload)))
	b = append(b, payload...)
	if k.sign == nil {
		return b
	}
	pad := 0
	for ; (len(b)-4+2+pad)%4 != 0; pad++ {
		b = append(b, 0xff)
	}
	b = append(b, byte(pad), nextHeader)
	return append(b, k.suite.sum(k.sign, b[4:])[:k.suite.signature]...)
}

// unpack returns a packet's payload. With keys only sealed packets are taken.
func unpack(k keys, b []byte) (kind byte, session uint32, payload []byte, err error) {
	if len(b) < headerBytes || b[0] != 6 || b[3] != 7 || b[4] != 6 {
		return 0, 0, nil, errPacket
	}
	kind, session = b[5], binary.LittleEndian.Uint32(b[6:])
	length := int(binary.LittleEndian.Uint16(b[14:]))
	if headerBytes+length > len(b) {
		return 0, 0, nil, errPacket
	}
	payload = b[headerBytes : headerBytes+length]
	if k.sign == nil {
		if kind&sealedFlags != 0 {
			return 0, 0, nil, errPacket
		}
		return kind, session, payload, nil
	}
	end := len(b) - k.suite.signature
	if kind&sealedFlags != sealedFlags || end < headerBytes+length {
		return 0, 0, nil, errPacket
	}
	if !hmac.Equal(b[end:], k.suite.sum(k.sign, b[4:end])[:k.suite.signature]) {
		return 0, 0, nil, errSignature
	}
	payload, err = decrypt(k.cipher, payload)
	return kind &^ sealedFlags, session, payload, err
}

// message makes an IPMI request (13.8).
func message(netfn, lun, number, command byte, data []byte) []byte {
	b := []byte{controller, netfn<<2 | lun&3, 0, softwareAddress, number << 2, command}
	b[2] = checksum(b[:2])
	b = append(b, data...)
	return append(b, checksum(b[3:]))
}

// reply returns what an IPMI response to the request says; false when it answers
// another one.
func reply(b []byte, netfn, number, command byte) (code byte, data []byte, ok bool) {
	if len(b) < 8 || b[0] != softwareAddress || b[1]>>2 != netfn+1 || b[4]>>2 != number || b[5] != command ||
		checksum(b[:3]) != 0 || checksum(b[3:]) != 0 {
		return 0, nil, false
	}
	return b[6], b[7 : len(b)-1], true
}

// checksum is what the bytes lack to a sum of zero.
func checksum(b []byte) byte {
	var sum byte
	for _, v := range b {
		sum += v
	}
	return -sum
}
