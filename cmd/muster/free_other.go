//go:build !unix || solaris || illumos || aix || netbsd || openbsd

package main

// free returns nothing: how many bytes are left is not known here.
func free(string) *int64 { return nil }
