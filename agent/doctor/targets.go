package doctor

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// count is a sink that counts.
type count struct{ samples, events int }

func (c *count) Sample(base.Sample) { c.samples++ }
func (c *count) Event(base.Event)   { c.events++ }
func (c *count) Block(b base.Block) { c.samples += b.Len() }

// Targets measures every target once, at most atOnce together, and says how long
// it took and what it gave. Passwords that a target's error might quote are the
// inputs' to leave out, as they do for the log.
func Targets(inputs map[string]input.Input, targets []base.Target, timeout time.Duration, atOnce int) Check {
	return func(ctx context.Context) []Finding {
		out := make([]Finding, len(targets))
		gate := make(chan struct{}, max(atOnce, 1))
		var wg sync.WaitGroup
		for n, t := range targets {
			wg.Go(func() {
				gate <- struct{}{}
				defer func() { <-gate }()
				out[n] = target(ctx, inputs[t.Input], t, timeout)
			})
		}
		wg.Wait()
		return out
	}
}

func target(ctx context.Context, in input.Input, t base.Target, timeout time.Duration) Finding {
	f := Finding{Check: "target", About: t.ID, State: OK}
	if in == nil {
		f.State, f.Text = Skipped, text("输入 %q 由插件提供，此处不试", "its input %q is a plugin's, which is not tried here", t.Input)
		return f
	}
	if c, ok := in.(input.Checker); ok {
		if err := c.CheckTarget(t); err != nil {
			f.State, f.Text, f.Hint = Bad, lang.Same(err.Error()), text("更正此目标的设置", "correct the target's settings")
			return f
		}
	}
	if t.Timeout > 0 {
		timeout = t.Timeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var got count
	began := time.Now()
	err := in.Gather(ctx, t, &got)
	took := time.Since(began).Round(time.Millisecond)
	var partial input.Partial
	switch {
	case errors.As(err, &partial):
		f.State, f.Text = Warn, text("%[2]s 内得到 %[1]d 个样本，不完整：%[3]v", "%[1]d samples in %[2]s, not all: %[3]v", got.samples, took, partial.Err)
		f.Hint = text("用 faultline-agent snmp describe 查看哪些读不到", "faultline-agent snmp describe shows what cannot be read")
	case err != nil:
		f.State, f.Text = Bad, text("%s 后失败：%v", "failed after %s: %v", took, err)
		f.Hint = hintFor(t.Input)
	default:
		f.Text = text("%[2]s 内得到 %[1]d 个样本", "%[1]d samples in %[2]s", got.samples, took)
	}
	return f
}

func hintFor(name string) lang.Text {
	if t, ok := localHints[name]; ok {
		return t
	}
	switch name {
	case "snmp":
		return text("检查地址、团体名或用户、设备的访问列表与 UDP 161", "look at the address, the community or user, the device's access list and UDP 161")
	case "probe":
		return text("检查目标是否应答；ICMP 需要 CAP_NET_RAW 或 ping_group_range", "does it answer? ICMP needs CAP_NET_RAW or ping_group_range")
	case "database":
		return text("检查端口、监控用户及其权限（docs/databases.md）", "look at the port, the monitoring user and its rights (docs/databases.md)")
	case "scrape":
		return text("检查地址、端口、路径与凭据（docs/inputs.md）；用 curl 试一次", "look at address, port, path and credentials (docs/inputs.md); try it with curl")
	case "ups":
		return text("检查 upsd 是否监听该地址（upsd.conf 的 LISTEN）以及 UPS 名称；用 upsc 试一次", "does upsd listen there (LISTEN in upsd.conf), and is the UPS' name right? Try upsc")
	case "modbus":
		return text("检查地址与端口 502、单元号，以及寄存器是否按设备手册填写（docs/inputs.md）；用 mbpoll 试一次", "look at the address and port 502, the unit, and the registers against the maker's list (docs/inputs.md); try mbpoll")
	case "ipmi":
		return text("检查 BMC 地址与 UDP 623、是否开启 IPMI over LAN、用户及其权限（docs/inputs.md）；用 ipmitool -I lanplus -L USER 试一次", "look at the BMC's address and UDP 623, whether IPMI over LAN is on, the user and its rights (docs/inputs.md); try ipmitool -I lanplus -L USER")
	case "redfish":
		return text("检查 BMC 地址与 443 端口、用户（只读角色）以及证书：自签证书用 pin_sha256 或 ca_file（docs/inputs.md）；用 curl -k https://BMC/redfish/v1/ 试一次", "look at the BMC's address and port 443, the user (role ReadOnly) and the certificate: for one the BMC signed itself pin_sha256 or ca_file (docs/inputs.md); try curl -k https://BMC/redfish/v1/")
	case "textfile", "file", "backup", "certificate":
		return text("检查路径，以及代理用户能否读取（docs/inputs.md）", "look at the path, and whether the agent's user may read it (docs/inputs.md)")
	default:
		return text("检查地址与凭据", "look at its address and credentials")
	}
}
