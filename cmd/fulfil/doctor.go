package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"slices"

	"github.com/gofulfil/fulfil/checkout/doctor"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store/sqlstore"
	"github.com/gofulfil/fulfil/webhook"
)

var doctorCommand = command{
	name: "doctor", short: "examine the shop's account, key, webhook, clock, database, stock and sweeps",
	long: `
Examines the installation and says what is wrong and what to do about it: see package checkout/doctor. It makes about twenty requests to
Stripe and, if STRIPE_WEBHOOK_SECRET is set, a few to the webhook, and changes nothing. It knows the event types of the Flow, and not
those that the shop's other handlers want. It exits with 3 if it finds an error or a warning. With -json, it prints the report as one
object with the members at, mode, account, findings (code, severity, seen, why, cure) and skipped (what, why).`,
	setup: func(p *program, flags *flag.FlagSet) action {
		target := flags.String("url", "", "the `URL` of the shop's webhook, as Stripe calls it; default: FULFIL_WEBHOOK_URL")
		noStock := flags.Bool("no-stock", false, "the shop keeps no stock")
		return func(ctx context.Context, args []string) error {
			if len(args) > 0 {
				return usagef("doctor takes no arguments")
			}
			return p.doctor(ctx, *target, *noStock)
		}
	},
}

func (p *program) doctor(ctx context.Context, named string, noStock bool) error {
	target, err := p.webhookURL(named)
	if err != nil {
		return err
	}
	s, err := p.open(ctx, needsStripe|needsNoSchema)
	if err != nil {
		return err
	}
	defer s.close()
	secrets := p.webhookSecrets()
	hook, err := webhook.New(webhook.Config{Secrets: []string{"whsec_" + rand.Text()}}) // it only lists the types
	if err != nil {
		return err
	}
	s.flow.Handle(hook)
	config := doctor.Config{
		Stripe: s.client, Handler: hook, URL: target, Secrets: secrets, Flow: s.flow, Stock: s.stock, Clock: p.now,
		Database: func(ctx context.Context) error {
			return errors.Join(sqlstore.Check(ctx, s.db, s.source.dialect), sqlreserver.Check(ctx, s.db, s.source.dialect))
		},
	}
	if noStock {
		config.Stock = nil
		config.Database = func(ctx context.Context) error { return sqlstore.Check(ctx, s.db, s.source.dialect) }
	}
	report, err := doctor.Examine(ctx, config)
	if err != nil {
		return err
	}
	known := len(report.Findings)
	report.Findings = slices.DeleteFunc(report.Findings, func(f doctor.Finding) bool { return f.Code == doctor.TypesUnhandled })
	if len(report.Findings) < known {
		report.Skipped = append(report.Skipped, doctor.Skipped{What: "event types that the Flow has no handler for", Why: "this command does not know the shop's other handlers"})
	}
	if p.options.json {
		err = p.printJSON(report)
	} else {
		err = p.say("%s", p.redact(report.String()))
	}
	if err == nil && !report.Healthy() {
		return errFound
	}
	return err
}
