package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	arrowmemory "github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/klauspost/compress/zstd"
	"github.com/twmb/avro/ocf"
)

// usersIn counts the users in an export by reading all of it. A Parquet file is read by another implementation than the one
// that wrote it.
func usersIn(f *os.File, format, compress string) (int64, error) {
	switch format {
	case "parquet":
		return usersInParquet(f)
	case "avro":
		return usersInAvro(f)
	}
	var text io.Reader = f
	if compress == "zstd" {
		z, err := zstd.NewReader(f)
		if err != nil {
			return 0, err
		}
		defer z.Close()
		text = z
	}
	var got lines
	_, err := io.Copy(&got, text)
	if format == "csv" {
		got.n-- // the header
	}
	return got.n, err
}

func usersInParquet(f *os.File) (n int64, err error) {
	r, err := file.NewParquetReader(f)
	if err != nil {
		return 0, err
	}
	// Not closed: that would close f.
	a, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{BatchSize: 10_000}, arrowmemory.DefaultAllocator)
	if err != nil {
		return 0, err
	}
	batches, err := a.GetRecordReader(context.Background(), nil, nil)
	if err != nil {
		return 0, err
	}
	defer batches.Release()
	for batches.Next() {
		n += batches.RecordBatch().NumRows()
	}
	if err := batches.Err(); err != nil && err != io.EOF { //nolint:errorlint // arrow's end
		return n, err
	}
	return n, nil
}

func usersInAvro(f *os.File) (n int64, err error) {
	r, err := ocf.NewReader(f)
	if err != nil {
		return 0, err
	}
	for {
		u := map[string]any{}
		if err := r.Decode(&u); errors.Is(err, io.EOF) {
			return n, nil
		} else if err != nil {
			return n, err
		}
		if id, ok := u["id"].(int64); !ok || id < 1 {
			return n, fmt.Errorf("the user after %d has id %v", n, u["id"])
		}
		n++
	}
}
