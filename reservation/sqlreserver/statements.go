package sqlreserver

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
)

// statements holds the statements of a dialect. Those of type statement are for any number of rows.
type statements struct {
	// rows is the number of rows that one statement may have; 0: any number.
	rows int
	// begin runs before a transaction's first read and takes the write lock. Empty: there is none to take.
	begin string

	// claim inserts the holds (ID, lines) whose ID is not there. It waits for transactions that are inserting the same ID. It
	// returns the IDs that it inserted, unless there is a statement fresh, which does.
	claim, fresh statement
	// unclaim deletes holds (ID).
	unclaim statement
	// lockHolds returns ID, state and lines of holds (ID), and locks them, in the order of their IDs.
	lockHolds statement
	// sell and giveBack change the state of holds (ID).
	sell, giveBack statement

	// lockStock returns SKU, stocked and taken of stock (SKU), and locks it, in the order of the SKUs.
	lockStock statement
	// take adds to the taken quantity (SKU, change).
	take statement
	// insertHeld and deleteHeld change the lines of holds that stand (SKU, hold ID, quantity).
	insertHeld, deleteHeld statement
	// readStock returns SKU, stocked, taken and held of stock (SKU) without a lock.
	readStock statement

	// readAll is readStock of all SKUs, in their order.
	readAll string
	// readHolds returns ID and lines of the holds that stand, beginning behind an ID. It takes the ID and a limit.
	readHolds string
	// makeStock inserts a SKU with goods of which none is taken, unless the SKU is there. It takes both.
	makeStock string
	// lockHeld returns the held quantity of a SKU whose stock is locked, as of now.
	lockHeld string
	// setStocked takes the stocked quantity and a SKU.
	setStocked string
}

// statement returns a query for rows, all of the same length.
type statement func(rows [][]any) (query string, args []any, err error)

// viaJSON returns a statement that takes all of its rows in one parameter, as a JSON array of arrays. So its text is always the
// same.
func viaJSON(query string) statement {
	return func(rows [][]any) (string, []any, error) {
		text, err := json.Marshal(rows)
		return query, []any{string(text)}, err
	}
}

// chunks splits rows into as many as one statement may have.
func (s *statements) chunks(rows [][]any) func(func([][]any) bool) {
	if s.rows == 0 {
		return slices.Chunk(rows, max(1, len(rows)))
	}
	return slices.Chunk(rows, s.rows)
}

// exec executes a statement for rows and returns how many rows it changed.
func (s *statements) exec(ctx context.Context, tx *sql.Tx, build statement, rows [][]any) (int64, error) {
	var changed int64
	for chunk := range s.chunks(rows) {
		query, args, err := build(chunk)
		if err != nil {
			return 0, err
		}
		result, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return 0, err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return 0, err
		}
		changed += n
	}
	return changed, nil
}

// query calls scan for each row that a statement for rows returns.
func (s *statements) query(ctx context.Context, tx *sql.Tx, build statement, rows [][]any, scan func(*sql.Rows) error) error {
	for chunk := range s.chunks(rows) {
		query, args, err := build(chunk)
		if err != nil {
			return err
		}
		if err := each(ctx, tx, scan, query, args...); err != nil {
			return err
		}
	}
	return nil
}

// each calls scan for each row of a query.
func each(ctx context.Context, tx *sql.Tx, scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// column makes rows of one column.
func column(values []string) [][]any {
	rows := make([][]any, len(values))
	for i, v := range values {
		rows[i] = []any{v}
	}
	return rows
}
