// Package stripeclients cross-checks the test server with Stripe's own clients from npm: the CLI and stripe-node.
//
// The tests run only if FULFIL_CROSSCHECK=1 is set. They need node and npm on Linux with x64, for which Stripe's CLI is pinned.
// They install the packages that npm/package-lock.json pins into the user's cache directory, once.
package stripeclients
