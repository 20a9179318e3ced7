package admin

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/reservation"
)

// stockOnPage is how many SKUs are shown at most.
const stockOnPage = 200

// stockPage lists the stock.
type stockPage struct {
	Notice    string
	Stock     []reservation.Stock
	Search    string
	More      int  // SKUs that are not shown
	Adjust    bool // the person may change stock
	Supported bool // the Reserver can list its stock
}

func (p *pages) showStock(w http.ResponseWriter, r *http.Request) {
	stock, err := p.Flow.Stock(r.Context())
	unsupported := errors.Is(err, checkout.ErrNoStock)
	if err != nil && !unsupported {
		p.failed(w, r, err)
		return
	}
	form := r.URL.Query()
	data := stockPage{Search: strings.TrimSpace(form.Get("sku")), Adjust: p.Allow(r, AdjustStock), Supported: !unsupported}
	for _, s := range stock {
		switch {
		case !strings.Contains(strings.ToLower(s.SKU), strings.ToLower(data.Search)):
		case len(data.Stock) == stockOnPage:
			data.More++
		default:
			data.Stock = append(data.Stock, s)
		}
	}
	if form.Get("done") != "" {
		data.Notice = "The stock was changed."
	}
	p.render(w, r, http.StatusOK, "stock", page{Title: "Stock", Here: "stock", Data: data})
}

// adjustForm is the form that asks for a change of stock, with what the person filled in.
type adjustForm struct {
	reservation.Stock
	Delta   string
	Problem string
}

func (p *pages) confirmAdjust(w http.ResponseWriter, r *http.Request) {
	sku := r.URL.Query().Get("sku")
	if !p.allowed(w, r, AdjustStock, "sku", sku) {
		return
	}
	stock, err := p.Flow.Stock(r.Context(), sku)
	if err != nil {
		p.stockFailed(w, r, err)
		return
	}
	p.showAdjust(w, r, http.StatusOK, adjustForm{Stock: stock[0]})
}

func (p *pages) showAdjust(w http.ResponseWriter, r *http.Request, status int, form adjustForm) {
	p.render(w, r, status, "adjust", page{Title: "Change the stock", Here: "stock", Data: form})
}

// doAdjust changes the stock. The form has the stock as the person saw it, so that a form that is sent twice changes it once.
func (p *pages) doAdjust(w http.ResponseWriter, r *http.Request) {
	if !p.parse(w, r) {
		return
	}
	form := adjustForm{Delta: strings.TrimSpace(r.PostFormValue("delta"))}
	form.SKU = r.PostFormValue("sku")
	if !p.allowed(w, r, AdjustStock, "sku", form.SKU) {
		return
	}
	var wrong [3]error
	form.OnHand, wrong[0] = strconv.ParseInt(r.PostFormValue("on_hand"), 10, 64)
	form.Held, wrong[1] = strconv.ParseInt(r.PostFormValue("held"), 10, 64)
	form.Sold, wrong[2] = strconv.ParseInt(r.PostFormValue("sold"), 10, 64)
	if errors.Join(wrong[:]...) != nil {
		p.message(w, r, http.StatusBadRequest, "The form could not be read", "Nothing was changed. Look at the stock again.")
		return
	}
	delta, err := strconv.ParseInt(form.Delta, 10, 64)
	if err != nil || delta == 0 {
		form.Problem = "Write a whole number such as 10 or -3. Nothing was changed."
		p.showAdjust(w, r, http.StatusUnprocessableEntity, form)
		return
	}
	err = p.Flow.AdjustStock(r.Context(), form.Stock, delta)
	p.record(r, AdjustStock, err, "sku", form.SKU, "delta", delta)
	if err != nil {
		p.stockFailed(w, r, err)
		return
	}
	redirect(w, "../stock?done=adjusted")
}

// stockFailed says why stock can't be shown or changed.
func (p *pages) stockFailed(w http.ResponseWriter, r *http.Request, err error) {
	status, text := explain(AdjustStock, err)
	p.render(w, r, status, "message", page{Title: "Stock: that did not work", Here: "stock", Data: message{Text: text, Link: "stock", Label: "Back to the stock"}})
}
