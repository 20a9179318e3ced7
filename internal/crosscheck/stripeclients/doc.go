// Package stripeclients cross-checks the test server with Stripe's own clients: the official CLI and stripe-node, from npm.
//
// The tests run only if FULFIL_CROSSCHECK=1 is set. They need node and npm on Linux with x64, for which Stripe's CLI is pinned,
// and install the packages that npm/package-lock.json pins into the user's cache directory, once.
package stripeclients
