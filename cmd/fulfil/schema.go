package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

// file is one version of the schema.
type file struct {
	Version int    `json:"version"`
	Name    string `json:"file"`
	// Component is "store" or "reserver".
	Component string `json:"component"`
	// State is "applied", "missing", or "made elsewhere" if another tool migrated the database, so that nothing says when.
	State string `json:"state"`
	text  string
}

// schemaFiles returns all versions of the schema, the oldest first. The versions of the store and of the reserver are one sequence.
func schemaFiles(dialect sqlstore.Dialect, withStock bool) ([]file, error) {
	parts := []struct {
		component string
		schema    func(sqlstore.Dialect) (fs.FS, error)
	}{{"store", sqlstore.Schema}, {"reserver", sqlreserver.Schema}}
	if !withStock {
		parts = parts[:1]
	}
	var files []file
	for _, part := range parts {
		folder, err := part.schema(dialect)
		if err != nil {
			return nil, err
		}
		names, err := fs.Glob(folder, "*.up.sql")
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			text, err := fs.ReadFile(folder, name)
			if err != nil {
				return nil, err
			}
			number, _, _ := strings.Cut(name, "_")
			version, err := strconv.Atoi(number)
			if err != nil {
				return nil, fmt.Errorf("%s does not begin with a version", name)
			}
			files = append(files, file{Version: version, Name: name, Component: part.component, text: string(text)})
		}
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.Version, b.Version) })
	return files, nil
}

// schemaState is how the schema of a database stands.
type schemaState struct {
	files   []file
	missing []file
	newer   []int // versions that this program does not know
	problem error // what else does not suit; nil: nothing
}

// readSchema compares the schema of a database with this program's. It changes nothing.
func readSchema(ctx context.Context, db *sql.DB, dialect sqlstore.Dialect, withStock bool) (schemaState, error) {
	files, err := schemaFiles(dialect, withStock)
	if err != nil {
		return schemaState{}, err
	}
	s := schemaState{files: files}
	s.problem = sqlstore.Check(ctx, db, dialect)
	if withStock {
		s.problem = errors.Join(s.problem, sqlreserver.Check(ctx, db, dialect))
	}
	if err := ctx.Err(); err != nil {
		return s, err
	}
	recorded, err := recordedVersions(ctx, db)
	if err != nil && s.problem == nil {
		recorded = nil // another tool migrated the database, without the table of Migrate
	}
	for i := range s.files {
		f := &s.files[i]
		switch {
		case slices.Contains(recorded[f.Component], f.Version):
			f.State = "applied"
		case s.problem == nil:
			f.State = "made elsewhere"
		default:
			f.State = "missing"
			s.missing = append(s.missing, *f)
		}
	}
	last := files[len(files)-1].Version
	for _, versions := range recorded {
		for _, v := range versions {
			if v > last && !slices.Contains(s.newer, v) {
				s.newer = append(s.newer, v)
			}
		}
	}
	slices.Sort(s.newer)
	return s, nil
}

// recordedVersions returns the versions that Migrate recorded, by component.
func recordedVersions(ctx context.Context, db *sql.DB) (map[string][]int, error) {
	rows, err := db.QueryContext(ctx, "SELECT DISTINCT component, version FROM fulfil_schema")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	recorded := map[string][]int{}
	for rows.Next() {
		var component string
		var version int
		if err := rows.Scan(&component, &version); err != nil {
			return nil, err
		}
		recorded[component] = append(recorded[component], version)
	}
	return recorded, rows.Err()
}

var migrateCommand = command{
	name: "migrate", short: "bring the database's schema up to date",
	long: `
Creates the tables of the Store and of the Reserver, or brings them up to date. It may run beside the shop and beside itself, and
goes on where an interrupted run stopped. A database that another tool migrates is left to that tool: see fulfil help schema.
An SQLite file that is not there is made.`,
	setup: func(p *program, flags *flag.FlagSet) action {
		noStock := flags.Bool("no-stock", false, "the shop keeps no stock: leave the tables of the Reserver out")
		return func(ctx context.Context, args []string) error {
			if len(args) > 0 {
				return usagef("migrate takes no arguments: the database is named by -database or DATABASE_URL")
			}
			return p.migrate(ctx, !*noStock)
		}
	},
}

func (p *program) migrate(ctx context.Context, withStock bool) error {
	db, src, err := p.openDatabase(ctx, true)
	if err != nil {
		return err
	}
	defer db.Close()
	before, err := readSchema(ctx, db, src.dialect, withStock)
	if err != nil {
		return err
	}
	made := func(f file) bool { return f.State == "made elsewhere" }
	if slices.ContainsFunc(before.files, made) {
		return errors.New("another tool migrated this database: apply the files of fulfil schema -into with that tool")
	}
	if err := sqlstore.Migrate(ctx, db, src.dialect); err != nil {
		return err
	}
	if withStock {
		if err := sqlreserver.Migrate(ctx, db, src.dialect); err != nil {
			return err
		}
	}
	if p.options.json {
		for _, f := range before.missing {
			f.State = "applied"
			if err := p.printJSON(f); err != nil {
				return err
			}
		}
		return nil
	}
	for _, f := range before.missing {
		if err := p.say("applied %s", f.Name); err != nil {
			return err
		}
	}
	return p.say("The %s database is up to date: version %d.", src.dialect, before.files[len(before.files)-1].Version)
}

var schemaCommand = command{
	name: "schema", short: "say whether the database's schema is behind, ahead or fine",
	long: `
Compares the database with the schema of this program, and looks whether the settings of a connection suit. It changes nothing. It
exits with 3 if the schema is behind, or of a newer version than this program, or if the settings do not suit.

With -print or -into it connects to nothing, and gives the SQL to a migration tool of your own. -print writes it to stdout. -into
writes one file for each version into a folder, named for golang-migrate and atlas (0001_orders.up.sql) and annotated for goose. Both
take the versions after the last one that the tool has applied, by -from.`,
	setup: func(p *program, flags *flag.FlagSet) action {
		var o schemaOptions
		flags.BoolVar(&o.noStock, "no-stock", false, "the shop keeps no stock: leave the tables of the Reserver out")
		flags.BoolVar(&o.print, "print", false, "print the SQL instead")
		flags.StringVar(&o.into, "into", "", "write the SQL as files into this `FOLDER` instead")
		flags.IntVar(&o.from, "from", 1, "with -print and -into: the first `VERSION`")
		flags.StringVar(&o.dialect, "dialect", "", "with -print and -into: postgres, mysql or sqlite; default: that of the database's URL")
		return func(ctx context.Context, args []string) error {
			switch {
			case len(args) > 0:
				return usagef("schema takes no arguments: the database is named by -database or DATABASE_URL")
			case o.print && o.into != "":
				return usagef("-print and -into exclude each other")
			case o.print || o.into != "":
				return p.giveSchema(o)
			}
			return p.showSchema(ctx, !o.noStock)
		}
	},
}

type schemaOptions struct {
	noStock, print bool
	into, dialect  string
	from           int
}

func (p *program) showSchema(ctx context.Context, withStock bool) error {
	db, src, err := p.openDatabase(ctx, false)
	if err != nil {
		return err
	}
	defer db.Close()
	s, err := readSchema(ctx, db, src.dialect, withStock)
	if err != nil {
		return err
	}
	verdict, text := "fine", "The schema is up to date."
	switch {
	case len(s.missing) > 0:
		verdict, text = "behind", "The schema is behind: run fulfil migrate, or apply the missing files with your own migration tool."
	case s.problem != nil:
		verdict, text = "unsuitable", "The database does not suit."
	case len(s.newer) > 0:
		verdict, text = "ahead", fmt.Sprintf("The schema has version %d, which is newer than this program: update the program.", s.newer[len(s.newer)-1])
	}
	problem := ""
	if s.problem != nil {
		problem = p.redact(s.problem.Error())
	}
	if p.options.json {
		err = p.printJSON(struct {
			Schema  string `json:"schema"`
			Dialect string `json:"dialect"`
			Files   []file `json:"files"`
			Newer   []int  `json:"newer_versions,omitempty"`
			Problem string `json:"problem,omitempty"`
		}{verdict, src.dialect.String(), s.files, s.newer, problem})
	} else {
		err = p.printSchema(s, text, problem)
	}
	if err == nil && verdict != "fine" {
		return errFound
	}
	return err
}

func (p *program) printSchema(s schemaState, text, problem string) error {
	t := p.table("VERSION", "FILE", "STATE")
	for _, f := range s.files {
		if err := t.row(strconv.Itoa(f.Version), f.Name, f.State); err != nil {
			return err
		}
	}
	if err := t.page(); err != nil {
		return err
	}
	if problem != "" {
		text += "\n" + problem
	}
	return p.say("\n%s", text)
}

// giveSchema prints or writes the SQL, for another tool.
func (p *program) giveSchema(o schemaOptions) error {
	dialect, err := p.dialect(o.dialect)
	if err != nil {
		return err
	}
	files, err := schemaFiles(dialect, !o.noStock)
	if err != nil {
		return err
	}
	last := files[len(files)-1].Version
	files = slices.DeleteFunc(files, func(f file) bool { return f.Version < o.from })
	if len(files) == 0 {
		p.note("fulfil: there is no version from %d on: the last is %d", o.from, last)
	}
	for _, f := range files {
		if o.print {
			if _, err := io.WriteString(p.stdout, "-- "+f.Name+"\n"+f.text+"\n"); err != nil {
				return err
			}
			continue
		}
		if err := writeNew(filepath.Join(o.into, f.Name), f.text); err != nil {
			return err
		}
		if err := p.say("%s", filepath.Join(o.into, f.Name)); err != nil {
			return err
		}
	}
	return nil
}

// writeNew writes a file that is not there. A file of the same text stays; another is an error, as a migration never changes.
func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		if have, err := os.ReadFile(path); err != nil || string(have) != text {
			return fmt.Errorf("%s is there already and has another text: choose an empty folder, and compare", path)
		}
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// dialect is the dialect of a name, or of the database's URL.
func (p *program) dialect(name string) (sqlstore.Dialect, error) {
	for _, d := range []sqlstore.Dialect{sqlstore.Postgres, sqlstore.MySQL, sqlstore.SQLite} {
		if d.String() == name {
			return d, nil
		}
	}
	if name != "" {
		return 0, usagef("-dialect is postgres, mysql or sqlite")
	}
	src, err := parseDatabase(cmp.Or(p.options.database, p.getenv("DATABASE_URL")), false)
	if err != nil {
		return 0, usagef("name the -dialect: postgres, mysql or sqlite")
	}
	return src.dialect, nil
}
