package process

import (
	"slices"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lang"
)

// Names of actions.
const (
	ActAck            = "ack"
	ActDecide         = "decide"
	ActApprove        = "approve"
	ActReject         = "reject"
	ActDone           = "done"
	ActComment        = "comment"
	ActAttach         = "attach"
	ActVendorAccepted = "vendor_accepted"
	ActVendorFixed    = "vendor_reported_fixed"
	ActVendorReturned = "vendor_returned"
	ActClose          = "close"
	ActReopen         = "reopen"
)

// Action is something a person may do to the incident now; a decision is one
// Action for each of its choices.
type Action struct {
	Kind         string    `json:"kind"`
	Choice       string    `json:"choice,omitempty"` // of decide
	Title        lang.Text `json:"title"`
	Prompt       lang.Text `json:"prompt,omitzero"`     // of decide: the question
	Suggested    bool      `json:"suggested,omitempty"` // the choice is what the evidence says
	NeedsComment bool      `json:"needs_comment,omitempty"`
	Missing      []string  `json:"missing,omitempty"`   // documents the choice needs; a comment may say why there are none
	Documents    []string  `json:"documents,omitempty"` // of attach: kinds asked for in this step
}

// actionKinds is what each action is recorded as; vendor actions are told
// apart by their Choice.
var actionKinds = []struct {
	name   string
	kind   incident.Kind
	choice string
	title  lang.Text
}{
	{ActAck, incident.Acked, "", lang.Text{ZH: "响应", EN: "Acknowledge"}},
	{ActDecide, incident.Decided, "", lang.Text{ZH: "判断", EN: "Decide"}},
	{ActApprove, incident.Approved, "", lang.Text{ZH: "批准", EN: "Approve"}},
	{ActReject, incident.Rejected, "", lang.Text{ZH: "驳回", EN: "Reject"}},
	{ActDone, incident.Done, "", lang.Text{ZH: "处理完成", EN: "Work done"}},
	{ActVendorAccepted, incident.VendorReported, VendorAccepted, lang.Text{ZH: "厂商已受理", EN: "Vendor accepted"}},
	{ActVendorFixed, incident.VendorReported, VendorFixed, lang.Text{ZH: "厂商报告已修复", EN: "Vendor reports it fixed"}},
	{ActVendorReturned, incident.VendorReported, VendorReturned, lang.Text{ZH: "厂商退回", EN: "Vendor returned it"}},
	{ActComment, incident.Commented, "", lang.Text{ZH: "备注", EN: "Comment"}},
	{ActAttach, incident.Attached, "", lang.Text{ZH: "提交文件", EN: "Attach a document"}},
	{ActClose, incident.Closed, "", lang.Text{ZH: "关闭", EN: "Close"}},
	{ActReopen, incident.Reopened, "", lang.Text{ZH: "重新打开", EN: "Reopen"}},
}

// Actions returns what a person with these roles may do now. That nobody
// approves their own request is found by CheckAction, which knows the person.
func Actions(d *Definition, i incident.Incident, roles []string) []Action {
	s, ok := d.Step(i.Step)
	if !ok {
		return nil
	}
	var out []Action
	for _, k := range actionKinds {
		if k.kind == incident.VendorReported && !i.Open() {
			continue // what a vendor still says is recorded, but nobody is asked for it
		}
		a := Action{Kind: k.name, Title: k.title, NeedsComment: slices.Contains(explained, k.name)}
		f := incident.Event{Kind: k.kind, Choice: k.choice, At: i.ClosedAt, Comment: "x", Attachment: &incident.Attachment{Kind: "other"}}
		offers := []Action{a}
		switch k.name {
		case ActDecide:
			offers = decisions(s, i)
		case ActDone:
			offers[0].Title = s.Done
			offers[0].Missing, _ = missing(s.Needs, s, i)
			offers[0].NeedsComment = len(offers[0].Missing) > 0
		case ActApprove:
			offers[0].NeedsComment = s.delegated(roles)
		case ActAttach:
			offers[0].Documents = s.Documents
		}
		for _, o := range offers {
			f.Choice = or(o.Choice, k.choice)
			if CheckAction(d, i, roles, f) == nil {
				out = append(out, o)
			}
		}
	}
	return out
}

// explained are the actions that always need a comment.
var explained = []string{ActComment, ActReject, ActVendorReturned, ActClose, ActReopen}

// decisions returns the step's choices with what the evidence suggests.
func decisions(s *StepDef, i incident.Incident) []Action {
	if s.Decide == nil {
		return nil
	}
	suggested, _ := suggestion(s, i)
	var out []Action
	for n := range s.Decide.Choices {
		c := &s.Decide.Choices[n]
		lacks, _ := missing(c.Needs, s, i)
		out = append(out, Action{Kind: ActDecide, Choice: c.ID, Title: c.Title, Prompt: s.Decide.Prompt, Suggested: c.ID == suggested,
			Missing: lacks, NeedsComment: len(lacks) > 0 || c.Comment != "" || s.overrules(suggested, c.ID)})
	}
	return out
}

func (s *StepDef) overrules(suggested, choice string) bool {
	return s.Decide.OnOverride != "" && suggested != "" && choice != suggested
}

// suggestion is what the evidence says about the step's decision, or "".
func suggestion(s *StepDef, i incident.Incident) (string, error) {
	f := factsOf(s, i)
	for _, g := range s.Suggest {
		ok, err := g.when.holds(f)
		if err != nil {
			return "", err
		}
		if ok {
			return g.Choice, nil
		}
	}
	return "", nil
}

// missing returns the documents that are needed and not handed in.
func missing(needs []Need, s *StepDef, i incident.Incident) ([]string, error) {
	f := factsOf(s, i)
	var out []string
	for _, n := range needs {
		ok, err := n.when.holds(f)
		if err != nil {
			return nil, err
		}
		if ok && !f.Attached(n.Document) {
			out = append(out, n.Document)
		}
	}
	return out, nil
}

// CheckAction refuses what a person with these roles may not do now; the error
// is a *Refusal. The fact's At is the present time.
func CheckAction(d *Definition, i incident.Incident, roles []string, fact incident.Event) error {
	if !mayAct(d, i, roles, fact) {
		return refuse("您的角色不能在此步骤执行该操作", "your role may not do this in this step")
	}
	if s, ok := d.Step(i.Step); ok && fact.Kind == incident.Approved && fact.Comment == "" && s.delegated(roles) {
		return refuse("代为审批请说明理由", "you approve in place of somebody: say why in a comment")
	}
	return allowed(d, i, fact)
}

// delegated tells whether somebody with these roles approves in place of another.
func (s *StepDef) delegated(roles []string) bool {
	return s.Approve != nil && !slices.Contains(roles, s.Approve.By)
}

// mayAct tells whether one of the roles may do it.
func mayAct(d *Definition, i incident.Incident, roles []string, f incident.Event) bool {
	has := func(list ...string) bool {
		return slices.ContainsFunc(roles, func(r string) bool { return r != "" && slices.Contains(list, r) })
	}
	inside := slices.ContainsFunc(roles, func(id string) bool { r, ok := d.Role(id); return ok && !r.External })
	s, ok := d.Step(i.Step)
	if !ok {
		return false
	}
	switch f.Kind {
	case incident.Acked, incident.Reopened:
		return inside
	case incident.Decided, incident.Done:
		if role, ok := d.Role(s.Role); ok && role.External {
			return has(s.RACI.A, d.Owner)
		}
		return has(s.Role, s.RACI.A)
	case incident.Approved, incident.Rejected:
		return s.Approve != nil && (has(s.Approve.By) || has(s.Approve.Delegates...))
	case incident.ClockPaused, incident.ClockResumed:
		return asked(f) && has(s.Role, s.RACI.A, d.Owner)
	case incident.VendorReported:
		return inside || has(VendorRole(i.Diagnosis.VendorKind))
	case incident.Commented, incident.Attached:
		return inside || slices.ContainsFunc(roles, func(id string) bool { _, ok := d.Role(id); return ok })
	case incident.RemedyProposed, incident.RemedyApproved, incident.RemedyRejected, incident.RemedyHalted, incident.RemedySettled:
		return d.mayRemedy(s, i, f, has)
	case incident.Closed:
		return has(d.Owner, "hq_it_manager")
	}
	return false
}

// allowed refuses a person's or vendor's fact that makes no sense now, whoever
// says it. Facts of the system pass.
func allowed(d *Definition, i incident.Incident, f incident.Event) error {
	s, ok := d.Step(i.Step)
	if !ok {
		s = &StepDef{}
	}
	switch f.Kind {
	case incident.Acked, incident.Decided, incident.Approved, incident.Rejected, incident.Done, incident.Closed:
		if !i.Open() {
			return refuse("事件已关闭", "the incident is closed")
		}
	}
	switch f.Kind {
	case incident.Acked:
		if i.Acked {
			return refuse("已由"+i.AckedBy.Name+"响应", "it was acknowledged already")
		}
	case incident.Decided:
		return s.allowDecision(i, f)
	case incident.Approved, incident.Rejected:
		return s.allowApproval(i, f)
	case incident.Done:
		return s.allowDone(i, f)
	case incident.ClockPaused, incident.ClockResumed:
		return allowWait(d, i, f)
	case incident.RemedyProposed, incident.RemedyApproved, incident.RemedyRejected, incident.RemedyHalted, incident.RemedySettled:
		return d.allowRemedy(s, i, f)
	case incident.VendorReported:
		if !slices.Contains([]string{VendorAccepted, VendorFixed, VendorReturned}, f.Choice) {
			return refuse("未知的厂商答复", "vendors report accepted, reported_fixed or returned")
		}
	case incident.Commented:
		if f.Comment == "" {
			return refuse("请填写内容", "a comment says something")
		}
	case incident.Attached:
		if f.Attachment == nil || !slices.Contains(documentKinds, f.Attachment.Kind) {
			return refuse("未知的文件类型", "a document is of kind "+quote(documentKinds))
		}
	case incident.Closed:
		return allowClose(i, f)
	case incident.Reopened:
		if f.Comment == "" {
			return refuse("请说明重新打开的理由", "say in a comment why it is opened again")
		}
		return d.allowReopen(i, f)
	}
	return nil
}

func (s *StepDef) allowDecision(i incident.Incident, f incident.Event) error {
	c, ok := s.choice(f.Choice)
	if !ok {
		return refuse("此步骤没有该选项", "this step has no such choice")
	}
	if err := allowWithout(c.Needs, s, i, f); err != nil {
		return err
	}
	if c.Comment != "" && f.Comment == "" {
		return refuse("请在备注中说明详细情况", "this choice is explained in a comment: say what is known")
	}
	suggested, err := suggestion(s, i)
	if err != nil {
		return err
	}
	if s.overrules(suggested, f.Choice) && f.Comment == "" {
		return refuse("与证据建议不同，请说明理由", "this overrules what the evidence suggests: say why in a comment")
	}
	return nil
}

func (s *StepDef) allowDone(i incident.Incident, f incident.Event) error {
	if s.Done.IsZero() {
		return refuse("此步骤没有待完成的工作", "this step has no work to report as done")
	}
	return allowWithout(s.Needs, s, i, f)
}

// allowWithout lets nobody go on without the documents, unless they say why.
func allowWithout(needs []Need, s *StepDef, i incident.Incident, f incident.Event) error {
	lacks, err := missing(needs, s, i)
	if err != nil || len(lacks) == 0 || f.Comment != "" {
		return err
	}
	return refuse("缺少文件："+quote(lacks)+"；如确无，请说明原因", "documents are missing: "+quote(lacks)+"; hand them in, or say in a comment why not")
}

func (s *StepDef) allowApproval(i incident.Incident, f incident.Event) error {
	switch {
	case s.Approve == nil:
		return refuse("此步骤不需要审批", "there is nothing to approve in this step")
	case s.Approve.DenySelf && f.Kind == incident.Approved && f.Actor.ID != "" && f.Actor.ID == i.DecidedBy.ID:
		return refuse("不能批准自己的申请", "nobody approves their own request")
	case s.Approve.DenySelf && f.Kind == incident.Approved && signedElsewhere(i, f.Actor):
		return refuse("您已批准过另一审批环节，同一人不能批准两级", "you approved another stage of this already: nobody approves two")
	case f.Kind == incident.Rejected && f.Comment == "":
		return refuse("请说明驳回理由", "say in a comment why it is rejected")
	}
	return nil
}

// signedElsewhere tells whether somebody approved another step of the incident.
func signedElsewhere(i incident.Incident, by incident.Actor) bool {
	return slices.ContainsFunc(i.Signed, func(s incident.Signature) bool {
		return by.ID != "" && s.By.Kind == by.Kind && s.By.ID == by.ID && s.Step != i.Step
	})
}

// allowClose lets nobody close what is measured to fail.
func allowClose(i incident.Incident, f incident.Event) error {
	switch {
	case i.Firing():
		return refuse("告警仍未恢复，不能关闭", "an alert still fires: it cannot be closed")
	case f.Comment == "":
		return refuse("请说明关闭理由", "say in a comment why it is closed")
	}
	return nil
}

func (d *Definition) allowReopen(i incident.Incident, f incident.Event) error {
	s, ok := d.Step(i.Step)
	switch {
	case i.State != incident.StateClosed || i.ParentID != "":
		return refuse("事件未关闭或已并入其他事件", "it is not closed, or is part of another incident")
	case !ok || s.Reopen == nil:
		return refuse("该事件不能重新打开", "it cannot be opened again")
	case f.At.After(i.ClosedAt.Add(s.Reopen.within.Time)) && s.Reopen.within.Days == 0,
		f.At.After(i.ClosedAt.AddDate(0, 0, s.Reopen.within.Days)) && s.Reopen.within.Days > 0:
		return refuse("已超过可重新打开的时限，请新建事件", "the time for opening it again has passed: report a new fault")
	}
	return nil
}

// Suggestion is what the definition suggests in the step for such an incident;
// "" when it suggests nothing there.
func Suggestion(d *Definition, i incident.Incident, step string) (string, error) {
	s, ok := d.Step(step)
	if !ok {
		return "", nil
	}
	return suggestion(s, i)
}
