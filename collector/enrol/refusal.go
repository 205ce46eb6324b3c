package enrol

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/internal/pki"
)

// Refusal is why an agent was turned away. The text is for people at the agent;
// Detail is for the audit trail alone.
type Refusal struct {
	Reason string // a word of package pki
	Detail string // what exactly, for HQ
	Agent  string // who it said it was, as far as that is known
}

// Error is the reason with its detail.
func (r *Refusal) Error() string {
	if r.Detail == "" {
		return r.Reason
	}
	return r.Reason + ": " + r.Detail
}

func refuse(reason, detail string) *Refusal { return &Refusal{Reason: reason, Detail: detail} }

// answerOf is how a reason is answered.
type answerOf struct {
	status     int
	text, hint lang.Text
}

var newToken = lang.Text{ZH: "请向总部索取新的一次性令牌并重新执行 faultline-agent enrol", EN: "ask head office for a new token and run faultline-agent enrol again"}

func answerFor(reason string) answerOf {
	t := func(zh, en string) lang.Text { return lang.Text{ZH: zh, EN: en} }
	switch reason {
	case pki.NoCertificate:
		return answerOf{401, t("未出示客户端证书", "no client certificate was shown"), t("请先执行 faultline-agent enrol；若已注册，检查途中是否有代理解开了 TLS", "run faultline-agent enrol first; if that was done, a proxy on the way opens TLS")}
	case pki.ForeignCA:
		return answerOf{401, t("证书不是由本采集中心签发的", "the certificate is not from this collector"), t("检查 collector.url 是否指向正确的采集中心；否则请重新注册", "check that collector.url is the right collector, else enrol again")}
	case pki.WrongPurpose:
		return answerOf{401, t("该证书不是代理证书", "this is no agent's certificate"), newToken}
	case pki.Expired:
		return answerOf{401, t("证书已过期", "the certificate has expired"), newToken}
	case pki.NotYetValid:
		return answerOf{401, t("证书尚未生效：采集中心的时钟可能有误", "the certificate is not valid yet: the collector's clock may be wrong"), t("请总部检查采集中心的时钟", "have head office check the collector's clock")}
	case pki.Unknown:
		return answerOf{403, t("采集中心没有此证书的记录", "the collector has no record of this certificate"), newToken}
	case pki.Revoked:
		return answerOf{403, t("证书已被吊销", "the certificate was revoked"), newToken}
	case pki.OtherSite:
		return answerOf{403, t("证书属于另一个站点", "the certificate is another site's"), t("请总部核对资产清单中该代理的站点；若主机已迁移，请用新站点的令牌重新注册", "have head office compare the agent's site in the inventory; after a move enrol with a token of the new site")}
	case pki.TokenUnknown:
		return answerOf{403, t("令牌无效", "the token is not valid"), t("请完整复制令牌，或向总部索取新的令牌", "copy the token whole, or ask head office for a new one")}
	case pki.TokenUsed:
		return answerOf{403, t("令牌已被使用过", "the token has been used already"), t("令牌只能用一次。若不是您用的，请立即通知总部", "a token works once; if it was not you who used it, tell head office at once")}
	case pki.TokenExpired:
		return answerOf{403, t("令牌已过期", "the token has expired"), t("请向总部索取新的令牌", "ask head office for a new one")}
	case pki.TokenRevoked:
		return answerOf{403, t("令牌已被撤回", "the token was withdrawn"), t("请向总部索取新的令牌", "ask head office for a new one")}
	case pki.NameTaken:
		return answerOf{409, t("已有同名代理在另一台主机上", "another machine has an agent of this name"), t("用 --name 另取名称；若这台主机接替原主机，请索取指定该代理的令牌", "choose another with --name; if this machine replaces the other, ask for a token for that agent")}
	case pki.MachineTwice:
		return answerOf{409, t("同一身份的代理正在运行", "an agent with this identity is running at this moment"), t("若在本机运行，请先停止；若本机是克隆的镜像，请重建 machine-id 并用 --name 另取名称", "if it runs on this machine, stop it first; if this machine is a clone, give it a new machine-id and another --name")}
	case pki.Busy:
		return answerOf{429, t("请稍后再试", "too soon or too many at once"), t("代理会自动重试", "the agent tries again by itself")}
	default:
		return answerOf{400, t("请求有误", "the request is not right"), t("代理与采集中心的版本可能不匹配", "agent and collector may be of versions that do not match")}
	}
}

// problem is the body of a refusal: RFC 9457, with the words every answer of the
// collector's API has, and the reason for programs.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Error  string `json:"error"`
	Hint   string `json:"hint,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// writeRefusal answers with a refusal.
func writeRefusal(w http.ResponseWriter, r *http.Request, ref *Refusal) {
	a := answerFor(ref.Reason)
	l := languageOf(r)
	if ref.Reason == pki.BadRequest && ref.Detail != "" {
		a.text = lang.Text{ZH: a.text.ZH + "：" + ref.Detail, EN: a.text.EN + ": " + ref.Detail}
	}
	w.Header().Set(pki.HeaderRefused, ref.Reason)
	if a.status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "10")
	}
	writeProblem(w, problem{Status: a.status, Error: a.text.In(l), Hint: a.hint.In(l), Reason: ref.Reason}, l)
}

func writeProblem(w http.ResponseWriter, p problem, language string) {
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Content-Language", language)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client may be gone; there is nobody to tell
}

// unavailable answers when the store cannot be asked: never a reason to let
// anybody in.
func unavailable(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Retry-After", "2")
	l := languageOf(r)
	writeProblem(w, problem{Status: http.StatusServiceUnavailable, Hint: lang.Text{ZH: "代理会自动重试", EN: "the agent tries again by itself"}.In(l),
		Error: lang.Text{ZH: "采集中心暂时无法核对证书", EN: "the collector cannot check certificates at the moment"}.In(l)}, l)
}

// languageOf is the first language a client names that there is.
func languageOf(r *http.Request) string {
	for tag := range strings.SplitSeq(r.URL.Query().Get("lang")+","+r.Header.Get("Accept-Language"), ",") {
		switch tag = strings.ToLower(strings.TrimSpace(tag)); {
		case strings.HasPrefix(tag, "zh"):
			return lang.ZH
		case strings.HasPrefix(tag, "en"):
			return lang.EN
		}
	}
	return lang.EN
}
