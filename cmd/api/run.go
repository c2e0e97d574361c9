package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/musterhq/muster/cmd/internal/apiproc"
	"github.com/musterhq/muster/cmd/internal/boot"
)

func run(ctx context.Context, args []string, stdout io.Writer) (err error) {
	c, err := boot.Load("api", "Muster's HTTP API.", args, stdout)
	if err != nil {
		if boot.IsHelp(err) {
			return nil
		}
		return err
	}
	log := boot.Log(c, os.Stderr)
	log.Info("api starts", "config", c)
	s, err := boot.Open(ctx, c, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	a, err := apiproc.New(ctx, s)
	if err != nil {
		return err
	}
	return a.Serve(ctx)
}
