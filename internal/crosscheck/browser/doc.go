// Package browser cross-checks the pages with a browser: the hosted payment page, those of the quickstart and of the shop on
// SQLite, and the control page of the standalone server. The tests walk them in headless Chromium at 390 and 1280 pixels, at 390
// without JavaScript too, and by keyboard alone. axe-core audits every view, in light and dark colors. No view may scroll sideways.
//
// The tests run only if FULFIL_CROSSCHECK=1 is set. They need Chromium, node and npm, and install the packages that
// npm/package-lock.json pins into the user's cache directory, once.
//
// They build the examples themselves, of which go test does not know: after a change to an example alone, add -count=1. With
// FULFIL_SCREENSHOTS set to a directory every view is written there.
package browser
