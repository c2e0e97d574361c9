//go:build !chaos

// Package crash is where the chaos tests reach into the processes. In a program built without the tag chaos, as every
// release is, its functions are empty and the compiler removes them.
package crash

// Point is a place at which a test may kill the process, or count who passes.
func Point(string) {}

// Off reports whether a test has switched the protection off, to see itself fail.
func Off(string) bool { return false }
