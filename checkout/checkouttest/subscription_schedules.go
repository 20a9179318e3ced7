package checkouttest

import (
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// A subscription schedule takes a subscription through phases, one after the other. Each phase has prices and quantities of its
// own. Stripe promises no order of the events: https://docs.stripe.com/billing/subscriptions/subscription-schedules

// createSchedule makes a schedule of new phases. Its subscription starts at start_date.
// https://docs.stripe.com/api/subscription_schedules/create
func (s *Server) createSchedule(c *call) (object, *apiError) {
	p := c.params
	if err := only(p, "customer", "end_behavior", "expand", "from_subscription", "metadata", "phases", "start_date"); err != nil {
		return nil, err
	}
	if p.Get("from_subscription") != nil {
		return s.createScheduleFrom(c)
	}
	for _, name := range []string{"customer", "phases", "start_date"} {
		if p.Get(name) == nil {
			return nil, missing(name)
		}
	}
	cus, err := s.objectInParam(c, "customer", p.Get("customer"))
	if err != nil {
		return nil, err
	}
	start := s.Now().Unix()
	if at := p.Get("start_date"); at.String() != "now" {
		if at.Int() < start {
			return nil, invalid("", at.Name, "This test server does not backdate a subscription.")
		}
		start = at.Int()
	}
	phases, err := s.readPhases(c, start, start, nil)
	if err != nil {
		return nil, err
	}
	sched := s.newSchedule(cus["id"], phases)
	if err := setScheduleParams(sched, p); err != nil {
		return nil, err
	}
	sess := s.payer(c, cus, &formparams.Param{})
	sess.object["mode"], sess.object["currency"] = "subscription", phases[0]["currency"]
	s.keep(sess, sched)
	if start <= s.Now().Unix() {
		s.startSchedule(sched)
	} else {
		s.startLater(sched)
	}
	s.emitChange("subscription_schedule.created", sched, nil, c)
	return sched, nil
}

// createScheduleFrom puts a subscription under a schedule. Its one phase is the subscription's current period.
func (s *Server) createScheduleFrom(c *call) (object, *apiError) {
	from := c.params.Get("from_subscription")
	for _, name := range []string{"customer", "end_behavior", "metadata", "phases", "start_date"} {
		if c.params.Get(name) != nil {
			return nil, invalid("", name, "You cannot set `%s` if `from_subscription` is set.", name)
		}
	}
	sub, err := s.objectInParam(c, "subscription", from)
	if err != nil {
		return nil, err
	}
	switch {
	case sub["schedule"] != nil:
		return nil, invalid("", from.Name, "You cannot migrate a subscription that is already attached to a schedule: `%s`.", sub.str("schedule"))
	case !slices.Contains([]string{"active", "past_due", "unpaid"}, sub.str("status")) || sub["cancel_at"] != nil:
		return nil, invalid("", from.Name, "This test server makes a schedule only of a subscription that renews, and not of one that is %s or has an end.", sub.str("status"))
	}
	var items []object
	for _, item := range itemsOf(sub) {
		items = append(items, phaseItem(item["price"].(object)["id"], item["quantity"]))
	}
	start, end := periodOf(sub)
	sched := s.newSchedule(sub["customer"], []object{newPhase(start, end, sub["currency"], items)})
	s.keep(s.ownerOf(sub), sched)
	s.attach(sched, sub)
	s.emitChange("subscription_schedule.created", sched, nil, c)
	s.emitChange("customer.subscription.updated", sub, sub.with(object{"schedule": nil}), c)
	return sched, nil
}

// updateSchedule changes a schedule. A change of the current phase changes the subscription at once.
// https://docs.stripe.com/api/subscription_schedules/update
func (s *Server) updateSchedule(c *call) (object, *apiError) {
	sched, err := s.openSchedule(c, "update")
	if err != nil {
		return nil, err
	}
	p := c.params
	behavior := p.Get("proration_behavior")
	for _, check := range []*apiError{
		only(p, "end_behavior", "expand", "metadata", "phases", "proration_behavior"),
		oneOf(behavior, "always_invoice", "create_prorations", "none"),
	} {
		if check != nil {
			return nil, check
		}
	}
	changed := maps.Clone(sched)
	if err := setScheduleParams(changed, p); err != nil {
		return nil, err
	}
	if p.Get("phases") != nil {
		if err := s.replacePhases(c, changed); err != nil {
			return nil, err
		}
	}
	was := maps.Clone(sched)
	maps.Copy(sched, changed)
	if len(previous(was, sched)) == 0 {
		return sched, nil
	}
	if !reflect.DeepEqual(was["current_phase"], sched["current_phase"]) {
		s.followPhase(sched)
	}
	switch {
	case sched["status"] == "not_started":
		s.startLater(sched)
	case p.Get("phases") != nil || p.Get("end_behavior") != nil:
		edit := s.updateForPhase(sched)
		edit.proration = valueOr(behavior, "create_prorations").(string)
		s.applyUpdate(c, s.ownerOf(sched), edit)
	}
	s.emitChange("subscription_schedule.updated", sched, was, c)
	return sched, nil
}

// replacePhases replaces the current and the future phases of a schedule. Past phases stay.
func (s *Server) replacePhases(c *call, sched object) *apiError {
	n, old := phaseNumber(sched), phasesOf(sched)
	start, anchor := old[n]["start_date"].(int64), old[0]["start_date"].(int64)
	first := &formparams.Param{Name: "phases[0][start_date]"}
	if list := c.params.Get("phases").List(); len(list) > 0 && list[0].Get("start_date") != nil {
		first = list[0].Get("start_date")
	}
	if sched["status"] == "not_started" {
		if first.IsSet && first.Int() <= s.Now().Unix() {
			return invalid("", first.Name, "This test server moves the start of a schedule to a later time only.")
		}
		if first.IsSet {
			start, anchor = first.Int(), first.Int()
		}
	} else {
		anchor = s.objects[sched.str("subscription")]["billing_cycle_anchor"].(int64)
		if first.Int() != start {
			return invalid("", first.Name, "The first phase must be the current one: its start_date must be %d.", start)
		}
	}
	phases, err := s.readPhases(c, start, anchor, old)
	if err != nil {
		return err
	}
	if phases[0]["end_date"].(int64) <= s.Now().Unix() {
		return invalid("", "phases[0][end_date]", "This test server ends the current phase at a later time only.")
	}
	sched["phases"] = slices.Concat(old[:n], phases)
	if sched["status"] != "not_started" {
		sched["current_phase"] = object{"end_date": phases[0]["end_date"], "start_date": start}
	}
	return nil
}

// cancelSchedule ends a schedule and its subscription at once. The customer gets a credit for the rest of the period, unless
// prorate=false. https://docs.stripe.com/api/subscription_schedules/cancel
func (s *Server) cancelSchedule(c *call) (object, *apiError) {
	sched, err := s.openSchedule(c, "cancel")
	if err == nil {
		err = only(c.params, "expand", "invoice_now", "prorate")
	}
	if err != nil {
		return nil, err
	}
	sub := s.objects[sched.str("subscription")]
	if sub == nil {
		s.endSchedule(sched, "canceled", c)
		return sched, nil
	}
	if c.params.Get("prorate").String() != "false" {
		s.prorate(sub, itemsOf(sub), nil)
	}
	if c.params.Get("invoice_now").String() != "false" {
		s.billProrations(s.ownerOf(sub))
	}
	s.cancelSubscription(sub, c)
	return sched, nil
}

// releaseSchedule ends a schedule, and leaves its subscription as it is. The subscription keeps an end that the schedule has given it
// only with preserve_cancel_date. https://docs.stripe.com/api/subscription_schedules/release
func (s *Server) releaseSchedule(c *call) (object, *apiError) {
	sched, err := s.openSchedule(c, "release")
	if err == nil {
		err = only(c.params, "expand", "preserve_cancel_date")
	}
	if err != nil {
		return nil, err
	}
	if sub := s.objects[sched.str("subscription")]; sub != nil {
		was := maps.Clone(sub)
		s.detach(sched, c.params.Get("preserve_cancel_date").Bool())
		s.followDates(s.ownerOf(sub), sub.with(object{"cancel_at": nil}))
		s.emitChange("customer.subscription.updated", sub, was, c)
	}
	s.endSchedule(sched, "released", c)
	return sched, nil
}

// refuseBesideSchedule refuses changes of a subscription that its schedule has to make. Stripe refuses those of its end
// (https://github.com/laravel/cashier-stripe/issues/1748). Others split the current phase of the schedule, which this server does
// not do.
func refuseBesideSchedule(sub object, p *formparams.Param) *apiError {
	if sub["schedule"] == nil {
		return nil
	}
	for _, name := range []string{"cancel_at", "cancel_at_period_end"} {
		if p.Get(name) != nil {
			return invalid("", "", "The subscription is managed by the subscription schedule `%s`, and updating any cancelation behavior directly is not allowed. "+
				"Please update the schedule instead.", sub.str("schedule"))
		}
	}
	for _, name := range []string{"discounts", "items", "trial_end"} {
		if sent := p.Get(name); sent != nil {
			return invalid("", sent.Name, "This test server changes %s of a subscription with a schedule over its schedule only.", name)
		}
	}
	return nil
}

// openSchedule returns the schedule that the path names. A schedule that has ended can't be changed.
func (s *Server) openSchedule(c *call, verb string) (object, *apiError) {
	sched, err := s.objectInPath(c, "subscription_schedule")
	if err == nil && !scheduleRuns(sched) {
		err = invalid("", "", "You cannot %[1]s a subscription schedule that is currently in the `%[2]s` status. You can only %[1]s a schedule if its status is `not_started`, or `active`.",
			verb, sched.str("status"))
	}
	return sched, err
}

func scheduleRuns(sched object) bool {
	return sched["status"] == "not_started" || sched["status"] == "active"
}

// notStarted is the condition of a list of schedules that have not started yet.
func notStarted(sched object, p *formparams.Param) bool {
	return !p.Bool() || sched["status"] == "not_started"
}

// startLater starts a schedule at its start_date.
func (s *Server) startLater(sched object) {
	at := phasesOf(sched)[0]["start_date"].(int64)
	s.schedule(time.Unix(at, 0), func() {
		if sched["status"] == "not_started" && phasesOf(sched)[0]["start_date"] == at {
			was := maps.Clone(sched)
			s.startSchedule(sched)
			s.emitChange("subscription_schedule.updated", sched, was, nil)
		}
	})
}

// startSchedule starts the subscription of a schedule. Its first invoice is a draft, which is collected as that of a renewal is.
// https://docs.stripe.com/billing/subscriptions/subscription-schedules#create-subscription-schedules
func (s *Server) startSchedule(sched object) {
	sess := s.ownerOf(sched)
	sub := s.newSubscription(sess)
	sess.subscription = &subscription{sub: sub}
	s.attach(sched, sub)
	edit := s.updateForPhase(sched)
	maps.Copy(sub, edit.changed)
	sub["status"] = "active"
	setItems(sub, edit.items, func(item object) object { return item })
	setPeriod(sub, 0)
	s.keep(sess, sub)
	s.setCurrency(sess)
	inv := s.newInvoice(sess, sub, "subscription_create")
	s.emit(sess, "customer.subscription.created", sub, nil)
	s.renewLater(sess)
	s.collectLater(sess, inv)
}

// attach makes a schedule that of a subscription. The first phase begins.
func (s *Server) attach(sched, sub object) {
	sub["schedule"] = sched["id"]
	sched["status"], sched["subscription"] = "active", sub["id"]
	s.enterPhase(sched, 0)
}

// completeSchedule ends a schedule after its last phase, as end_behavior asks for it. It reports false if the subscription has
// ended. By Stripe's texts, a schedule that leaves its subscription behind is both completed and released; that its status
// is then released, and that both events are sent, is a guess. https://docs.stripe.com/billing/subscriptions/webhooks
func (s *Server) completeSchedule(sched object) bool {
	if sched["end_behavior"] == "cancel" {
		s.cancelSubscription(s.objects[sched.str("subscription")], nil)
		return false
	}
	s.detach(sched, false)
	s.endSchedule(sched, "completed", nil)
	s.endSchedule(sched, "released", nil)
	return true
}

// endScheduleOf ends the schedule of a subscription that has just ended: the schedule is completed if this was its end. It is
// aborted if the subscription was not paid. https://docs.stripe.com/billing/subscriptions/webhooks
func (s *Server) endScheduleOf(sub object, c *call) {
	sched := s.objects[sub.str("schedule")]
	switch {
	case sched == nil || !scheduleRuns(sched):
	case inLastPhase(sched) && sched["end_behavior"] == "cancel" && sched["current_phase"].(object)["end_date"].(int64) <= s.Now().Unix():
		s.endSchedule(sched, "completed", c)
	case sub["cancellation_details"].(object)["reason"] == "payment_failed":
		s.endSchedule(sched, "aborted", c)
	default:
		s.endSchedule(sched, "canceled", c)
	}
}

// endSchedule ends a schedule: it is aborted, canceled, completed or released. A schedule that is aborted has the status canceled.
func (s *Server) endSchedule(sched object, how string, c *call) {
	status := how
	if how == "aborted" {
		status = "canceled"
	}
	sched["status"], sched[status+"_at"], sched["current_phase"] = status, s.Now().Unix(), nil
	s.emitChange("subscription_schedule."+how, sched, nil, c)
}

// detach separates a schedule from its subscription.
func (s *Server) detach(sched object, keepsEnd bool) {
	sub := s.objects[sched.str("subscription")]
	sched["subscription"], sched["released_subscription"] = nil, sub["id"]
	sub["schedule"] = nil
	if sub["cancel_at"] != nil && !keepsEnd {
		sub.endAt(false, nil, s.Now().Unix())
	}
}

// setScheduleParams copies the parameters of a schedule that are not about its phases.
func setScheduleParams(sched object, p *formparams.Param) *apiError {
	behavior := p.Get("end_behavior")
	if err := oneOf(behavior, "cancel", "none", "release", "renew"); err != nil {
		return err
	}
	if behavior.String() == "none" || behavior.String() == "renew" {
		return unsupported(behavior)
	}
	sched.set(p, "end_behavior")
	return sched.setMetadata(p)
}

// newSchedule returns a schedule that has not started: https://docs.stripe.com/api/subscription_schedules/object
func (s *Server) newSchedule(customer any, phases []object) object {
	return object{
		"id": s.newID("sub_sched_1", 23), "object": "subscription_schedule", "application": nil, "billing_mode": object{"type": "classic"},
		"canceled_at": nil, "completed_at": nil, "created": s.Now().Unix(), "current_phase": nil, "customer": customer, "default_settings": object{
			"application_fee_percent": nil, "automatic_tax": object{"disabled_reason": nil, "enabled": false, "liability": nil},
			"billing_cycle_anchor": "automatic", "billing_thresholds": nil, "collection_method": "charge_automatically", "default_payment_method": nil,
			"description": nil, "invoice_settings": object{"account_tax_ids": nil, "days_until_due": nil, "issuer": object{"type": "self"}},
			"on_behalf_of": nil, "transfer_data": nil,
		}, "end_behavior": "release", "livemode": false, "metadata": object{}, "phases": phases, "released_at": nil, "released_subscription": nil,
		"status": "not_started", "subscription": nil, "test_clock": nil,
	}
}
