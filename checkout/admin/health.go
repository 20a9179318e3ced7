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

// unsweptAfter is after how long without a sweep the pages warn.
const unsweptAfter = time.Hour

// health is how the shop runs.
type health struct {
	checkout.Health
	Now     time.Time
	Unswept bool // for unsweptAfter
}

func (p *pages) health(ctx context.Context) (health, error) {
	h, err := p.Flow.Health(ctx)
	now := p.Flow.Now()
	return health{h, now, now.Sub(h.SweptAt).Abs() >= unsweptAfter}, err
}

// healthPage says how the shop runs.
type healthPage struct {
	health
	Failed   []checkout.FailedEvent
	Checked  bool   // Config.Check is set
	Database string // what it found; empty: nothing
	// Stuck is the number of orders that need a person. MoreStuck says that there are others, which were not counted.
	Stuck     int
	MoreStuck bool
}

func (p *pages) showHealth(w http.ResponseWriter, r *http.Request) {
	h, err := p.health(r.Context())
	if err != nil {
		p.failed(w, r, err)
		return
	}
	failed, err := p.Flow.FailedEvents(r.Context())
	if err != nil {
		p.failed(w, r, err)
		return
	}
	stuck, err := p.Flow.List(r.Context(), store.Query{Stuck: true, Limit: store.DefaultLimit})
	if err != nil {
		p.failed(w, r, err)
		return
	}
	data := healthPage{health: h, Failed: failed, Checked: p.Check != nil, Stuck: len(stuck), MoreStuck: len(stuck) == store.DefaultLimit}
	if p.Check != nil {
		ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
		defer cancel()
		if err := p.Check(ctx); err != nil {
			data.Database = err.Error()
		}
	}
	p.render(w, r, http.StatusOK, "health", page{Title: "Health", Here: "health", Data: data})
}
