// Api is Muster's HTTP API: it accepts jobs, shows them, and streams exports. Run as many as needed.
package main

import (
	"os"

	"github.com/musterhq/muster/cmd/internal/apiproc"
	"github.com/musterhq/muster/cmd/internal/boot"
)

func main() { os.Exit(boot.Main("api", boot.Service("api", "Muster's HTTP API.", apiproc.Run))) }
