// Package template is where plugins begin: go/ and python/ hold one example per
// contract, of which all but a short file of one's own is kept. It has tests
// only: they count that file's lines and run the contracts' suites.
package template
