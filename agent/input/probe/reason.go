package probe

import "github.com/faultline/faultline/agent/input/failure"

// failed says why there is no success, in one word: a port that refuses proves
// that its host lives, silence proves nothing.
func (r *result) failed(err error) {
	r.put("faultline_probe_failure_info", 1, "reason", failure.Reason(err))
}
