package systemd

import (
	"context"
	"fmt"
	"strings"
)

// The properties of a service, and what a bus says of one that an older systemd
// has not (NRestarts came with version 235).
const (
	service         = manager + ".Service"
	unknownProperty = "org.freedesktop.DBus.Error.UnknownProperty"
	unknownObject   = "org.freedesktop.DBus.Error.UnknownObject"
)

// Restarts asks systemd below root how often it has started each service again by
// itself since somebody started it, and calls each with those it knows; name is
// valid for good. It costs a question for each service. A systemd that does not
// count calls each never.
func Restarts(ctx context.Context, root string, services []string, each func(name string, n uint32)) error {
	b, err := dial(ctx, root)
	if err != nil {
		return err
	}
	defer func() { _ = b.conn.Close() }()
	for _, name := range services {
		w := writer{}
		w.text(service)
		w.text("NRestarts")
		answer, err := b.call(message{path: objectOf(name), iface: properties, member: "Get", destination: manager, signature: "ss", body: w.b})
		switch {
		case answer.errorName == unknownProperty:
			return nil
		case answer.errorName == unknownObject: // gone since it was listed
			continue
		case err != nil:
			return fmt.Errorf("systemd: %s: %w", name, err)
		}
		r := reader{b: answer.body, order: answer.order}
		if kind := r.sign(); kind != "u" {
			return fmt.Errorf("systemd: NRestarts of %s is of type %q", name, kind)
		}
		n := r.number()
		if r.err != nil {
			return fmt.Errorf("systemd: NRestarts of %s: %w", name, r.err)
		}
		each(name, n)
	}
	return nil
}

// objectOf is the path of a unit's object: what is no letter and no digit, and a
// digit at the beginning, stands as _ and two hexadecimal digits (sd_bus_path_encode).
func objectOf(unit string) string {
	var p strings.Builder
	p.WriteString(object + "/unit/")
	for i := range len(unit) {
		switch c := unit[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9' && i > 0:
			p.WriteByte(c)
		default:
			fmt.Fprintf(&p, "_%02x", c)
		}
	}
	return p.String()
}
