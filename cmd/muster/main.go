// Muster is the operator's command: the whole stack in one process, the demo, and the migrations.
package main

import (
	"os"

	"github.com/musterhq/muster/cmd/internal/boot"
)

func main() { os.Exit(boot.Main("muster", run)) }
