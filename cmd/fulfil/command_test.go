package main

import (
	"flag"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every command has a help that names its flags, and refuses what it does not know before it connects to anything.
func TestHelp(t *testing.T) {
	t.Parallel()
	s := &testShop{t: t, env: map[string]string{}}
	help := s.ok("help")
	require.Contains(t, help, "Exit codes:")
	for _, c := range commands() {
		require.Contains(t, help, "  fulfil "+c.name+" ")
		words := strings.Fields(c.name)
		text := s.ok(append([]string{"help"}, words...)...)
		require.Contains(t, text, "usage: fulfil "+c.name+" [flags]")
		require.Contains(t, text, "-database URL")
		require.Equal(t, text, s.ok(append(words, "-h")...))
		require.Contains(t, s.refused(exitUsage, append(words, "-nonsense")...), "see fulfil help "+c.name)
		for line := range strings.Lines(text) {
			require.LessOrEqual(t, len(line), 142, line)
		}
	}
	require.Contains(t, s.ok("help", "orders"), "fulfil orders show")
	require.Contains(t, s.refused(exitUsage), "name a command")
	require.Contains(t, s.refused(exitUsage, "orders"), "name a command of orders")
	require.Contains(t, s.refused(exitUsage, "ordres", "list"), `there is no command "ordres"`)
	require.Contains(t, s.refused(exitUsage, "help", "ordres"), `there is no command "ordres"`)
	require.Contains(t, s.refused(exitUsage, "orders", "list"), "no database is named")
	s.env["DATABASE_URL"] = "file:" + t.TempDir() + "/missing.db"
	require.Contains(t, s.refused(exitUsage, "events", "undelivered"), "STRIPE_SECRET_KEY is not set")
	for base, message := range map[string]string{"https://stripe.example": "on a loopback address", "http://127.0.0.1:1": "takes no live key"} {
		s.env["STRIPE_API_BASE"], s.env["STRIPE_SECRET_KEY"] = base, "rk_live_x"
		require.Contains(t, s.refused(exitUsage, "events", "undelivered"), message)
	}
}

// Flags may stand anywhere. A negative number is no flag, and what stands behind "--" is none.
func TestParse(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"": "", "a b": "a b", "-json a": "a", "a -json b": "a b", "a -5": "a -5", "-json -5 a": "-5 a", "-- -json": "-json", "a -- -json": "a -json",
		"-database x a": "x a", "-database -5 a": "-5 a",
	} {
		flags := flag.NewFlagSet("", flag.ContinueOnError)
		flags.SetOutput(io.Discard)
		flags.Bool("json", false, "")
		database := flags.String("database", "", "")
		positional, err := parse(flags, strings.Fields(line))
		require.NoError(t, err)
		require.Equal(t, want, strings.TrimSpace(*database+" "+strings.Join(positional, " ")), line)
	}
}
