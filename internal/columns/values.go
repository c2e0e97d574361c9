package columns

// convertID reads the id, with KeyID.
func (c *Converter) convertID(row *Row) {
	v := c.picked[ofID].value
	if len(v) == 0 {
		return
	}
	n, ok := wholeNumber(v, 18) // digits that always fit; ids end far below
	if !ok || n == 0 {
		c.fault(ofID, BadID)
		return
	}
	row.ID = n
}

// wholeNumber reads decimal digits, and behind them a point and noughts: programs that know only one kind of number write
// 36 as 36.0.
func wholeNumber(v []byte, digits int) (n int64, ok bool) {
	i := 0
	for ; i < len(v) && isDigit(v[i]); i++ {
		if i == digits {
			return 0, false
		}
		n = 10*n + int64(v[i]-'0')
	}
	if i == 0 {
		return 0, false
	}
	if i < len(v) && (v[i] == '.' || v[i] == ',') {
		noughts := v[i+1:]
		for _, b := range noughts {
			if b != '0' {
				return 0, false
			}
		}
		return n, len(noughts) > 0
	}
	return n, i == len(v)
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

// readPhone checks that the telephone number has all its digits, and takes off the ' that keeps a spreadsheet from reading
// it as a number, as Shopify writes it.
func (c *Converter) readPhone() {
	p := &c.picked[ofMobile]
	v := p.value
	if !c.plan.origin.exact && len(v) > 1 && v[0] == '\'' && (v[1] == '+' || v[1] == '(' || isDigit(v[1])) {
		v = v[1:]
		p.value = v
	}
	if lostDigits(v) {
		c.fault(ofMobile, DigitsLost)
		p.value, p.present = nil, false
	}
}

// shortestPhone is how many digits before ".0" make it a telephone number that was read as a number, and not one that is
// written with points.
const shortestPhone = 7

// lostDigits reports whether a telephone number was a number of some program's: 4.477E+11 of a spreadsheet's, whose digits
// are gone, 447700900123.0 of others, which drop the noughts in front, or ##### where the column was too narrow.
func lostDigits(v []byte) bool {
	if len(v) > 2 && onlyHashes(v) {
		return true
	}
	start := afterSign(v, 0)
	end := afterDigits(v, start)
	if end == start {
		return false
	}
	whole, fraction := end-start, ""
	if end < len(v) && (v[end] == '.' || v[end] == ',') {
		start = end + 1
		end = afterDigits(v, start)
		if end-start == 1 {
			fraction = string(v[start:end])
		}
	}
	if end == len(v) {
		return fraction == "0" && whole >= shortestPhone
	}
	if v[end] != 'e' && v[end] != 'E' {
		return false
	}
	start = afterSign(v, end+1)
	end = afterDigits(v, start)
	return end > start && end == len(v)
}

func afterSign(v []byte, i int) int {
	if i < len(v) && (v[i] == '+' || v[i] == '-') {
		i++
	}
	return i
}

func afterDigits(v []byte, i int) int {
	for i < len(v) && isDigit(v[i]) {
		i++
	}
	return i
}

func onlyHashes(v []byte) bool {
	for _, b := range v {
		if b != '#' {
			return false
		}
	}
	return true
}

// checkDeleted refuses users that are deleted where the file comes from: they would come to life again.
func (c *Converter) checkDeleted() {
	v := c.picked[ofDeleted].value
	if len(v) == 0 {
		return
	}
	switch yes, known := booleans[word(v)]; {
	case !known:
		c.fault(ofDeleted, BadBoolean)
	case yes:
		c.fault(ofDeleted, IsDeleted)
	}
}

// booleans are the words for true and false, in their normal form.
var booleans = map[string]bool{
	"true": true, "yes": true, "y": true, "t": true, "1": true, "ja": true, "wahr": true, "oui": true, "vrai": true, "si": true, "verdadero": true,
	"false": false, "no": false, "n": false, "f": false, "0": false, "nein": false, "falsch": false, "non": false, "faux": false, "falso": false,
}

// word is the normal form of a value that is looked up among a few words, none of which is long.
func word(v []byte) string {
	if len(v) > 50 {
		return "too long"
	}
	return normal(string(v))
}
