package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/faultline/faultline/agent/enrol"
	"github.com/faultline/faultline/internal/lang"
)

// Directory checks that the agent's data directory can be written, is closed to
// others, and has room for the spool's bound, in bytes.
func Directory(dir string, spoolBound int64) Check {
	return func(context.Context) []Finding {
		f := Finding{Check: "directory", About: dir, State: OK}
		st, err := os.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			f.State, f.Text = Bad, text("目录不存在", "there is no such directory")
			f.Hint = text("以代理的用户创建：install -d -m 700 -o faultline %s", "make it for the agent's user: install -d -m 700 -o faultline %s", dir)
			return []Finding{f}
		case err != nil:
			f.State, f.Text, f.Hint = Bad, lang.Same(err.Error()), text("请以代理的用户或 root 运行 doctor", "run doctor as the agent's user or as root")
			return []Finding{f}
		}
		if err := writable(dir); err != nil {
			f.State, f.Text = Bad, text("不可写：%v", "cannot be written: %v", err)
			f.Hint = text("检查属主、只读文件系统与剩余空间", "look at its owner, at a read-only file system and at free space")
			return []Finding{f}
		}
		out := []Finding{f}
		if st.Mode().Perm()&0o077 != 0 && privateModes {
			out[0].State, out[0].Text = Warn, text("可写，但其他用户可以读取（%v）：内有凭据", "can be written, but others may read it (%v): it holds credentials", st.Mode().Perm())
			out[0].Hint = lang.Same("chmod 700 " + dir)
		} else {
			out[0].Text = text("可写，仅代理可读", "can be written, and only the agent may read it")
		}
		return append(out, room(dir, spoolBound)...)
	}
}

// writable writes, flushes and removes a file.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString("doctor")
	return errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name()))
}

// room compares what is free with what the spool may still take.
func room(dir string, bound int64) []Finding {
	used := int64(0)
	_ = filepath.WalkDir(filepath.Join(dir, "spool"), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if i, err := d.Info(); err == nil {
				used += i.Size()
			}
		}
		return nil
	})
	f := Finding{Check: "spool", State: OK, Text: text("已用 %s，上限 %s", "%s in use of at most %s", size(used), size(bound))}
	if free, err := freeBytes(dir); err == nil {
		f.Text = text("已用 %s，上限 %s，磁盘剩余 %s", "%s in use of at most %s; %s free on the disk", size(used), size(bound), size(free))
		if free < bound-used {
			f.State = Warn
			f.Hint = text("磁盘会先于上限写满：腾出空间，或将 spool.max_bytes 调至 %s 以下", "the disk fills before the bound is reached: free space, or set spool.max_bytes below %s", size(used+free))
		}
	}
	out := []Finding{f}
	if n := entries(filepath.Join(dir, "spool", "quarantine")); n > 0 {
		out = append(out, Finding{Check: "spool", About: "quarantine", State: Warn, Text: text("%d 个文件被隔离：采集中心拒绝或磁盘损坏的数据", "%d files set aside: data that the collector refused or that rotted on the disk", n),
			Hint: text("查看代理日志中的 quarantine；确认后可删除", "look for quarantine in the agent's log; delete them when they are understood")})
	}
	return out
}

func entries(dir string) int {
	list, err := os.ReadDir(dir)
	if err != nil {
		return 0
	}
	return len(list)
}

// size is a number of bytes for people.
func size(b int64) string {
	v, unit := float64(b), 0
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	for v >= 1024 && unit < len(units)-1 {
		v, unit = v/1024, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", b)
	}
	return fmt.Sprintf("%.1f %s", v, units[unit])
}

// Identity checks the certificate of an enrolled agent, or that there is a token.
func Identity(dir string, hasToken bool, now time.Time) Check {
	return func(context.Context) []Finding {
		f := Finding{Check: "identity", State: OK}
		id, err := enrol.Open(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist) && hasToken:
			f.State, f.Text = Warn, text("以令牌登录，没有证书", "signs in by token and has no certificate")
			f.Hint = text("建议注册：faultline-agent enrol --url … --token …", "better enrol it: faultline-agent enrol --url … --token …")
		case errors.Is(err, fs.ErrNotExist):
			f.State, f.Text = Bad, text("没有证书，也没有令牌", "has neither a certificate nor a token")
			f.Hint = text("向总公司索取一次性令牌，然后运行 faultline-agent enrol", "ask head office for a one-time token and run faultline-agent enrol")
		case err != nil:
			f.State, f.Text = Bad, lang.Same(err.Error())
			f.Hint = text("镜像克隆的机器须重新注册；无权读取时以代理的用户运行", "a cloned machine is enrolled anew; where it may not be read, run doctor as the agent's user")
		default:
			s := id.Status()
			left := s.Expires.Sub(now)
			f.About, f.Text = s.Agent, text("站点 %s，证书有效至 %s", "site %s, its certificate holds until %s", s.Site, s.Expires.Local().Format(time.DateTime))
			switch {
			case left <= 0:
				f.State, f.Hint = Bad, text("证书已过期：以新令牌重新注册", "it has expired: enrol again with a new token")
			case now.After(s.RenewAt.Add(24 * time.Hour)):
				f.State, f.Hint = Warn, text("应已续期：检查到采集中心的连接", "it should have been renewed: look at the connection to the collector")
			}
		}
		return []Finding{f}
	}
}

// Listening checks that each address can be listened on, unless the agent runs
// and has it already. network is tcp or udp.
func Listening(network string, addresses []string, running bool) Check {
	return func(ctx context.Context) []Finding {
		var out []Finding
		for _, a := range addresses {
			f := Finding{Check: "rights", About: network + " " + a, State: OK, Text: text("可以监听", "can be listened on")}
			if err := bind(ctx, network, a); err != nil {
				switch {
				case running:
					f.Text = text("由运行中的代理使用", "in use by the running agent")
				case errors.Is(err, fs.ErrPermission):
					f.State, f.Text, f.Hint = Bad, lang.Same(err.Error()), text("1024 以下的端口需要 CAP_NET_BIND_SERVICE", "ports below 1024 need CAP_NET_BIND_SERVICE")
				default:
					f.State, f.Text, f.Hint = Bad, lang.Same(err.Error()), text("另一程序占用了它：停用该程序，或在配置中改地址", "another program has it: end that, or change the address in the configuration")
				}
			}
			out = append(out, f)
		}
		return out
	}
}

func bind(ctx context.Context, network, address string) error {
	var lc net.ListenConfig
	if network == "udp" {
		c, err := lc.ListenPacket(ctx, "udp", address)
		if err != nil {
			return err
		}
		return c.Close()
	}
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return l.Close()
}
