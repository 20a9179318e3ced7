// Package stock has Stripe's own clients judge the test server: the official CLI and stripe-node, as npm has them.
//
// The tests need node and npm on Linux with x64, for which Stripe's CLI is pinned, and install what npm/package-lock.json
// pins into the user's cache directory, once. Where that can't be they are left out, which a line of go test -v says;
// with FULFIL_REQUIRE_JUDGES=1 that fails instead.
package stock
