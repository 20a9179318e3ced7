package simtest

// mutant is a bug to plant: in a file, one text in place of another.
type mutant struct {
	name  string
	edits []edit
}

type edit struct{ file, before, after string }

// mutants are bugs that others have had in such code. Paths are relative to this package's folder.
var mutants = []mutant{
	// The life of an order.
	{name: "release on local time-out", edits: []edit{{"../../sweep.go",
		`return f.end(ctx, o, a, "sweep")`,
		`_, err := f.settle(ctx, o, sessionUpdate{facts: sessionFacts{ID: a.SessionID}, cause: "sweep", expired: true})
			return err`}}},
	{name: "mark outside the callback's transaction", edits: []edit{{"../../deliver.go", `
		known, err = f.markDelivered(limited, tx, id, token, l, next.N)
		return err
	})
`, `
		return nil
	})
	if err == nil {
		err = f.store.InTx(limited, func(tx Tx) (err error) {
			known, err = f.markDelivered(limited, tx, id, token, l, next.N)
			return err
		})
	}
`}}},
	{name: "mark before fulfilling", edits: []edit{{"../../deliver.go", `
		callbackErr = f.call(limited, tx, leased, next.N)
		return callbackErr
`, `
		return nil
`}, {"../../deliver.go", `
	if err == nil {
		f.waiters.changed(id)
		f.wake(id)
`, `
	if err == nil {
		err = f.store.InTx(limited, func(tx Tx) error { return f.call(limited, tx, leased, next.N) })
	}
	if err == nil {
		f.waiters.changed(id)
		f.wake(id)
`}}},
	{name: "take \"not open\" for expired", edits: []edit{{"../../cancel.go", `
	if badRequest(err) {
		answer, err = f.stripe.session(ctx, o.Account, o.Mode, a.SessionID, doing)
	}
`, `
	if badRequest(err) {
		answer, err = sessionUpdate{facts: sessionFacts{ID: a.SessionID}, cause: doing, expired: true}, nil
	}
`}}},
	{name: "forget the hold of a completed unpaid session", edits: []edit{{"../../next.go",
		"ended := a.Expired || a.Failed && !a.Paid\n", "ended := a.Expired || a.Completed && !a.Paid\n"}}},
	{name: "a second session beside an open one", edits: []edit{{"../../begin.go", "if a.Replaces != 0 {\n", "if a.Replaces < 0 {\n"}}},
	{name: "sell late money without stock", edits: []edit{{"../../stock.go",
		"late := store.Hold{ID: a.Hold.ID + lateSuffix}\n", "if a.Hold.State = store.Sold; ctx != nil {\n\t\treturn nil, nil\n\t}\n\tlate := store.Hold{ID: a.Hold.ID + lateSuffix}\n"}}},
	{name: "the same idempotency key after a lost answer", edits: []edit{{"../../begin.go",
		`idempotencyKey("%s/%s/%d", shop.id, o.ID, a.N)`, `idempotencyKey("%s/%s", shop.id, o.ID)`}}},
	{name: "never close an unrecorded attempt", edits: []edit{{"../../next.go",
		"step.Action, step.At, step.Reason = CloseAttempt, a.CreatedAt.Add(unrecordedFor), \"its session was not recorded in time\"\n", "return Step{}, false\n"}}},
	{name: "hand out a session that is not recorded", edits: []edit{{"../../begin.go",
		"\tif recorded == nil {\n", "\tif recorded == nil && o.ID != \"\" {\n\t\tn := *a\n\t\trecordSession(&n, &answer.facts)\n\t\treturn started(o.ID, &n, false), nil\n\t}\n\tif recorded == nil {\n"}}},
	{name: "keep the increase of a changed cart", edits: []edit{{"../../stock.go",
		"f.release(ctx, tx, &a.Hold, &heir.Increase)", "f.release(ctx, tx, &a.Hold)"}}},
	{name: "release before Stripe has ended the session", edits: []edit{{"../../next.go",
		"ended := a.Expired || a.Failed && !a.Paid\n", "ended := a.Expired || a.Failed && !a.Paid || !o.CancelRequestedAt.IsZero()\n"}}},
	{name: "hand out a session that another Begin was ending", edits: []edit{{"../../open.go", " && !replaced(o, a)\n", "\n"}}},

	// Whose payment it is.
	{name: "trust client_reference_id", edits: []edit{
		{"../../session_facts.go", "\tMode           string            `json:\"mode\"`\n",
			"\tMode           string            `json:\"mode\"`\n\tReference      string            `json:\"client_reference_id\"`\n"},
		{"../../webhooks.go", "if o == nil && (u.facts.Metadata[metadataShop] != shop.id || u.facts.Metadata[metadataOrder] == \"\") {\n",
			"if u.facts.Metadata == nil {\n\t\tu.facts.Metadata = map[string]string{}\n\t}\n\tif u.facts.Reference != \"\" {\n\t\tu.facts.Metadata[metadataShop], u.facts.Metadata[metadataOrder] = shop.id, u.facts.Reference\n\t}\n\tif o == nil && (u.facts.Metadata[metadataShop] != shop.id || u.facts.Metadata[metadataOrder] == \"\") {\n"},
		{"../../webhooks.go", "!recovered && !shop.marked(&u.facts, o.ID)", "false"},
	}},
	{name: "believe the event of a session that was not recorded", edits: []edit{{"../../webhooks.go",
		"\tif u.asked {\n", "\tif u.asked || len(u.cause) > 0 {\n"}}},
	{name: "accept the other mode", edits: []edit{{"../../webhooks.go",
		"o.Account != u.account || !shop.fits(u.facts.Livemode)", "o.Account != u.account"}}},
	{name: "believe an event of another account", edits: []edit{{"../../webhooks.go",
		"o.Account != u.account || !shop.fits(u.facts.Livemode)", "!shop.fits(u.facts.Livemode)"}}},
	{name: "record a payment on another account", edits: []edit{
		{"../../webhooks.go", "\tif o.Account != u.account {\n", "\tif o == nil {\n"},
		{"../../webhooks.go", "\tu, ours, err := f.confirm(ctx, o.Account,", "\tu, ours, err := f.confirm(ctx, u.account,"},
	}},
	{name: "believe an event while the mode is not known", edits: []edit{{"../../webhooks.go", "recorded && shop.mode == \"\" && !u.asked:", "recorded && shop.mode == \"-\" && !u.asked:"}}},
	{name: "take a session by the number of its attempt", edits: []edit{{"../../settle.go", "a != nil && sameMark(a.Mark, mark)", "a != nil && mark != \"\""}}},
	{name: "a copied mark takes the place of the recorded session", edits: []edit{{"../../settle.go",
		"marked != nil && marked.SessionID == \"\"", "marked != nil"}}},
	{name: "give a payment back that was not begun", edits: []edit{{"../../settle.go",
		"\tif !stray {\n\t\twantRefund(", "\tif a != nil {\n\t\twantRefund("}}},
	{name: "park a recovered session", edits: []edit{{"../../settle.go",
		"origin != nil && len(stockLines(origin.Lines)) == 0", "origin != nil && len(stockLines(origin.Lines)) < 0"}}},
	{name: "ignore payments that were not begun", edits: []edit{{"../../settle.go", "if !s.update.bringsMoney() || s.strays() >= maxStrays {", "if s.update.paid || s.strays() >= maxStrays {"}}},

	// What was given back is not shipped.
	{name: "ship what was refunded meanwhile", edits: []edit{{"../../deliver.go",
		"if next == nil || next.N != n || !l.state(o).LeasedUntil.After(now) {\n", "if next = &o.Notices[n-1]; !next.DeliveredAt.IsZero() {\n"}}},
	{name: "fulfil an old payment without asking", edits: []edit{{"../../next.go",
		"paid.PaymentIntent == \"\" || now.Sub(paid.VerifiedAt) <= verifiedFor", "paid.PaymentIntent != \"\""}}},
	{name: "never look for refunds that webhooks missed", edits: []edit{{"../../missed_events.go",
		"{\"missed refunds\", account, f.sweepRefunds}, {\"missed disputes\", account, f.sweepDisputes},\n", "\n"}}},
	{name: "add a refund up twice", edits: []edit{{"../../refunds.go", "\tcase known == nil:\n\t\tentry.Answers = 1\n", "\tcase known == nil || known.State != entry.State:\n\t\tentry.Answers = 1\n"}}},
	{name: "lose the end of a refund", edits: []edit{{"../../refunds.go",
		"heard.State == known.State && heard.Amount == known.Amount", "heard.Amount == known.Amount"}}},
	{name: "lose the end of a dispute", edits: []edit{{"../../disputes.go",
		"heard.State == known.State && heard.Inquiry == known.Inquiry", "heard.Inquiry == known.Inquiry"}}},
	{name: "ship while the refund is pending", edits: []edit{{"../../../store/ledger.go",
		"return s == RefundPending || s == RefundRequiresAction || s == RefundSucceeded", "return s == RefundSucceeded"}}},
	{name: "hear of a capture at the next look", edits: []edit{
		{"../../webhooks.go", "range intentEvents {", "range intentEvents[:0] {"}, {"../../webhooks.go", "range chargeEvents {", "range chargeEvents[:0] {"},
	}},
	{name: "measure refunds by what was authorized", edits: []edit{{"../../settle.go",
		"amount := s.update.facts.PaymentIntent.AmountReceived\n", "amount := int64(0)\n"}}},
	{name: "wait for a canceled authorization", edits: []edit{{"../../session_facts.go",
		`case "requires_payment_method", "canceled":`, `case "requires_payment_method":`}}},
	{name: "withdraw a refund that Stripe was asked for", edits: []edit{{"../../resolve.go",
		"!paid.RefundAskedAt.IsZero()\n", "paid.RefundAskedAt.IsZero() && o.ID == \"\"\n"}}},
	{name: "refund whatever was decided meanwhile", edits: []edit{{"../../refunds.go", "if !ok || !step.due(now) {", "if !ok && step.due(now) && o.ID == \"\" {"}}},

	// Decisions of a person.
	{name: "erase once", edits: []edit{{"../../flow.go", "\t\to.Erase()\n", "\t\tif o.UpdatedAt.Equal(o.ErasedAt) {\n\t\t\to.Erase()\n\t\t}\n"},
		{"../../flow.go", "\teraseAgain(o)\n\to.UpdatedAt = now\n", "\to.UpdatedAt = now\n\teraseAgain(o)\n"},
		{"../../settle.go", "if s.o.ErasedAt.IsZero() || a.N > s.o.ErasedAttempts {", "if a != nil {"}}},
	{name: "forget that a person accepted a payment", edits: []edit{{"../../../store/attempt.go",
		"return a.Mismatch == \"\" || !a.AcceptedAt.IsZero()", "return a.Mismatch == \"\""}}},
	{name: "leave a payment after GiveUp to nobody", edits: []edit{{"../../../store/order.go",
		"case !o.undecided(paid) && !o.GivenUpAt.IsZero():\n", "case !o.GivenUpAt.IsZero():\n"}}},
	{name: "fulfil what was given up", edits: []edit{{"../../../store/order.go",
		"case !o.FulfilledAt.IsZero(), !o.GivenUpAt.IsZero(), o.Parked != \"\":\n", "case !o.FulfilledAt.IsZero(), o.Parked != \"\":\n"}}},
	{name: "tell a change at every look", edits: []edit{{"../../changes.go",
		"return n.Kind == kind && n.Attempt == attempt }) {", "return n.Kind == kind && n.Attempt == attempt && (kind != string(ChangeFailed) || n.Cause == cause) }) {"}}},

	// The sweep, and what the database lost.
	{name: "log a lost order and leave it", edits: []edit{{"../../lost.go", "return id, f.recordLost(ctx, id, u)\n", "return \"\", nil\n"}}},
	{name: "sell a lost order again", edits: []edit{{"../../begin.go", "\t\t\tif !searched {\n", "\t\t\tif searched {\n"}}},
	{name: "end a sweep at an order that fails", edits: []edit{{"../../sweep.go", "\t\t\t}\n\t\t\tp.add(id, err != nil)\n", "\t\t\t\treturn err\n\t\t\t}\n\t\t\tp.add(id, err != nil)\n"}}},
	{name: "end a sweep at an event that fails", edits: []edit{{"../../missed_events.go",
		"\t\t\tf.setAside(ctx, missed, now)\n", "\t\t\treturn err\n"}}},
	{name: "trust the clock of the machine", edits: []edit{{"../../clock.go", "return now.Add(time.Duration(c.offset.Load()))", "return now"}}},
	{name: "ask no more for money on its way", edits: []edit{{"../../next.go",
		"step.Action, step.Reason = AskSession, \"its money is on its way\"\n", "return Step{}, false\n"}}},

	// The database.
	{name: "wait in a sweep for a row that is locked", edits: []edit{{"../../missed_events.go",
		"limited, cancel := context.WithTimeout(ctx, sweepOrderTimeout)", "limited, cancel := context.WithCancel(ctx)"}}},
	{name: "wait in Begin for a row that is locked", edits: []edit{{"../../begin.go",
		"ctx, cancel := limited(ctx)\n\tdefer cancel()\n\tshop, err", "ctx, cancel := context.WithCancel(ctx)\n\tdefer cancel()\n\tshop, err"}}},
	{name: "wait in Resolve for a row that is locked", edits: []edit{{"../../resolve.go",
		"ctx, cancel := limited(ctx)\n", "ctx, cancel := context.WithCancel(ctx)\n"}}},
	{name: "take a failure of the database for the callback's", edits: []edit{{"../../deliver.go",
		"err = &storeError{err}", "err = fmt.Errorf(\"checkout: %w\", err)"}}},

	// Callers that share a transaction.
	{name: "answer before the commit", edits: []edit{
		{"../../../internal/combiner/combiner.go", "\tif !c.runBatch(together, calls) {\n",
			"\tif _, bare := any(answer).(struct{}); bare {\n\t\tc.wakeAll(calls[1:], true)\n\t}\n\tif !c.runBatch(together, calls) {\n"},
		{"../../../internal/combiner/combiner.go", "\tme.next = n\n\tclose(me.woken)\n", "\tif me.next == 0 {\n\t\tme.next = n\n\t\tclose(me.woken)\n\t}\n"},
	}},
	{name: "answer although the commit failed", edits: []edit{{"../../record.go", "\treturn answers, err\n", "\tif len(recordings) > 1 && answers != nil {\n\t\terr = nil\n\t}\n\treturn answers, err\n"}}},
	{name: "give one caller's refusal to another", edits: []edit{{"../../open.go",
		"answers[i] = combiner.Answer[opened]{Err: refusals[n]}", "answers[holders[0]] = combiner.Answer[opened]{Err: refusals[n]}"}}},
	{name: "lose a caller", edits: []edit{{"../../../internal/combiner/combiner.go",
		"\tb.calls[0].wake(lead)\n", "\tb.calls[0].wake(lead)\n\tif len(b.calls) > 2 {\n\t\tb.calls = b.calls[:2]\n\t}\n"}}},
	{name: "answer a caller with another's order", edits: []edit{{"../../open.go",
		"opened{order: o, attempt: o.OpenAttempt(), existed: !inserted[i]}", "opened{order: orders[0], attempt: orders[0].OpenAttempt(), existed: !inserted[i]}"}}},
	{name: "save one order of a batch", edits: []edit{{"../../record.go", "f.store.Save(ctx, tx, orders...)", "f.store.Save(ctx, tx, orders[:1]...)"}}},
	{name: "sell the stock of one order of a batch", edits: []edit{{"../../stock.go", "answers, err := end(ctx, tx, ids...)\n",
		"answers, err := end(ctx, tx, ids[0])\n\tfor len(answers) > 0 && len(answers) < len(ids) {\n\t\tanswers = append(answers, nil)\n\t}\n"}}},

	// Limits.
	{name: "record copies without bound", edits: []edit{{"../../settle.go", "s.strays() >= maxStrays", "s.strays() < 0"}}},
	{name: "refuse as sold out who holds it", edits: []edit{{"../../soldout.go", "d.orderID == o.ID", "d.orderID == o.ID+\"x\""}}},
	{name: "refuse by what was short before", edits: []edit{{"../../soldout.go", "\t\tif isShort(previews[n]) {\n\t\t\tanswers[i].Value = previews[n]\n",
		"\t\tif isShort(previews[n]) || f.shortages.any(demands[i].lines) {\n\t\t\tanswers[i].Value = &reservation.ShortageError{Hold: demands[i].orderID + \"/1\"}\n"}}},
}
