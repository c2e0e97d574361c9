package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/musterhq/muster/cmd/internal/boot"
	"github.com/musterhq/muster/cmd/internal/workerproc"
)

func run(ctx context.Context, args []string, stdout io.Writer) (err error) {
	c, err := boot.Load("worker", "One of Muster's workers.", args, stdout)
	if err != nil {
		if boot.IsHelp(err) {
			return nil
		}
		return err
	}
	log := boot.Log(c, os.Stderr)
	log.Info("worker starts", "config", c)
	s, err := boot.Open(ctx, c, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return workerproc.Run(ctx, s)
}
