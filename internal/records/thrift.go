package records

import (
	"errors"
	"io"

	"github.com/parquet-go/parquet-go/encoding/thrift"
)

// The library makes room for a list before it reads it, as much as the list says that it needs.
var errForged = errors.New("a list says that it has more elements than there are bytes")

// checkThrift looks whether data begins with a structure of Thrift's compact protocol whose lists have what they say,
// and at most so many structures in all. It returns the structure's size, or io.ErrUnexpectedEOF when data is too
// short: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
func checkThrift(data []byte, structures int) (int, error) {
	var protocol thrift.CompactProtocol
	c := thriftCheck{r: protocol.NewReaderFromBytes(data), size: len(data), left: structures}
	err := c.value(thrift.STRUCT, 0)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return c.r.BytesRead(), err
}

type thriftCheck struct {
	r    thrift.BytesReader
	size int
	left int // structures
}

const thriftDepth = 32

func (c *thriftCheck) value(t thrift.Type, depth int) (err error) {
	if depth > thriftDepth {
		return errors.New("structures are nested too deep")
	}
	switch t {
	case thrift.TRUE, thrift.FALSE, thrift.I8:
		_, err = c.r.ReadInt8()
	case thrift.I16, thrift.I32, thrift.I64:
		_, err = c.r.ReadInt64()
	case thrift.DOUBLE:
		_, err = c.r.ReadFloat64()
	case thrift.BINARY:
		_, err = c.r.ReadBytes()
	case thrift.LIST, thrift.SET:
		return c.list(depth)
	case thrift.STRUCT:
		return c.structure(depth)
	default:
		return errors.New("there is a type that no structure of Parquet has")
	}
	return err
}

func (c *thriftCheck) structure(depth int) error {
	if c.left--; c.left < 0 {
		return &FileError{Code: TooLarge, Message: "the Parquet file describes too many columns and row groups"}
	}
	for {
		field, err := c.r.ReadField()
		switch {
		case err != nil:
			return err
		case field.Type == thrift.STOP:
			return nil
		case field.Type == thrift.TRUE || field.Type == thrift.FALSE:
			continue // the type is the value
		}
		if err := c.value(field.Type, depth+1); err != nil {
			return err
		}
	}
}

func (c *thriftCheck) list(depth int) error {
	list, err := c.r.ReadList()
	if err != nil {
		return err
	}
	if int(list.Size) > c.size-c.r.BytesRead() {
		return errForged
	}
	for range list.Size {
		if err := c.value(list.Type, depth+1); err != nil {
			return err
		}
	}
	return nil
}
