package checkout_test

// mutant is a bug to plant: in a file, one text in place of another.
type mutant struct {
	name  string
	edits []edit
}

type edit struct{ file, before, after string }

// mutants are bugs that others have had in such code. Paths are relative to this package.
var mutants = []mutant{
	{"release on local time-out", []edit{{"sweep.go",
		`return f.end(ctx, o, a, "sweep")`,
		`return f.settle(ctx, o.ID, news{facts: sessionFacts{ID: a.SessionID}, cause: "sweep", expired: true})`}}},
	{"mark outside the callback's transaction", []edit{{"deliver.go", `
		return f.markDelivered(limited, tx, id, token, next.N)
	})
`, `
		return nil
	})
	if err == nil {
		err = f.store.InTx(limited, func(tx Tx) error { return f.markDelivered(limited, tx, id, token, next.N) })
	}
`}}},
	{"mark before fulfilling", []edit{{"deliver.go", `
	err := f.store.InTx(limited, func(tx Tx) error {
		if err := f.call(limited, tx, leased, next.N); err != nil {
			return err
		}
		return f.markDelivered(limited, tx, id, token, next.N)
	})
`, `
	err := f.store.InTx(limited, func(tx Tx) error { return f.markDelivered(limited, tx, id, token, next.N) })
	if err == nil {
		err = f.store.InTx(limited, func(tx Tx) error { return f.call(limited, tx, leased, next.N) })
	}
`}}},
	{"trust client_reference_id", []edit{
		{"session_facts.go", "\tMode           string            `json:\"mode\"`\n",
			"\tMode           string            `json:\"mode\"`\n\tReference      string            `json:\"client_reference_id\"`\n"},
		{"session_facts.go", "if err != nil || n < 1 {\n\t\treturn 0\n", "if err != nil || n < 1 {\n\t\treturn 1\n"},
		{"webhooks.go", `return "", nil
	}
	return s.Metadata[metadataOrder], nil`, `return s.Reference, nil
	}
	return s.Metadata[metadataOrder], nil`},
	}},
	{"take \"not open\" for expired", []edit{{"stripe.go", `
	if badRequest(err) {
		answer, err = f.retrieve(ctx, o, a.SessionID, doing)
	}
`, `
	if badRequest(err) {
		answer, err = news{facts: sessionFacts{ID: a.SessionID}, cause: doing, expired: true}, nil
	}
`}}},
	{"forget the hold of a completed unpaid session", []edit{{"stock.go",
		"ended := a.Expired || a.Failed && !a.Paid\n", "ended := a.Expired || a.Completed && !a.Paid\n"}}},
	{"a second session beside an open one", []edit{{"begin.go", "if a.Replaces != 0 {\n", "if a.Replaces < 0 {\n"}}},
	{"sell late money without stock", []edit{{"stock.go",
		"late := store.Hold{ID: a.Hold.ID + \"/late\"}\n", "if a.Hold.State = store.Sold; ctx != nil {\n\t\treturn nil\n\t}\n\tlate := store.Hold{ID: a.Hold.ID + \"/late\"}\n"}}},
	{"the same idempotency key after a lost answer", []edit{{"begin.go",
		`fmt.Sprintf("%s/%s/%d", shop, o.ID, a.N)`, `fmt.Sprintf("%s/%s", shop, o.ID)`}}},
	{"never give up an unrecorded attempt", []edit{{"sweep.go",
		"if !now.Before(a.CreatedAt.Add(unrecordedFor)) {\n", "if false {\n"}}},
	{"add a refund up twice", []edit{{"../store/ledger.go",
		"known := &o.Refunds[i]; known.ID == r.ID {\n\t\t\treturn join(", "known := &o.Refunds[i]; known.ID == r.ID && known.State == r.State {\n\t\t\treturn join("}}},
	{"lose the end of a refund", []edit{{"../store/ledger.go",
		"\tcase heardRank > knownRank:\n", "\tcase heardRank > knownRank && heardRank < 4:\n"}}},
	{"fulfil in the settling transaction", []edit{{"settle.go", `
		f.announce(&s)
		f.settleGivenBack(&s)
		return true, nil
`, `
		f.announce(&s)
		f.settleGivenBack(&s)
		if n := o.NextNotice(); n != nil && n.Kind == store.NoticeFulfil {
			if err := f.fulfil(ctx, tx, o); err != nil {
				return false, err
			}
			n.DeliveredAt, o.FulfilledAt = now, now
		}
		return true, nil
`}}},
	{"ship what was refunded meanwhile", []edit{{"deliver.go",
		"if next == nil || next.N != n {\n", "if next = &o.Notices[n-1]; !next.DeliveredAt.IsZero() {\n"}}},
	{"hand out a session that is not recorded", []edit{{"begin.go",
		"\tif recorded == nil {\n", "\tif recorded == nil && o.ID != \"\" {\n\t\tn := *a\n\t\trecordSession(&n, &answer.facts)\n\t\treturn started(o.ID, &n, false), nil\n\t}\n\tif recorded == nil {\n"}}},
	{"keep the increase of a changed cart", []edit{{"stock.go",
		"f.release(ctx, tx, &a.Hold, &next.Increase)", "f.release(ctx, tx, &a.Hold)"}}},
	{"release before Stripe has ended the session", []edit{{"cancel.go",
		"a.CheckAt = nextCheck(o, a, now)\n", "a.CheckAt = nextCheck(o, a, now)\n\t\t\t\tif err := f.release(ctx, tx, &a.Hold); err != nil {\n\t\t\t\t\treturn false, err\n\t\t\t\t}\n"}}},
	{"never look for refunds that webhooks missed", []edit{{"missed_events.go",
		"{f.sweepEvents, f.sweepMoneyBack}", "{f.sweepEvents}"}}},
}
