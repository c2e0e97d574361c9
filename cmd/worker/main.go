// Worker is one of Muster's fleet: it imports chunks, undoes jobs and reconciles them. Run as many as needed.
package main

import (
	"os"

	"github.com/musterhq/muster/cmd/internal/boot"
	"github.com/musterhq/muster/cmd/internal/workerproc"
)

func main() {
	os.Exit(boot.Main("worker", boot.Service("worker", "One of Muster's workers.", workerproc.Run)))
}
