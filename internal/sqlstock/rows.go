package sqlstock

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/reservation"
)

// The states of a hold.
const (
	stateHeld     = "held"
	stateSold     = "sold"
	stateReleased = "released"
)

// Needs returns the tables and indexes that the Reserver uses.
func Needs(d sqlkit.Dialect) (tables []sqlkit.Table, indexes []string) {
	tables = []sqlkit.Table{
		{Name: "fulfil_stock", Columns: []string{"sku", "stocked", "taken"}},
		{Name: "fulfil_holds", Columns: []string{"id", "state", "hold_lines"}},
		{Name: "fulfil_held", Columns: []string{"sku", "hold_id", "quantity"}},
	}
	if d == sqlkit.MySQL {
		tables[1].Columns = append(tables[1].Columns, "repeats")
		return tables, []string{"fulfil_holds_state"}
	}
	return tables, []string{"fulfil_holds_held"}
}

// hold is a row of fulfil_holds.
type hold struct {
	state string
	lines []reservation.Line // merged
}

// level is a locked row of fulfil_stock.
type level struct {
	stocked, taken int64
	change         int64 // to be added to taken
}

// line is a [reservation.Line] as fulfil_holds stores it.
type line struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

func encode(lines []reservation.Line) (string, error) {
	kept := make([]line, len(lines))
	for i, l := range lines {
		kept[i] = line(l)
	}
	text, err := json.Marshal(kept)
	return string(text), err
}

func decode(text []byte) ([]reservation.Line, error) {
	var kept []line
	if err := json.Unmarshal(text, &kept); err != nil {
		return nil, fmt.Errorf("lines of a hold: %w", err)
	}
	lines := make([]reservation.Line, len(kept))
	for i, l := range kept {
		lines[i] = reservation.Line(l)
	}
	return lines, nil
}

// lockHolds locks and returns the holds that exist.
func (r *Reserver[Tx]) lockHolds(ctx context.Context, tx Tx, ids []string) (map[string]*hold, error) {
	known := make(map[string]*hold)
	err := r.sql.query(ctx, r.in(tx), r.sql.lockHolds, column(ids), func(scan sqlkit.Scan) error {
		var id string
		var text []byte
		h := new(hold)
		err := scan(&id, &h.state, &text)
		if err == nil {
			h.lines, err = decode(text)
		}
		known[id] = h
		return err
	})
	return known, err
}

// lockStock locks and returns the stock of the SKUs that exist.
func (r *Reserver[Tx]) lockStock(ctx context.Context, tx Tx, skus []string) (map[string]*level, error) {
	stock := make(map[string]*level)
	err := r.sql.query(ctx, r.in(tx), r.sql.lockStock, column(skus), func(scan sqlkit.Scan) error {
		var sku string
		l := new(level)
		err := scan(&sku, &l.stocked, &l.taken)
		stock[sku] = l
		return err
	})
	return stock, err
}

// writeStock writes the changes of locked stock.
func (r *Reserver[Tx]) writeStock(ctx context.Context, tx Tx, stock map[string]*level) error {
	_, err := r.sql.exec(ctx, r.in(tx), r.sql.take, changes(stock))
	return err
}

// changes returns the rows (SKU, change) of the stock that changes, sorted by SKU.
func changes(stock map[string]*level) [][]any {
	var rows [][]any
	for _, sku := range sorted(stock) {
		if change := stock[sku].change; change != 0 {
			rows = append(rows, []any{sku, change})
		}
	}
	return rows
}

// heldRows returns the rows of fulfil_held for the merged lines of holds, sorted by SKU and hold ID.
func heldRows(lines map[string][]reservation.Line) [][]any {
	rows := make([][]any, 0, len(lines))
	for _, id := range sorted(lines) {
		for _, l := range lines[id] {
			rows = append(rows, []any{l.SKU, id, l.Quantity})
		}
	}
	slices.SortStableFunc(rows, func(a, b []any) int { return strings.Compare(a[0].(string), b[0].(string)) })
	return rows
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
