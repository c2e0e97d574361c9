package records

// Parser reads records that stand alone, as Record.Raw has them, one after the other in the same memory.
type Parser struct {
	object  *objectReader
	values  [][]byte
	scratch []byte
}

// CSV returns the values of a record of CSV, however many they are; false: a quote in it is wrong, or a value too long. They
// are valid until the next call, and while raw is.
func (p *Parser) CSV(raw []byte, delim byte) (values [][]byte, ok bool) {
	var fault Fault
	p.values, p.scratch, fault = csvValues(p.values[:0], p.scratch[:0], raw, delim, false)
	return p.values, fault == ""
}

// JSON returns the names and values of a record of NDJSON, as Record has them; false: it is faulty. They are valid until
// the next call, and while raw is.
func (p *Parser) JSON(raw []byte) (names, values [][]byte, ok bool) {
	if p.object == nil {
		p.object = newObjectReader()
	}
	if textFault(raw) != "" {
		return nil, nil, false
	}
	names, values, fault := p.object.read(raw)
	return names, values, fault == ""
}
