// Package guides has the code of the guides in docs. A test of the repository checks that each Go block of a guide stands in
// one of these files, and the tests of this package run it.
package guides
