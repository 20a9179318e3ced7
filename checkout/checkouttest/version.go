package checkouttest

import (
	"slices"
	"strings"
	"time"
)

// versions are those of the API before they had names: https://docs.stripe.com/changelog
var versions = strings.Fields(`2017-01-27 2017-02-14 2017-04-06 2017-05-25 2017-06-05 2017-08-15 2017-12-14 2018-01-23 2018-02-05 2018-02-06
2018-02-28 2018-05-21 2018-07-27 2018-08-23 2018-09-06 2018-09-24 2018-10-31 2018-11-08 2019-02-11 2019-02-19 2019-03-14 2019-05-16
2019-08-14 2019-09-09 2019-10-08 2019-10-17 2019-11-05 2019-12-03 2020-03-02 2020-08-27 2022-08-01 2022-11-15 2023-08-16 2023-10-16
2024-04-10 2024-06-20`)

// knownVersion says whether Stripe has such a version of the API. Of those with a name any date will do: new ones come
// each month. Whatever was asked for, this server answers in its own version, and says so in the Stripe-Version header.
func knownVersion(v string) bool {
	date, name, named := strings.Cut(v, ".")
	if !named {
		return slices.Contains(versions, v)
	}
	at, err := time.Parse(time.DateOnly, date)
	return err == nil && at.Year() >= 2024 && slices.Contains([]string{"acacia", "basil", "clover", "dahlia"}, name)
}
