package main

import (
	"bufio"
	"context"
	"errors"
	"strings"
)

// confirm has a person confirm what can't be undone, by typing a word. A script confirms with -yes.
func (p *program) confirm(ctx context.Context, yes bool, word, format string, args ...any) error {
	if yes {
		return nil
	}
	p.note(format, args...)
	if !p.terminal {
		return usagef("nothing was done: confirm with -yes, or on a terminal")
	}
	p.note("Type %s to go on:", word)
	typed := make(chan string, 1)
	go func() { // ends with the program: a read of a terminal can't be broken off
		line, _ := bufio.NewReader(p.stdin).ReadString('\n')
		typed <- strings.TrimSpace(line)
	}()
	select {
	case <-ctx.Done():
		return errors.New("nothing was done")
	case line := <-typed:
		if line != word {
			return usagef("nothing was done, as something else was typed")
		}
		return nil
	}
}
