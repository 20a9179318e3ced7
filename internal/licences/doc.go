// Package licences keeps docs/licences.md, the list of the modules that a program gets with a released module of this project, and
// of their licences. Its test fails when the code and the list differ.
package licences
