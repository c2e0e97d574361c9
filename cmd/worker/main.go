// Worker is one of Muster's fleet: it imports chunks, undoes jobs and reconciles them. Run as many as needed.
package main

import (
	"os"

	"github.com/musterhq/muster/cmd/internal/boot"
)

func main() { os.Exit(boot.Main("worker", run)) }
