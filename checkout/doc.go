// Package checkout leads Stripe Checkout orders through their life: stock is held while the customer pays, every payment
// is fulfilled, none twice, and nothing is sold that is not there.
//
// A [Flow] needs a Stripe client, a Store, and the merchant's Fulfil callback:
//
//   - [Flow.Begin] holds stock, creates a session and returns where to send the customer.
//   - [Flow.Handle] registers the webhook events that settle orders, [Flow.StatusHandler] answers the page the customer
//     comes back to, and [Flow.Run] or [Flow.Sweep] does what is due and finds what webhooks missed. All three bring the
//     order in line with what Stripe says of its session, and then deliver what the merchant is to be told.
//   - [Flow.Cancel] ends an order that is not paid.
//
// # What is promised
//
// A transition of an order happens exactly once. What Fulfil and OnChange write through the transaction they are given
// happens exactly once. Whatever else they do, such as sending a message, happens at least once, with a stable key to
// tell repetitions by: the order's ID, or [Change].Key.
//
// Stripe is the arbiter of a hold: stock is given back only when its session can no longer be paid, or when nobody was
// ever given its URL. Should money come after that all the same, the stock is taken again, or the order is marked as
// short and not fulfilled.
//
// A session is this shop's by the ID that was recorded, or by the shop and order in its metadata, never by
// client_reference_id, which customers can set. What is paid must agree with what was sold in currency, subtotal and
// livemode; an order that does not is parked.
//
// # The builder alone
//
// [Session] and [Amount] are useful without a Flow: [Session.CreateParams] validates a session and returns the parameters
// that stripe-go sends.
package checkout
