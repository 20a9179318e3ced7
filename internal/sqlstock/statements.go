package sqlstock

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/gofulfil/fulfil/internal/sqlkit"
)

// statements holds the statements of a dialect. A field of type statement takes any number of rows. Its comment gives the
// columns of a row in parentheses.
type statements struct {
	// rows is the maximum number of rows of one statement; 0: any number.
	rows int
	// begin takes the write lock before a transaction's first read; empty: the dialect has no such lock.
	begin string

	// takeAtOnce inserts the holds (ID, lines) whose IDs are free. If all of them are, it locks their stock, and if all of them
	// fit, it takes the stock (SKU, total quantity) and writes fulfil_held (SKU, hold ID, quantity). It returns rows of four
	// columns: "all" alone, if it took all holds; else "hold" with the ID of each hold that it inserted, and "stock" with the SKU,
	// stocked and taken of what it locked. If the dialect can't do that, takeAtOnce is nil, and the statements claim, fresh,
	// lockStock, take and insertHeld do it.
	takeAtOnce func(holds, totals, held [][]any) (query string, args []any, err error)
	// keepAtOnce deletes refused holds (ID), changes locked stock (SKU, change) and writes fulfil_held (SKU, hold ID, quantity).
	keepAtOnce func(refused, changes, held [][]any) (query string, args []any, err error)
	// sellAtOnce and giveBackAtOnce lock holds (ID), and end those that stand. They return the ID and the state before of each
	// hold, and how many of their SKUs have no stock.
	sellAtOnce, giveBackAtOnce statement

	// claim inserts the holds (ID, lines) whose IDs are free. It waits for transactions that are inserting the same IDs. Claim
	// returns the IDs that it inserted. If the dialect can't do that, the statement fresh returns them.
	claim, fresh statement
	// takeFitting adds the totals (SKU, quantity) to taken if all of them fit, and changes nothing otherwise. It can do that for
	// at most fitting SKUs.
	takeFitting statement
	fitting     int
	// unclaim deletes holds (ID).
	unclaim statement
	// lockHolds locks holds (ID) by ascending ID and returns their ID, state and lines.
	lockHolds statement
	// sell and giveBack change the state of holds (ID).
	sell, giveBack statement

	// seeEnded returns the IDs of those holds (ID) that have ended. It locks nothing.
	seeEnded statement
	// forget deletes those holds (ID) that have ended.
	forget statement

	// lockStock locks stock (SKU) by ascending SKU and returns SKU, stocked and taken.
	lockStock statement
	// take locks stock by ascending SKU and adds change to the taken quantity (SKU, change).
	take statement
	// insertHeld and deleteHeld write and delete rows of fulfil_held (SKU, hold ID, quantity).
	insertHeld, deleteHeld statement
	// seeStock returns SKU, stocked and taken of stock (SKU). It locks nothing.
	seeStock statement
	// readStock returns SKU, stocked, taken and held of stock (SKU). It locks nothing.
	readStock statement

	// readAll is readStock of all SKUs, sorted by SKU.
	readAll string
	// readHolds returns ID and lines of the holds that are neither sold nor released. Its parameters are the ID behind which it
	// begins, and a limit.
	readHolds string
	// makeStock inserts a SKU that does not exist yet. Its parameters are the SKU and the stocked quantity. It is empty if the
	// rows of stock are the merchant's own.
	makeStock string
	// lockHeld returns the current held quantity of a SKU whose stock is locked.
	lockHeld string
	// sumHeld returns the held quantity of all SKUs.
	sumHeld string
	// setStocked sets the stocked quantity. Its parameters are that quantity and the SKU.
	setStocked string
}

// onTable returns the statements with another table in the place of fulfil_stock, whose rows are the merchant's own.
func (s statements) onTable(name string) statements {
	renamed := func(query string) string { return strings.ReplaceAll(query, "fulfil_stock", name) }
	for _, build := range []*statement{&s.giveBackAtOnce, &s.takeFitting, &s.lockStock, &s.take, &s.seeStock, &s.readStock} {
		if before := *build; before != nil {
			*build = func(rows [][]any) (string, []any, error) {
				query, args, err := before(rows)
				return renamed(query), args, err
			}
		}
	}
	for _, build := range []*func(a, b, c [][]any) (string, []any, error){&s.takeAtOnce, &s.keepAtOnce} {
		if before := *build; before != nil {
			*build = func(a, b, c [][]any) (string, []any, error) {
				query, args, err := before(a, b, c)
				return renamed(query), args, err
			}
		}
	}
	s.readAll, s.setStocked, s.makeStock = renamed(s.readAll), renamed(s.setStocked), ""
	return s
}

// statement returns a query and its arguments for rows, which all have the same length.
type statement func(rows [][]any) (query string, args []any, err error)

// viaJSON returns a statement that takes all of its rows in one parameter, a JSON array of arrays. So the text of the query is
// the same for any number of rows.
func viaJSON(query string) statement {
	return func(rows [][]any) (string, []any, error) {
		text, err := json.Marshal(rows)
		return query, []any{string(text)}, err
	}
}

// chunks splits rows into parts that fit into one statement.
func (s *statements) chunks(rows [][]any) func(func([][]any) bool) {
	if s.rows == 0 {
		return slices.Chunk(rows, max(1, len(rows)))
	}
	return slices.Chunk(rows, s.rows)
}

// exec executes a statement for rows and returns the number of rows that it changed.
func (s *statements) exec(ctx context.Context, q sqlkit.Sender, build statement, rows [][]any) (changed int64, err error) {
	for chunk := range s.chunks(rows) {
		query, args, err := build(chunk)
		if err != nil {
			return 0, err
		}
		var n int64
		if err := q.Send(ctx, sqlkit.Statement{Query: query, Args: args, Changed: &n}); err != nil {
			return 0, err
		}
		changed += n
	}
	return changed, nil
}

// query calls row for each row that a statement for rows returns.
func (s *statements) query(ctx context.Context, q sqlkit.Sender, build statement, rows [][]any, row func(scan sqlkit.Scan) error) error {
	for chunk := range s.chunks(rows) {
		query, args, err := build(chunk)
		if err != nil {
			return err
		}
		if err := q.Send(ctx, sqlkit.Statement{Query: query, Args: args, Row: row}); err != nil {
			return err
		}
	}
	return nil
}

// column returns rows with one column.
func column(values []string) [][]any {
	rows := make([][]any, len(values))
	for i, v := range values {
		rows[i] = []any{v}
	}
	return rows
}
