// Package apilist keeps api.txt, the list of all that the released packages export. Its test fails when the code and the list
// differ, so that a change of the API shows in the diff of each commit.
package apilist
