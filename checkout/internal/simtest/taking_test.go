package simtest

import (
	"context"
	"slices"
	"strings"
)

// take has a person end all holds of an order by hand, as one does who needs the goods for something else.
func (w *world) take(ctx context.Context, order string) {
	w.sched.wait(actorOf(ctx).name, "take the stock")
	err := w.database().InTx(ctx, func(tx tx) error {
		holds, err := w.stock.Holds(ctx, tx, "", 1000)
		if err != nil {
			return err
		}
		var ids []string
		for _, h := range holds {
			if strings.HasPrefix(h.ID, order+"/") {
				ids = append(ids, h.ID)
			}
		}
		slices.Sort(ids)
		_, err = w.stock.Release(ctx, tx, ids...)
		return err
	})
	w.say(ctx, "stock taken: %v", err)
	if err == nil {
		w.met("stock taken by hand")
	}
}
