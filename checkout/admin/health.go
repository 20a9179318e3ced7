package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
)

// checkTimeout is how long Config.Check may take.
const checkTimeout = 5 * time.Second

// healthPage says how the shop runs.
type healthPage struct {
	checkout.Health
	Checked  bool   // Config.Check is set
	Database string // what it found; empty: nothing
	// Stuck is the number of orders that need a person. MoreStuck says that there are others, which were not counted.
	Stuck     int
	MoreStuck bool
}

func (p *pages) showHealth(w http.ResponseWriter, r *http.Request) {
	health, err := p.Flow.Health(r.Context())
	if err != nil {
		p.failed(w, r, err)
		return
	}
	stuck, err := p.Flow.List(r.Context(), store.Query{Stuck: true, Limit: store.DefaultLimit})
	if err != nil {
		p.failed(w, r, err)
		return
	}
	data := healthPage{Health: health, Checked: p.Check != nil, Stuck: len(stuck), MoreStuck: len(stuck) == store.DefaultLimit}
	if p.Check != nil {
		ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
		defer cancel()
		if err := p.Check(ctx); err != nil {
			data.Database = err.Error()
		}
	}
	p.render(w, r, http.StatusOK, "health", page{Title: "Health", Here: "health", Data: data})
}
