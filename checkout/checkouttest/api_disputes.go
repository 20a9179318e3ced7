package checkouttest

import (
	"maps"
	"net/http"
	"slices"
)

// updateDispute takes evidence and metadata. Evidence is sent to the bank at once, unless submit is false.
// https://docs.stripe.com/api/disputes/update
func (s *Server) updateDispute(c *call) (object, *apiError) {
	d, err := s.openDispute(c)
	if err != nil {
		return nil, err
	}
	p := c.params
	meta, err := p.get("metadata").mergedInto(d["metadata"])
	if err != nil {
		return nil, err
	}
	sent := p.get("evidence")
	evidence := maps.Clone(d["evidence"].(object))
	if sent != nil {
		for name, v := range sent.fields {
			if !slices.Contains(evidenceFields, name) {
				return nil, notDone(v)
			}
			evidence[name] = v.value()
		}
	}
	was := maps.Clone(d)
	submit := p.get("submit") == nil || p.get("submit").bool()
	d["metadata"] = meta
	if sent != nil {
		details := maps.Clone(d["evidence_details"].(object))
		details["has_evidence"] = true
		if submit {
			details["submission_count"] = details["submission_count"].(int64) + 1
			if d["status"] = "under_review"; isInquiry(was) {
				d["status"] = "warning_under_review"
			}
		}
		d["evidence"], d["evidence_details"] = evidence, details
	}
	if len(previous(was, d)) > 0 {
		s.report("charge.dispute.updated", d, was, c)
	}
	if sent != nil && submit {
		switch evidence["uncategorized_text"] { // as https://docs.stripe.com/testing#evidence has it
		case "winning_evidence":
			s.closeDispute(d, "won", nil)
		case "losing_evidence":
			s.closeDispute(d, "lost", nil)
		}
	}
	return d, nil
}

// giveUpDispute accepts that a dispute is lost: https://docs.stripe.com/api/disputes/close. An inquiry is closed.
func (s *Server) giveUpDispute(c *call) (object, *apiError) {
	d, err := s.openDispute(c)
	if err != nil {
		return nil, err
	}
	outcome := "lost"
	if isInquiry(d) {
		outcome = "warning_closed"
	}
	s.closeDispute(d, outcome, c)
	return d, nil
}

func (s *Server) openDispute(c *call) (object, *apiError) {
	d, err := s.named(c, "dispute")
	if err == nil && disputeOver(d) {
		err = &apiError{status: http.StatusBadRequest, typ: "invalid_request_error", message: "This dispute is already closed"}
	}
	return d, err
}
