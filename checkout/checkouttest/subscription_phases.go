package checkouttest

import (
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// maxPhases is the number of current and future phases that a schedule can have.
// https://docs.stripe.com/billing/subscriptions/subscription-schedules
const maxPhases = 10

// scheduleWarning is the time before the end of a schedule at which subscription_schedule.expiring is sent.
// https://docs.stripe.com/api/events/types#event_types-subscription_schedule.expiring
const scheduleWarning = 7 * 24 * time.Hour

// enterPhase makes the nth phase of a schedule the current one.
func (s *Server) enterPhase(sched object, n int) {
	phase := phasesOf(sched)[n]
	sched["current_phase"] = object{"end_date": phase["end_date"], "start_date": phase["start_date"]}
	s.followPhase(sched)
}

// followPhase schedules the end of the current phase, and the warning before the end of the last phase.
func (s *Server) followPhase(sched object) {
	phase := sched["current_phase"]
	end := time.Unix(phase.(object)["end_date"].(int64), 0)
	isCurrent := func() bool { return scheduleRuns(sched) && reflect.DeepEqual(sched["current_phase"], phase) }
	if warning := end.Add(-scheduleWarning); warning.After(s.Now()) {
		s.schedule(warning, func() {
			if isCurrent() && inLastPhase(sched) {
				s.emitChange("subscription_schedule.expiring", sched, nil, nil)
			}
		})
	}
	s.schedule(end, func() {
		if isCurrent() && !s.renewsNow(s.objects[sched.str("subscription")]) { // periodEnds ends the phase with the period
			s.endPhase(sched)
		}
	})
}

// renewsNow reports whether the period of a subscription ends now, so that periodEnds is about to run.
func (s *Server) renewsNow(sub object) bool {
	_, end := periodOf(sub)
	return end <= s.Now().Unix()
}

// endPhase ends a phase within a period of the subscription. The change to the next phase is prorated as the next phase asks for it.
func (s *Server) endPhase(sched object) {
	sub := s.objects[sched.str("subscription")]
	if !inLastPhase(sched) {
		was := maps.Clone(sched)
		s.enterPhase(sched, phaseNumber(sched)+1)
		s.applyUpdate(nil, s.ownerOf(sub), s.updateForPhase(sched))
		s.emitChange("subscription_schedule.updated", sched, was, nil)
		return
	}
	was := maps.Clone(sub)
	if s.completeSchedule(sched) {
		s.emitChange("customer.subscription.updated", sub, was, nil)
	}
}

// endPhaseWithPeriod ends the phase that ends with the current period of a subscription, if there is one. It changes the
// subscription before the next period is billed, and emits no event of that. It returns the billing_reason of the next period's
// invoice, or "" if the subscription has ended.
func (s *Server) endPhaseWithPeriod(p *subscription) (reason string) {
	sched := s.objects[p.sub.str("schedule")]
	now := s.Now().Unix()
	if sched == nil || !scheduleRuns(sched) || sched["current_phase"].(object)["end_date"].(int64) > now {
		return "subscription_cycle"
	}
	if inLastPhase(sched) {
		if !s.completeSchedule(sched) {
			return ""
		}
		return "subscription_cycle"
	}
	was := maps.Clone(sched)
	s.enterPhase(sched, phaseNumber(sched)+1)
	edit := s.updateForPhase(sched)
	maps.Copy(p.sub, edit.changed)
	setItems(p.sub, edit.items, func(item object) object { return item })
	s.emitChange("subscription_schedule.updated", sched, was, nil)
	if edit.newCycle {
		p.sub["billing_cycle_anchor"], p.period = now, -1 // the period that begins is the first one
		return "subscription_update"
	}
	return "subscription_cycle"
}

// updateForPhase returns the change that gives a subscription what the current phase of its schedule has. In the last phase, a
// schedule that cancels its subscription gives the subscription an end.
func (s *Server) updateForPhase(sched object) subscriptionUpdate {
	sub, phase := s.objects[sched.str("subscription")], phasesOf(sched)[phaseNumber(sched)]
	if sub == nil { // startSchedule has not stored it yet
		sub = s.ownerOf(sched).subscription.sub
	}
	edit := subscriptionUpdate{changed: maps.Clone(sub), proration: phase.str("proration_behavior")}
	metadata := maps.Clone(sub["metadata"].(object))
	for key, text := range phase["metadata"].(object) {
		metadata[key] = text
		if text == "" {
			delete(metadata, key)
		}
	}
	edit.changed["metadata"] = metadata
	before := itemsOf(sub)
	for _, in := range phase["items"].([]object) {
		price, quantity := s.objects[in.str("price")], in["quantity"]
		i := slices.IndexFunc(before, func(item object) bool { return item["price"].(object)["id"] == price["id"] })
		if i < 0 {
			edit.items = append(edit.items, s.newItem(sub.str("id"), price, quantity))
		} else {
			edit.items = append(edit.items, before[i].with(object{"quantity": quantity}))
		}
	}
	edit.newCycle = len(before) > 0 && !reflect.DeepEqual(before[0]["price"].(object)["recurring"], edit.items[0]["price"].(object)["recurring"])
	var end any
	if sched["end_behavior"] == "cancel" && inLastPhase(sched) {
		end = phase["end_date"]
	}
	if sub["cancel_at"] != end {
		edit.changed.endAt(false, end, s.Now().Unix())
	}
	return edit
}

func phasesOf(sched object) []object { return sched["phases"].([]object) }

// phaseNumber returns the index of the current phase of a schedule. It is 0 before the schedule has started.
func phaseNumber(sched object) int {
	current, _ := sched["current_phase"].(object)
	return max(0, slices.IndexFunc(phasesOf(sched), func(phase object) bool { return phase["start_date"] == current["start_date"] }))
}

func inLastPhase(sched object) bool { return phaseNumber(sched) == len(phasesOf(sched))-1 }

func newPhase(start, end int64, currency any, items []object) object {
	return object{
		"add_invoice_items": []any{}, "application_fee_percent": nil, "automatic_tax": object{"disabled_reason": nil, "enabled": false, "liability": nil},
		"billing_cycle_anchor": nil, "billing_thresholds": nil, "collection_method": nil, "currency": currency, "default_payment_method": nil,
		"default_tax_rates": []any{}, "description": nil, "discounts": []any{}, "end_date": end, "invoice_settings": nil, "items": items,
		"metadata": object{}, "on_behalf_of": nil, "proration_behavior": "create_prorations", "start_date": start, "transfer_data": nil, "trial_end": nil,
	}
}

func phaseItem(price, quantity any) object {
	return object{
		"billing_thresholds": nil, "discounts": []any{}, "metadata": object{}, "plan": price, "price": price, "quantity": quantity, "tax_rates": []any{},
	}
}

// readPhases reads the phases of a request. The first one begins at start, and each other one at the end of the one before. The
// subscription is billed at intervals from anchor. known are the phases that the schedule has so far.
func (s *Server) readPhases(c *call, start, anchor int64, known []object) ([]object, *apiError) {
	sent := c.params.Get("phases").List()
	if len(sent) > maxPhases {
		return nil, invalid("", "phases", "A subscription schedule can have up to %d current or future phases.", maxPhases)
	}
	var phases []object
	for i, p := range sent {
		if at := p.Get("start_date"); i > 0 && at != nil && at.Int() != start {
			return nil, invalid("", at.Name, "The start_date of a phase must be the end_date of the phase before, %d.", start)
		}
		phase, err := s.readPhase(c, p, start, anchor, slices.Concat(known, phases))
		if err != nil {
			return nil, err
		}
		phases = append(phases, phase)
		start = phase["end_date"].(int64)
	}
	if len(phases) == 0 {
		return nil, missing("phases")
	}
	return phases, nil
}

func (s *Server) readPhase(c *call, p *formparams.Param, start, anchor int64, known []object) (object, *apiError) {
	behavior := p.Get("proration_behavior")
	_, badMetadata := metadataOf(p.Get("metadata"))
	for _, check := range []*apiError{
		only(p, "duration", "end_date", "items", "iterations", "metadata", "proration_behavior", "start_date"),
		oneOf(behavior, "always_invoice", "create_prorations", "none"), badMetadata,
	} {
		if check != nil {
			return nil, check
		}
	}
	items, err := s.readPhaseItems(c, p, known)
	if err != nil {
		return nil, err
	}
	price := s.objects[items[0].str("price")]
	end, err := readPhaseEnd(p, start, anchor, price["recurring"].(object))
	if err != nil {
		return nil, err
	}
	phase := newPhase(start, end, price["currency"], items)
	phase.set(p, "proration_behavior")
	if sent := p.Get("metadata"); sent != nil {
		metadata := object{}
		for key, text := range sent.Fields { // an empty text removes the key from the subscription's metadata
			metadata[key] = text.String()
		}
		phase["metadata"] = metadata
	}
	return phase, nil
}

// readPhaseItems reads the prices and quantities of a phase. A price that other phases have may be inactive, as those of price_data are:
// that Stripe takes it again is a guess.
func (s *Server) readPhaseItems(c *call, phase *formparams.Param, known []object) ([]object, *apiError) {
	var items []object
	currency := ""
	if len(known) > 0 {
		currency = known[0].str("currency")
	}
	isKnown := func(price string) bool {
		return slices.ContainsFunc(known, func(phase object) bool { return hasPrice(phase["items"].([]object), price) })
	}
	var interval any
	for _, p := range phase.Get("items").List() {
		if err := only(p, "price", "quantity"); err != nil {
			return nil, err
		}
		id, quantity := p.Get("price"), p.Get("quantity")
		if id == nil {
			return nil, missing(p.NameOf("price"))
		}
		price := s.find(c.account, "price", id.String())
		if currency == "" {
			currency = price.str("currency")
		}
		var err *apiError
		if !isKnown(id.String()) {
			price, err = s.recurringPrice(c, object{"currency": currency}, id)
		}
		switch {
		case err != nil:
			return nil, err
		case quantity != nil && quantity.Int() < 1:
			return nil, invalid("parameter_invalid_integer", quantity.Name, "This value must be greater than or equal to 1.")
		case hasPrice(items, id.String()):
			return nil, invalid("", id.Name, "This test server takes each price once in a phase.")
		case interval != nil && !reflect.DeepEqual(interval, price["recurring"]):
			return nil, invalid("", id.Name, "This test server takes recurring prices of the same billing interval only.")
		}
		interval = price["recurring"]
		items = append(items, phaseItem(price["id"], max(1, quantity.Int())))
	}
	if len(items) == 0 {
		return nil, missing(phase.NameOf("items"))
	}
	return items, nil
}

// hasPrice reports whether one of the items of a phase has a price.
func hasPrice(items []object, price string) bool {
	return slices.ContainsFunc(items, func(item object) bool { return item["price"] == price })
}

// readPhaseEnd returns the end of a phase. A phase that says nothing of it lasts for one billing interval, which is a guess.
func readPhaseEnd(p *formparams.Param, start, anchor int64, recurring object) (int64, *apiError) {
	end, iterations, duration := p.Get("end_date"), p.Get("iterations"), p.Get("duration")
	interval, count := recurring.str("interval"), recurring["interval_count"].(int64)
	switch {
	case end != nil && (iterations != nil || duration != nil) || iterations != nil && duration != nil:
		return 0, onlyOneOf(p.Name, "duration", "end_date", "iterations")
	case end != nil && end.String() == "now":
		return 0, unsupported(end)
	case end != nil && end.Int() <= start:
		return 0, invalid("", end.Name, "The end_date of a phase must be after its start_date, %d.", start)
	case end != nil:
		return end.Int(), nil
	case iterations != nil && iterations.Int() < 1:
		return 0, invalid("parameter_invalid_integer", iterations.Name, "This value must be greater than or equal to 1.")
	case iterations != nil:
		count *= iterations.Int()
	case duration != nil:
		if err := oneOf(duration.Get("interval"), "day", "month", "week", "year"); err != nil {
			return 0, err
		}
		interval, count = duration.Get("interval").String(), max(1, duration.Get("interval_count").Int())
	}
	// A phase that begins with a billing period ends with one, also if its first month is shorter than that of the anchor.
	for n := int64(0); ; n++ {
		at := intervalsAfter(anchor, interval, n)
		if at == start {
			return intervalsAfter(anchor, interval, n+count), nil
		}
		if at > start {
			return intervalsAfter(start, interval, count), nil
		}
	}
}

// intervalsAfter returns the time that is a number of billing intervals after an anchor, in seconds.
func intervalsAfter(anchor int64, interval string, n int64) int64 {
	recurring := object{"interval": interval, "interval_count": n}
	return period(object{"billing_cycle_anchor": anchor, "items": object{"data": []object{{"price": object{"recurring": recurring}}}}}, 1).Unix()
}
