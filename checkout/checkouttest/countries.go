package checkouttest

import (
	_ "embed" // for countries.txt
	"html/template"
	"slices"
	"strings"
	"sync"
)

//go:embed countries.txt
var countriesText string

// A country has its code of ISO 3166-1 and its name in one language.
type country struct{ code, name string }

// countries returns all countries by language, in the order of the language.
var countries = sync.OnceValue(func() map[language][]country {
	all := map[language][]country{}
	var l language
	for line := range strings.Lines(countriesText) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "["):
			l = languageOf(strings.Trim(line, "[]"))
		default:
			code, name, _ := strings.Cut(line, " ")
			all[l] = append(all[l], country{code, name})
		}
	}
	return all
})

// allCountries returns the options of a list of all countries, by language. They are made once: a page has up to two such lists.
var allCountries = sync.OnceValue(func() map[language]string {
	all := map[language]string{}
	for l, list := range countries() {
		all[l] = options(list)
	}
	return all
})

func options(list []country) string {
	var b strings.Builder
	for _, c := range list {
		b.WriteString(`<option value="` + c.code + `">` + template.HTMLEscapeString(c.name) + "</option>\n")
	}
	return b.String()
}

// countryOptions returns the options of a list of countries, one of them chosen. codes are the countries in the list; nil stands for
// all.
func (l language) countryOptions(codes []string, chosen string) template.HTML {
	text := allCountries()[l]
	if codes != nil {
		text = options(slices.DeleteFunc(slices.Clone(countries()[l]), func(c country) bool { return !slices.Contains(codes, c.code) }))
	}
	return template.HTML(strings.Replace(text, `value="`+template.HTMLEscapeString(chosen)+`"`, `value="`+template.HTMLEscapeString(chosen)+`" selected`, 1)) // #nosec G203: every part is escaped
}

// isCountry reports whether a text is the code of a country.
func isCountry(code string) bool {
	return slices.ContainsFunc(countries()[english], func(c country) bool { return c.code == code })
}

// asksForPostalCode reports whether Stripe's page asks for the postal code of a card's owner in a country, although it asks for no
// address. https://docs.stripe.com/payments/checkout/customization/policies
func asksForPostalCode(country string) bool {
	return slices.Contains([]string{"CA", "GB", "PR", "US"}, country)
}

// taxIDTypes are the types of the tax IDs of businesses, by country: https://docs.stripe.com/billing/customer/tax-ids
var taxIDTypes = map[string]string{
	"AE": "ae_trn", "AU": "au_abn", "BR": "br_cnpj", "CA": "ca_bn", "CH": "ch_vat", "CL": "cl_tin", "GB": "gb_vat", "IN": "in_gst", "IS": "is_vat",
	"JP": "jp_trn", "KR": "kr_brn", "LI": "li_uid", "MX": "mx_rfc", "NO": "no_vat", "NZ": "nz_gst", "SA": "sa_vat", "SG": "sg_gst", "TH": "th_vat",
	"TR": "tr_tin", "TW": "tw_vat", "UA": "ua_vat", "US": "us_ein", "ZA": "za_vat",
}

// euCountries are the members of the European Union.
var euCountries = strings.Fields("AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK")

// taxIDType returns the type of the tax IDs of a country's businesses, or "" if the server knows none.
func taxIDType(country string) string {
	if slices.Contains(euCountries, country) {
		return "eu_vat"
	}
	return taxIDTypes[country]
}
