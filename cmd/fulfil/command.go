package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
)

// options are the flags that all commands have.
type options struct {
	database string
	json     bool
}

// action runs a command with the arguments that are no flags.
type action func(ctx context.Context, args []string) error

// command is one command of the program.
type command struct {
	name  string
	args  string // for the usage line
	short string
	long  string
	setup func(p *program, flags *flag.FlagSet) action
}

// commands are all commands, in the sequence of the help.
func commands() []command {
	return []command{
		migrateCommand, schemaCommand, doctorCommand,
		listCommand, showCommand, stuckCommand, resolveCommand, refundCommand, cancelCommand,
		stockListCommand, stockSetCommand, stockAdjustCommand,
		undeliveredCommand, replayCommand, eraseCommand,
	}
}

// usageError says that the command line or the environment can't be used. Nothing was done.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// errFound makes the program end with exitFound. The findings were printed before.
var errFound = errors.New("found something that must be mended")

// run runs the command line and returns the exit code.
func (p *program) run(ctx context.Context, args []string) int {
	err := p.dispatch(ctx, args)
	var usage *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errFound):
		return exitFound
	case errors.As(err, &usage):
		p.complain("%s", usage.text)
		return exitUsage
	case errors.Is(err, syscall.EPIPE): // whoever read the output has what it wanted
	case ctx.Err() != nil:
		p.complain("interrupted: %v", err)
	default:
		p.complain("%v", explain(err))
	}
	return exitFailed
}

// dispatch finds the command that args name and runs it.
func (p *program) dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		_, _ = io.WriteString(p.stderr, overview(""))
		return usagef("name a command")
	}
	if args[0] == "help" || args[0] == "-h" || args[0] == "-help" || args[0] == "--help" {
		return p.help(args[1:])
	}
	c, rest, ok := find(args)
	if !ok {
		if group := overview(args[0] + " "); group != "" {
			_, _ = io.WriteString(p.stderr, group)
			return usagef("name a command of %s", args[0])
		}
		return usagef("there is no command %q: see fulfil help", args[0])
	}
	flags, run := c.prepare(p)
	positional, err := parse(flags, rest)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return p.help(strings.Fields(c.name))
	case err != nil:
		return usagef("%v: see fulfil help %s", err, c.name)
	}
	return run(ctx, positional)
}

// find returns the command that the first one or two arguments name, and the arguments behind its name.
func find(args []string) (c command, rest []string, ok bool) {
	for _, c := range commands() {
		words := strings.Fields(c.name)
		if len(args) >= len(words) && slices.Equal(args[:len(words)], words) {
			return c, args[len(words):], true
		}
	}
	return command{}, nil, false
}

// prepare returns the flags of a command and what runs it.
func (c command) prepare(p *program) (*flag.FlagSet, action) {
	flags := flag.NewFlagSet(c.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&p.options.database, "database", "", "the `URL` of the database; default: DATABASE_URL, which other users of the machine can't see")
	flags.BoolVar(&p.options.json, "json", false, "print JSON, one object on each line")
	return flags, c.setup(p, flags)
}

// parse reads flags before, between and behind the other arguments, and returns these. A negative number is no flag. What stands
// behind "--" is no flag, either.
func parse(flags *flag.FlagSet, args []string) (positional []string, err error) {
	for len(args) > 0 {
		n := numberIn(flags, args)
		if err := flags.Parse(args[:n]); err != nil {
			return nil, err
		}
		rest := args[n-flags.NArg():]
		if parsed := len(args) - len(rest); parsed > 0 && args[parsed-1] == "--" {
			return append(positional, rest...), nil
		}
		if args = rest; len(args) > 0 {
			positional, args = append(positional, args[0]), args[1:]
		}
	}
	return positional, nil
}

var negative = regexp.MustCompile(`^-[0-9]+$`)

// numberIn returns the index of the first negative number among args that is not the value of a flag, or len(args).
func numberIn(flags *flag.FlagSet, args []string) int {
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if !negative.MatchString(arg) {
			continue
		}
		if i == 0 {
			return 0
		}
		named := flags.Lookup(strings.TrimLeft(args[i-1], "-"))
		if !strings.HasPrefix(args[i-1], "-") || named == nil || isBool(named) {
			return i
		}
	}
	return len(args)
}

// isBool reports whether a flag takes no value.
func isBool(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// help prints the help of a command, of a group of commands, or of the program.
func (p *program) help(args []string) error {
	if len(args) == 0 {
		_, err := io.WriteString(p.stdout, overview("")+environment)
		return err
	}
	c, _, ok := find(args)
	if !ok {
		group := overview(args[0] + " ")
		if group == "" {
			return usagef("there is no command %q: see fulfil help", strings.Join(args, " "))
		}
		_, err := io.WriteString(p.stdout, group)
		return err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "usage: fulfil %s\n\n%s\n\nFlags:\n", strings.TrimSpace(c.name+" [flags] "+c.args), strings.TrimSpace(c.long))
	flags, _ := c.prepare(&program{getenv: func(string) string { return "" }})
	flags.SetOutput(&b)
	flags.PrintDefaults()
	_, err := p.stdout.Write(b.Bytes())
	return err
}

// overview lists the commands whose names begin with prefix; empty: there is none.
func overview(prefix string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	for _, c := range commands() {
		if strings.HasPrefix(c.name, prefix) {
			fmt.Fprintf(w, "  fulfil %s\t%s\n", c.name, c.short)
		}
	}
	_ = w.Flush()
	if b.Len() == 0 {
		return ""
	}
	return "Commands:\n\n" + b.String() + "\n\"fulfil help COMMAND\" says more.\n"
}

const environment = `
Environment:

  DATABASE_URL            the database, unless -database names it: postgres://user:password@host/shop,
                          mysql://user:password@host:3306/shop, user:password@tcp(host:3306)/shop or file:shop.db
  STRIPE_SECRET_KEY       the shop's key. There is no flag for it, as every user of the machine can list
                          the flags of a process.
  STRIPE_WEBHOOK_SECRET   the signing secret of the webhook, or several with commas between them
  FULFIL_WEBHOOK_URL      the address of the webhook, for doctor and events replay
  FULFIL_SHOP_ID          checkout.Config.ShopID, if the shop sets it
  FULFIL_STOCK_TABLE      the table of WithTable, if the shop keeps its stock in one of its own
  STRIPE_API_BASE         a test server on this machine, in place of Stripe

What is recorded here is carried out by the shop's own processes: fulfil has no callback, and hands nothing over.

Exit codes: 0 it worked, 1 it failed or was interrupted, 2 the command line or the environment can't be used and nothing
was done, 3 doctor or schema found something that must be mended.
`
