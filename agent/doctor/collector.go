package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/faultline/faultline/agent/link"
	"github.com/faultline/faultline/internal/lang"
)

// worstSkew is how far the clocks may differ before measurements are filed at a
// time that misleads people.
const worstSkew = 5 * time.Second

// Collector checks that the collector is reached, that the clocks agree and that
// it knows this agent under the name of the configuration.
func Collector(client *link.Client, url, agent string) Check {
	return func(ctx context.Context) []Finding {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		began := time.Now()
		a, err := client.Do(ctx, link.Request{Method: http.MethodGet, Path: "/api/v1/agents/self"})
		took := time.Since(began)
		if err != nil {
			f := Finding{Check: "collector", About: url, State: Bad, Text: lang.Same(err.Error()), Hint: whyUnreached(err)}
			return []Finding{f}
		}
		out := []Finding{known(a, url, agent, took)}
		if at, err := http.ParseTime(a.Header.Get("Date")); err == nil {
			out = append(out, clock(at.Add(500*time.Millisecond).Sub(began.Add(took/2)))) // the header has whole seconds
		}
		return out
	}
}

// known judges the collector's answer.
func known(a link.Answer, url, agent string, took time.Duration) Finding {
	f := Finding{Check: "collector", About: url, State: OK}
	var self struct {
		Agent string `json:"agent"`
		Site  string `json:"site"`
	}
	switch {
	case a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden:
		f.State, f.Text = Bad, text("可达，但不接受本代理（%d）：%s", "is reached and refuses this agent (%d): %s", a.Status, a.Text())
		f.Hint = text("令牌或证书被撤销或属于他人：重新注册，或更换令牌", "its token or certificate was revoked or is another's: enrol again, or take a new token")
	case a.Status == http.StatusNotFound:
		f.State, f.Text = Warn, text("可达，版本较旧，无法核对身份", "is reached; it is too old to say whom it takes this agent for")
		f.Hint = text("升级采集中心", "upgrade the collector")
	case !a.OK() || json.Unmarshal(a.Body, &self) != nil:
		f.State, f.Text = Bad, text("应答 %d：%s", "answers %d: %s", a.Status, a.Text())
		f.Hint = text("该地址可能是代理服务器或登录页，不是采集中心", "the address may be a proxy's or a sign-in page's, not the collector's")
	case self.Agent != agent:
		f.State, f.Text = Bad, text("认为本机是 %q，配置写的是 %q", "takes this machine for %q, the configuration says %q", self.Agent, agent)
		f.Hint = text("改正配置中的 agent，或使用本代理自己的令牌", "correct agent in the configuration, or use this agent's own token")
	default:
		f.Text = text("应答正常，耗时 %s，站点 %s", "answers within %s and knows this agent at site %s", took.Round(time.Millisecond), self.Site)
	}
	return f
}

// clock judges by how much the collector's clock is ahead of ours.
func clock(ahead time.Duration) Finding {
	f := Finding{Check: "clock", State: OK, Text: text("与采集中心相差不到 %s", "within %s of the collector's", worstSkew)}
	if ahead.Abs() > worstSkew {
		f.State, f.Text = Warn, text("比采集中心慢 %s", "%s behind the collector's", ahead.Round(time.Second))
		if ahead < 0 {
			f.Text = text("比采集中心快 %s", "%s ahead of the collector's", -ahead.Round(time.Second))
		}
		f.Hint = text("校准时钟，例如启用 chrony 或 w32time", "set it right, for instance with chrony or w32time")
	}
	return f
}

// whyUnreached says what to do about a request that had no answer.
func whyUnreached(err error) lang.Text {
	var dns *net.DNSError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &dns):
		return text("名字解析失败：检查 collector.url 与 DNS", "the name is not resolved: look at collector.url and at DNS")
	case errors.As(err, &authority):
		return text("证书不由已知机构签发：在 collector.ca_file 中指定，或重新注册", "its certificate is signed by nobody known: name the authority in collector.ca_file, or enrol again")
	case errors.As(err, &name):
		return text("证书不属于该名字：使用证书中的名字", "its certificate is for another name: use that one")
	case errors.As(err, &invalid):
		return text("证书已过期或尚未生效：检查两端时钟", "its certificate has expired or does not hold yet: look at both clocks")
	case errors.As(err, &record):
		return text("对端不是 HTTPS：检查协议与端口", "the other side speaks no HTTPS: look at scheme and port")
	case errors.Is(err, syscall.ECONNREFUSED):
		return text("端口上没有程序：采集中心在运行吗？端口对吗？", "nobody listens there: does the collector run, is the port right?")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), isTimeout(err):
		return text("没有应答：检查线路、防火墙（只需对外一个端口）与代理设置 HTTPS_PROXY", "no answer: look at the line, at firewalls (one port outward is all it takes) and at HTTPS_PROXY")
	default:
		return text("检查 collector.url、线路与代理设置", "look at collector.url, the line and proxy settings")
	}
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}
