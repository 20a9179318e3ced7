// Package doctest checks that the documentation names only things that exist. It reads README.md, CONTRIBUTING.md, the pages in
// docs, the READMEs of the examples and the documentation of every package. Every test, file, link, exported identifier and
// environment variable in them must be in the repository.
package doctest
