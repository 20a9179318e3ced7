package sqlkit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
)

// Component is a part of the schema that is migrated on its own: "store" or "reserver".
type Component struct {
	Name string
	// Files has a folder for each dialect with one file for each version, named NUMBER_WORDS.up.sql.
	Files fs.FS
	// Needs returns the tables and indexes that the component uses. If Needs is nil, Check looks for none.
	Needs func(d Dialect) (tables []Table, indexes []string)
}

// Schema returns the files of one dialect, for programs that migrate with a tool of their own.
func (c Component) Schema(d Dialect) (fs.FS, error) {
	return fs.Sub(c.Files, path.Join("schema", d.String()))
}

// lockTimeout is how long a migration on MySQL waits for another process that is migrating.
const lockTimeout = 5 * time.Minute

// Migrate brings the schema of the component up to date. Any number of processes may call it at once and at any time: they take
// turns, and each statement is run once. After a crash the next call continues with the first statement that was not recorded.
//
// On MySQL, which commits each schema change by itself, that statement may have been run already. So on MySQL each statement
// must also succeed when it is run again. A statement that only adds an index may fail then: Migrate ignores that error.
func Migrate(ctx context.Context, db *sql.DB, d Dialect, c Component) error {
	if err := retry(ctx, startTime, func() error { return migrate(ctx, db, d, c) }); err != nil {
		return fmt.Errorf("migrating %s of fulfil on %s: %w", c.Name, d, explainPooler(err))
	}
	return nil
}

func migrate(ctx context.Context, db *sql.DB, d Dialect, c Component) error {
	steps, err := c.steps(d)
	if err != nil {
		return err
	}
	if err := checkPooler(ctx, db, d); err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if d != SQLite { // lockSchema changes the settings of SQLite
		if err := checkSettings(ctx, conn, d); err != nil {
			return err
		}
	}
	unlock, err := lockSchema(ctx, conn, d)
	if err != nil {
		return err
	}
	for _, step := range steps {
		if err := step.run(ctx, conn, d, c.Name); err != nil {
			return errors.Join(err, unlock(false))
		}
	}
	return unlock(true)
}

// step is one statement of one version.
type step struct {
	version, number int
	file, statement string
}

func (c Component) steps(d Dialect) ([]step, error) {
	files, err := c.Schema(d)
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, "*.up.sql") // sorted
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, errors.New("there is no schema for this dialect: choose Postgres, MySQL or SQLite")
	}
	var steps []step
	for _, name := range names {
		prefix, _, _ := strings.Cut(name, "_")
		version, err := strconv.Atoi(prefix)
		if err != nil {
			return nil, fmt.Errorf("%s must begin with the number of its version", name)
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		for i, statement := range statements(string(text)) {
			steps = append(steps, step{version: version, number: i + 1, file: name, statement: statement})
		}
	}
	return steps, nil
}

// statements splits a file at the semicolons that end a line, and drops lines that are comments.
func statements(text string) []string {
	var all []string
	var b strings.Builder
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || strings.HasPrefix(trimmed, "--") {
			continue
		}
		b.WriteString(strings.TrimSuffix(strings.TrimRight(line, " \r\n"), ";") + "\n")
		if strings.HasSuffix(trimmed, ";") {
			all = append(all, strings.TrimSpace(b.String()))
			b.Reset()
		}
	}
	return all
}

func (s step) run(ctx context.Context, conn *sql.Conn, d Dialect, component string) error {
	var done int
	err := conn.QueryRowContext(ctx, d.Rebind(`SELECT count(*) FROM fulfil_schema WHERE component = ? AND version = ? AND statement = ?`),
		component, s.version, s.number).Scan(&done)
	if err != nil || done > 0 {
		return err
	}
	if _, err := conn.ExecContext(ctx, s.statement); err != nil && !isThere(err) {
		return fmt.Errorf("%s, statement %d: %w", s.file, s.number, err)
	}
	_, err = conn.ExecContext(ctx, d.Rebind(`INSERT INTO fulfil_schema (component, version, statement) VALUES (?, ?, ?)`),
		component, s.version, s.number)
	return err
}
