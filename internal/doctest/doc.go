// Package doctest checks that the documentation names only what exists. It reads README.md, CONTRIBUTING.md, the pages in
// docs, the READMEs of the examples and the documentation of every package. Every test, file, link, exported identifier and
// environment variable that they name must be in the repository.
package doctest
