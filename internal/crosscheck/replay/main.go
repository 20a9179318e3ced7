// Command replay replays recorded requests of the real Stripe against the test server, and reports in Markdown where the answers differ.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "replay:", err)
		os.Exit(1)
	}
}

func run(args []string, w io.Writer) error {
	flags := flag.NewFlagSet("replay", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: replay [flags] FOLDER…\n\nFOLDER holds recorded requests of Stripe's API, at any depth.")
		flags.PrintDefaults()
	}
	rows := flags.Int("rows", 40, "the number of differences that each table shows; 0 shows all")
	examples := flags.Bool("examples", false, "name a cassette for each difference")
	since := flags.String("since", "", "leave out answers of API versions before this one, such as 2025-03-31.basil")
	var replacements []string
	flags.Func("replace", "replace a text of the cassettes before they are read, as in '<ID>=1'; may be given more than once", func(s string) error {
		from, to, ok := strings.Cut(s, "=")
		if !ok {
			return errors.New("must be OLD=NEW")
		}
		replacements = append(replacements, from, to)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("name the folders that hold the cassettes")
	}
	played := &replay{versions: spans{}, days: spans{}, since: *since}
	cassettes := 0
	for _, folder := range flags.Args() {
		tapes, err := readFolder(folder, strings.NewReplacer(replacements...))
		if err != nil {
			return err
		}
		cassettes += len(tapes)
		for _, tape := range tapes {
			played.play(tape)
		}
	}
	if cassettes == 0 {
		return errors.New("no file of these folders has a request to " + host)
	}
	report{w: w, rows: *rows, examples: *examples}.write(cassettes, played)
	return nil
}
