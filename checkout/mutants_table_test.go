package checkout_test

// mutant is a bug to plant: in a file, one text in place of another.
type mutant struct {
	name  string
	edits []edit
}

type edit struct{ file, before, after string }

// mutants are bugs that others have had in such code. Paths are relative to this package.
var mutants = []mutant{
	// The life of an order.
	{"release on local time-out", []edit{{"sweep.go",
		`return f.end(ctx, o, a, "sweep")`,
		`return f.settle(ctx, o.ID, sessionUpdate{facts: sessionFacts{ID: a.SessionID}, cause: "sweep", expired: true})`}}},
	{"mark outside the callback's transaction", []edit{{"deliver.go", `
		return f.markDelivered(limited, tx, id, token, l, next.N)
	})
`, `
		return nil
	})
	if err == nil {
		err = f.store.InTx(limited, func(tx Tx) error { return f.markDelivered(limited, tx, id, token, l, next.N) })
	}
`}}},
	{"mark before fulfilling", []edit{{"deliver.go", `
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
	{"take \"not open\" for expired", []edit{{"cancel.go", `
	if badRequest(err) {
		answer, err = f.stripe.session(ctx, o.Account, o.Mode, a.SessionID, doing)
	}
`, `
	if badRequest(err) {
		answer, err = sessionUpdate{facts: sessionFacts{ID: a.SessionID}, cause: doing, expired: true}, nil
	}
`}}},
	{"forget the hold of a completed unpaid session", []edit{{"next.go",
		"ended := a.Expired || a.Failed && !a.Paid\n", "ended := a.Expired || a.Completed && !a.Paid\n"}}},
	{"a second session beside an open one", []edit{{"begin.go", "if a.Replaces != 0 {\n", "if a.Replaces < 0 {\n"}}},
	{"sell late money without stock", []edit{{"stock.go",
		"late := store.Hold{ID: a.Hold.ID + \"/late\"}\n", "if a.Hold.State = store.Sold; ctx != nil {\n\t\treturn nil, nil\n\t}\n\tlate := store.Hold{ID: a.Hold.ID + \"/late\"}\n"}}},
	{"the same idempotency key after a lost answer", []edit{{"begin.go",
		`fmt.Sprintf("%s/%s/%d", shop.id, o.ID, a.N)`, `fmt.Sprintf("%s/%s", shop.id, o.ID)`}}},
	{"never close an unrecorded attempt", []edit{{"next.go",
		"step.Action, step.At, step.Reason = CloseAttempt, a.CreatedAt.Add(unrecordedFor), \"its session was not recorded in time\"\n", "return Step{}, false\n"}}},
	{"hand out a session that is not recorded", []edit{{"begin.go",
		"\tif recorded == nil {\n", "\tif recorded == nil && o.ID != \"\" {\n\t\tn := *a\n\t\trecordSession(&n, &answer.facts)\n\t\treturn started(o.ID, &n, false), nil\n\t}\n\tif recorded == nil {\n"}}},
	{"keep the increase of a changed cart", []edit{{"stock.go",
		"f.release(ctx, tx, &a.Hold, &heir.Increase)", "f.release(ctx, tx, &a.Hold)"}}},
	{"release before Stripe has ended the session", []edit{{"next.go",
		"ended := a.Expired || a.Failed && !a.Paid\n", "ended := a.Expired || a.Failed && !a.Paid || !o.CancelRequestedAt.IsZero()\n"}}},
	{"hand out a session that another Begin was ending", []edit{{"begin.go", " && !replaced(o, a)\n", "\n"}}},

	// Whose payment it is.
	{"trust client_reference_id", []edit{
		{"session_facts.go", "\tMode           string            `json:\"mode\"`\n",
			"\tMode           string            `json:\"mode\"`\n\tReference      string            `json:\"client_reference_id\"`\n"},
		{"webhooks.go", "if o == nil && (u.facts.Metadata[metadataShop] != shop.id || u.facts.Metadata[metadataOrder] == \"\") {\n",
			"if u.facts.Metadata == nil {\n\t\tu.facts.Metadata = map[string]string{}\n\t}\n\tif u.facts.Reference != \"\" {\n\t\tu.facts.Metadata[metadataShop], u.facts.Metadata[metadataOrder] = shop.id, u.facts.Reference\n\t}\n\tif o == nil && (u.facts.Metadata[metadataShop] != shop.id || u.facts.Metadata[metadataOrder] == \"\") {\n"},
		{"webhooks.go", "!recovered && !shop.marked(&u.facts, o.ID)", "false"},
	}},

	// What was given back is not shipped.
	{"ship what was refunded meanwhile", []edit{{"deliver.go",
		"if next == nil || next.N != n {\n", "if next = &o.Notices[n-1]; !next.DeliveredAt.IsZero() {\n"}}},
	{"fulfil an old payment without asking", []edit{{"next.go",
		"paid.PaymentIntent == \"\" || now.Sub(paid.VerifiedAt) <= verifiedFor", "paid.PaymentIntent != \"\""}}},
	{"never look for refunds that webhooks missed", []edit{{"missed_events.go",
		"{\"missed refunds\", account, f.sweepRefunds}, {\"missed disputes\", account, f.sweepDisputes},\n", "\n"}}},
	{"add a refund up twice", []edit{{"refunds.go", "\tcase known == nil:\n", "\tcase known == nil || known.State != entry.State:\n"}}},
	{"lose the end of a refund", []edit{{"refunds.go",
		"heard.State == known.State && heard.Amount == known.Amount", "heard.Amount == known.Amount"}}},
}
