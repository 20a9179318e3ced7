// Package pages has a browser judge the pages: the hosted payment page, those of the quickstart and of the shop on SQLite, and
// the control page of the standalone server. They are walked in headless Chromium at 390 and 1280 pixels, at 390 without
// JavaScript too, and by keyboard alone. Every view is judged by axe-core, in light and dark colors, and must not scroll
// sideways.
//
// The tests need Chromium, node and npm, and install what npm/package-lock.json pins into the user's cache directory, once.
// Where that can't be they are left out, which a line of go test -v says; with FULFIL_REQUIRE_JUDGES=1 that fails instead.
//
// They build the examples themselves, of which go test does not know: after a change to an example alone, add -count=1. With
// FULFIL_SCREENSHOTS set to a directory every view is written there.
package pages
