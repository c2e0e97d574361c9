package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"

	"github.com/XSAM/otelsql"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/musterhq/muster/internal/tracing"
)

// maxStatement is how much of a statement a span has, in bytes: a batch's has thousands of placeholders.
const maxStatement = 300

// traceOptions make a span of each statement and transaction below a span that records. It has the statement with its
// placeholders and never the arguments, nor the text of an error, which may repeat them.
func traceOptions(provider trace.TracerProvider, system string) []otelsql.Option {
	return []otelsql.Option{
		otelsql.WithTracerProvider(provider),
		otelsql.WithAttributes(attribute.String("db.system.name", system)),
		otelsql.WithSpanNameFormatter(func(_ context.Context, method otelsql.Method, query string) string {
			if query = strings.Join(strings.Fields(query), " "); query == "" {
				return string(method)
			}
			words := strings.SplitN(query, " ", 4)
			return strings.Join(words[:min(3, len(words))], " ")
		}),
		otelsql.WithAttributesGetter(func(_ context.Context, _ otelsql.Method, query string, _ []driver.NamedValue) []attribute.KeyValue {
			if query = strings.Join(strings.Fields(query[:min(len(query), 2*maxStatement)]), " "); query == "" {
				return nil
			}
			return []attribute.KeyValue{attribute.String("db.query.text", query[:min(len(query), maxStatement)])}
		}),
		otelsql.WithSpanOptions(otelsql.SpanOptions{
			DisableQuery: true, DisableErrSkip: true, OmitConnResetSession: true, OmitConnPrepare: true, OmitRows: true, OmitConnectorConnect: true,
			RecordError: func(error) bool { return false },
			SpanFilter: func(ctx context.Context, _ otelsql.Method, _ string, _ []driver.NamedValue) bool {
				return tracing.Records(ctx)
			},
		}),
	}
}

// open opens a pool, which is traced if there is where to.
func (o *Options) open(c driver.Connector, system string) *sql.DB {
	if o.Traces == nil {
		return sql.OpenDB(c)
	}
	return otelsql.OpenDB(c, traceOptions(o.Traces, system)...)
}

// openSQLiteFile opens a pool on a file, in the driver's form of its name.
func (o *Options) openSQLiteFile(name string) (*sql.DB, error) {
	if o.Traces == nil {
		return sql.Open("sqlite", name)
	}
	return otelsql.Open("sqlite", name, traceOptions(o.Traces, "sqlite")...)
}
