package simtest

// subscriptionMutants are bugs in what the library does for subscriptions, to be found by histories that have some.
var subscriptionMutants = []mutant{
	// Found.
	{name: "never ask for a period that should have ended", edits: []edit{{"../../next.go",
		"\t\t\tby(s.PeriodEnd.Add(expiryGrace), \"its period should have ended\")\n", "\n"}}},
	{name: "never ask about an invoice that should be paid", edits: []edit{
		{"../../next.go", "\t\t\tby(inv.CreatedAt.Add(draftFor+expiryGrace), \"an invoice should have been charged\")\n", "\n"},
		{"../../next.go", "\t\t\tby(inv.NextTry.Add(expiryGrace), \"an invoice should have been charged again\")\n", "\n"},
		{"../../next.go", "\t\t\tby(inv.CreatedAt.Add(draftFor+expiryGrace), \"an invoice is not paid\")\n", "\n"},
		{"../../next.go", "by(s.PeriodStart, \"it is \"+string(s.Status))", "_ = s"},
	}},
	{name: "find no refund by a payment of an invoice", edits: []edit{{"../../../store/order.go", "\t\tadd(inv.PaymentIntents...)\n", "\n"}}},

	// Told once.
	{name: "tell a renewal at every look", edits: []edit{{"../../subscription_changes.go", "\t\t\tinv.RenewalTold = true\n", "\n"}}},
	{name: "tell a failed payment at every look", edits: []edit{{"../../subscription_changes.go", "\t\t\tinv.FailureTold = inv.Tries\n", "\n"}}},
	{name: "tell the last failed payment to nobody", edits: []edit{{"../../subscription_changes.go",
		"return !inv.NextTry.IsZero() || !goesOn(s.Status)", "return !inv.NextTry.IsZero()"}}},
	{name: "tell the end of a trial to nobody", edits: []edit{{"../../subscription_changes.go",
		"return s != nil && s.Status == store.SubscriptionTrialing", "return s != nil && s.Status == store.SubscriptionPaused"}}},
	{name: "tell a withdrawn cancellation to nobody", edits: []edit{{"../../subscription_changes.go",
		"\t\ttell(ChangeCancellationWithdrawn, time.Time{}, \"\")\n", "\n"}}},
	{name: "tell a cancellation that is scheduled for another time to nobody", edits: []edit{{"../../subscription_changes.go",
		"after.CancelAt.Equal(before.CancelAt):", "after.CancelAt.IsZero() == before.CancelAt.IsZero():"}}},
	{name: "tell an end at every answer", edits: []edit{{"../../subscription_changes.go", "case after.Ended() && !before.Ended():", "case after.Ended():"}}},
	{name: "tell the first plan as a change", edits: []edit{{"../../subscription_changes.go", "before.Status != \"\" && plan != was", "plan != was"}}},
	{name: "tell a status to nobody", edits: []edit{{"../../subscription_changes.go", "if !begins && !after.Ended() &&", "if begins && !after.Ended() &&"}}},
	{name: "tell of an invoice before its subscription is known", edits: []edit{{"../../subscriptions.go",
		"\t*known = after\n\tchanged := !sameSubscription(after, before)\n",
		"\tif len(answers.invoices) != 1 || len(o.Invoices) < 2 {\n\t\t*known = after\n\t} else {\n\t\tafter = before\n\t}\n\tchanged := !sameSubscription(after, before)\n"}}},
	{name: "tell any paid invoice as a renewal", edits: []edit{{"../../subscription_changes.go",
		"renews(inv, o.Invoices[:i]) && ", ""}}},
	{name: "tell the period of the first line", edits: []edit{{"../../invoices.go",
		"end.After(entry.PeriodEnd) {\n\t\t\tentry.PeriodStart", "entry.PeriodEnd.IsZero() || end.Before(entry.PeriodEnd) {\n\t\t\tentry.PeriodStart"}}},

	// Begun, and given back.
	{name: "leave a trial without payment unpaid", edits: []edit{{"../../session_facts.go",
		"case \"paid\", \"no_payment_required\":\n\t\tu.paid", "case \"paid\":\n\t\tu.paid"}}},
	{name: "expect the price of a trial", edits: []edit{{"../../cart.go", "if trial && l.Recurring != (Recurring{}) {", "if trial && l.Quantity < 0 {"}}},
	{name: "take a canceled subscription for a failed debit", edits: []edit{{"../../session_facts.go",
		"u.completed && u.facts.Subscription.Status == \"incomplete_expired\"", "u.completed && u.facts.Subscription.Status != \"incomplete\" && u.facts.Subscription.Status != \"\""}}},
	{name: "tell a renewal before an older one", edits: []edit{{"../../invoices.go", "if !latestInvoice(o, subscription, i.ID) {", "if o.SubscriptionByID(subscription) == nil {"}}},
	{name: "tell a renewal that was disputed before an older one", edits: []edit{{"../../invoices.go",
		"if !latestInvoice(o, subscription, answer.ID) {", "if o.SubscriptionByID(subscription) == nil {"}}},
	{name: "take the dispute of a renewal for that of the first payment", edits: []edit{{"../../disputes.go",
		"State: disputeState(d.Status), Attempt: attempt, Invoice: invoice,", "State: disputeState(d.Status), Attempt: attempt, Invoice: invoice[:0],"}}},
	{name: "fulfil an old subscription without asking", edits: []edit{{"../../next.go",
		"paid.PaymentIntent == \"\" || now.Sub(paid.VerifiedAt) <= verifiedFor", "paid.Subscription != \"\" || now.Sub(paid.VerifiedAt) <= verifiedFor"}}},
	{name: "fulfil a subscription before Stripe was asked for it", edits: []edit{{"../../next.go",
		"if paid := o.PaidAttempt(); paid != nil && o.Fulfillable() && (o.SubscriptionByID", "if paid := o.PaidAttempt(); paid != nil && paid.N < 0 && (o.SubscriptionByID"}}},
	{name: "charge a subscription on whose payment was given back", edits: []edit{{"../../subscriptions.go",
		"\tif subscription == \"\" {\n\t\treturn nil\n\t}\n\terr :=", "\tif subscription != \"\" {\n\t\treturn nil\n\t}\n\terr :="}}},

	// Access.
	{name: "grant access after the end", edits: []edit{{"../../../store/access.go",
		"\tcase !s.CancelAt.IsZero() && !s.CancelAt.After(now):\n\t\treturn Access{Reason: AccessEnded, Until: s.CancelAt}\n", "\n"}}},
	{name: "count the grace of a sent invoice from when it was made", edits: []edit{{"../../../store/access.go",
		"case i.DueDate.After(i.CreatedAt):", "case i.CreatedAt.IsZero():"}}},
	{name: "grant access for a renewal that was given back", edits: []edit{{"../../../store/access.go",
		"\t\tback += o.InvoiceRefunded(i.ID)\n", "\n"}}},
	{name: "begin the grace with the period", edits: []edit{{"../../../store/access.go",
		"inv.State == InvoiceOpen && inv.Due > inv.Paid", "inv.State == InvoiceOpen && inv.Due < inv.Paid"}}},
}
