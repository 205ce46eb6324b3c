// Package archtest holds the directions in which packages may import each
// other, and the third-party modules each tree may use. It has tests only.
package archtest
