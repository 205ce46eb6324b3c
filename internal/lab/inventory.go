package lab

import (
	"bytes"
	_ "embed"
	"fmt"
	"net"
	"strconv"
	"text/template"
)

//go:embed inventory.yaml.tmpl
var inventoryText string

// Inventory returns the practice company as an inventory file: head office and
// the branch, with the addresses it listens on now.
func (b *Branch) Inventory() ([]byte, error) {
	t, err := template.New("inventory").Funcs(template.FuncMap{"q": strconv.Quote}).Parse(inventoryText)
	if err != nil {
		return nil, fmt.Errorf("practice inventory: %w", err)
	}
	host, _, _ := net.SplitHostPort(b.farEnd.address)
	data := struct {
		Options
		HQAddress, RouterAddress                                   string
		RouterSNMP, SwitchSNMP, UPSSNMP, SensorSNMP, Gateway, Path string
		SwitchAddress, UPSAddress, SensorAddress                   string
	}{Options: b.opt, HQAddress: host, Gateway: b.gateway.address, Path: b.farEnd.address}
	for i, to := range [][2]*string{
		{&data.RouterAddress, &data.RouterSNMP}, {&data.SwitchAddress, &data.SwitchSNMP},
		{&data.UPSAddress, &data.UPSSNMP}, {&data.SensorAddress, &data.SensorSNMP},
	} {
		h, port := addressOf(b.agents[i])
		*to[0], *to[1] = h, net.JoinHostPort(h, port)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, data); err != nil {
		return nil, fmt.Errorf("practice inventory: %w", err)
	}
	return out.Bytes(), nil
}
