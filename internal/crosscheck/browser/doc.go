// Package browser cross-checks the pages with a browser: the hosted payment page, the pages of the quickstart and of the shop
// on SQLite, and the control page of the standalone server. The tests visit them in headless Chromium at 390 and 1280 pixels,
// at 390 pixels without JavaScript, and with the keyboard alone. axe-core audits every view, in light and dark colors. No view
// may scroll sideways.
//
// The tests run only if FULFIL_CROSSCHECK=1 is set. They need Chromium, node and npm. They install the packages that
// npm/package-lock.json pins into the user's cache directory, once.
//
// The tests build the examples, and go test does not notice changes to these: after a change to an example alone, add -count=1.
// If FULFIL_SCREENSHOTS names a directory, the tests write two pictures of every view there, in light and in
// dark colors.
package browser
