//go:build !chaos

// Package crash is where the chaos tests reach into the processes. In a program built without the tag chaos, as every
// release is, Point is an empty function and the compiler removes it.
package crash

// Point is a place at which a test may kill the process, or count who passes.
func Point(string) {}
