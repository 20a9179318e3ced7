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
		`return f.settle(ctx, o.ID, sessionUpdate{facts: sessionFacts{ID: a.SessionID}, cause: "sweep", expired: true})`}}},
	{name: "mark outside the callback's transaction", edits: []edit{{"../../deliver.go", `
		return f.markDelivered(limited, tx, id, token, l, next.N)
	})
`, `
		return nil
	})
	if err == nil {
		err = f.store.InTx(limited, func(tx Tx) error { return f.markDelivered(limited, tx, id, token, l, next.N) })
	}
`}}},
	{name: "mark before fulfilling", edits: []edit{{"../../deliver.go", `
		if callbackErr = f.call(limited, tx, leased, next.N); callbackErr != nil {
			return callbackErr
		}
		return f.markDelivered(limited, tx, id, token, l, next.N)
	})
`, `
		return f.markDelivered(limited, tx, id, token, l, next.N)
	})
	if err == nil {
		err = f.store.InTx(limited, func(tx Tx) error { return f.call(limited, tx, leased, next.N) })
	}
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
		"late := store.Hold{ID: a.Hold.ID + \"/late\"}\n", "if a.Hold.State = store.Sold; ctx != nil {\n\t\treturn nil, nil\n\t}\n\tlate := store.Hold{ID: a.Hold.ID + \"/late\"}\n"}}},
	{name: "the same idempotency key after a lost answer", edits: []edit{{"../../begin.go",
		`fmt.Sprintf("%s/%s/%d", shop.id, o.ID, a.N)`, `fmt.Sprintf("%s/%s", shop.id, o.ID)`}}},
	{name: "never close an unrecorded attempt", edits: []edit{{"../../next.go",
		"step.Action, step.At, step.Reason = CloseAttempt, a.CreatedAt.Add(unrecordedFor), \"its session was not recorded in time\"\n", "return Step{}, false\n"}}},
	{name: "hand out a session that is not recorded", edits: []edit{{"../../begin.go",
		"\tif recorded == nil {\n", "\tif recorded == nil && o.ID != \"\" {\n\t\tn := *a\n\t\trecordSession(&n, &answer.facts)\n\t\treturn started(o.ID, &n, false), nil\n\t}\n\tif recorded == nil {\n"}}},
	{name: "keep the increase of a changed cart", edits: []edit{{"../../stock.go",
		"f.release(ctx, tx, &a.Hold, &heir.Increase)", "f.release(ctx, tx, &a.Hold)"}}},
	{name: "release before Stripe has ended the session", edits: []edit{{"../../next.go",
		"ended := a.Expired || a.Failed && !a.Paid\n", "ended := a.Expired || a.Failed && !a.Paid || !o.CancelRequestedAt.IsZero()\n"}}},
	{name: "hand out a session that another Begin was ending", edits: []edit{{"../../begin.go", " && !replaced(o, a)\n", "\n"}}},

	// Whose payment it is.
	{name: "trust client_reference_id", edits: []edit{
		{"../../session_facts.go", "\tMode           string            `json:\"mode\"`\n",
			"\tMode           string            `json:\"mode\"`\n\tReference      string            `json:\"client_reference_id\"`\n"},
		{"../../webhooks.go", "if o == nil && (u.facts.Metadata[metadataShop] != shop.id || u.facts.Metadata[metadataOrder] == \"\") {\n",
			"if u.facts.Metadata == nil {\n\t\tu.facts.Metadata = map[string]string{}\n\t}\n\tif u.facts.Reference != \"\" {\n\t\tu.facts.Metadata[metadataShop], u.facts.Metadata[metadataOrder] = shop.id, u.facts.Reference\n\t}\n\tif o == nil && (u.facts.Metadata[metadataShop] != shop.id || u.facts.Metadata[metadataOrder] == \"\") {\n"},
		{"../../webhooks.go", "!recovered && !shop.marked(&u.facts, o.ID)", "false"},
	}},
	{name: "believe the event of a session that was not recorded", edits: []edit{{"../../webhooks.go",
		"\tif !u.asked {\n", "\tif u.asked = true; !u.asked {\n"}}},
	{name: "accept the other mode", edits: []edit{{"../../webhooks.go",
		"o.Account != u.account || !shop.fits(u.facts.Livemode)", "o.Account != u.account"}}},

	// What was given back is not shipped.
	{name: "ship what was refunded meanwhile", edits: []edit{{"../../deliver.go",
		"if next == nil || next.N != n {\n", "if next = &o.Notices[n-1]; !next.DeliveredAt.IsZero() {\n"}}},
	{name: "fulfil an old payment without asking", edits: []edit{{"../../next.go",
		"paid.PaymentIntent == \"\" || now.Sub(paid.VerifiedAt) <= verifiedFor", "paid.PaymentIntent != \"\""}}},
	{name: "never look for refunds that webhooks missed", edits: []edit{{"../../missed_events.go",
		"{\"missed refunds\", account, f.sweepRefunds}, {\"missed disputes\", account, f.sweepDisputes},\n", "\n"}}},
	{name: "add a refund up twice", edits: []edit{{"../../refunds.go", "\tcase known == nil:\n", "\tcase known == nil || known.State != entry.State:\n"}}},
	{name: "lose the end of a refund", edits: []edit{{"../../refunds.go",
		"heard.State == known.State && heard.Amount == known.Amount", "heard.Amount == known.Amount"}}},

	// Decisions of a person.
	{name: "erase once", edits: []edit{{"../../flow.go", "\t\to.Erase()\n", "\t\tif o.UpdatedAt.Equal(o.ErasedAt) {\n\t\t\to.Erase()\n\t\t}\n"},
		{"../../flow.go", "\teraseAgain(o)\n\to.UpdatedAt = now\n", "\to.UpdatedAt = now\n\teraseAgain(o)\n"},
		{"../../settle.go", "if s.o.ErasedAt.IsZero() || a.N > s.o.ErasedAttempts {", "if a != nil {"}}},
}
