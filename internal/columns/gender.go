package columns

import (
	"strings"

	"github.com/musterhq/muster/internal/user"
)

// sex is what a word says of a gender.
type sex uint8

const (
	unsaid  sex = iota // the word is not known
	unknown            // nothing: as an empty value
	neither            // that it is neither of the two that a record may have, or is not to be known
	male
	female
	ambiguous // male in one language and female in another
)

// genderWords are the words of columns of genders, in their normal form. Numbers are none: 1 is a man in ISO 5218, and not
// everywhere.
var genderWords = sexes(map[sex][]string{
	male: {
		"m", "male", "man", "boy", "mr", "mister",
		"männlich", "maennlich", "Mann", "Herr", "Hr", "Junge",
		"h", "homme", "masculin", "monsieur", "garçon",
		"hombre", "masculino", "varón", "señor", "sr", "niño",
	},
	female: {
		"f", "female", "woman", "girl", "mrs", "ms", "miss",
		"w", "weiblich", "Frau", "Fr", "Mädchen", "Fräulein",
		"femme", "féminin", "madame", "mme", "mademoiselle", "mlle", "fille",
		"mujer", "femenino", "femenina", "señora", "sra", "señorita", "srta", "niña",
	},
	ambiguous: {"v"}, // varón, vrouw
	neither: {
		"other", "others", "diverse", "non-binary", "nonbinary", "nb", "enby", "agender", "genderqueer", "genderfluid", "intersex", "mx", "x", "d", "custom",
		"prefer not to say", "prefer not to answer", "rather not say", "decline to state", "decline to answer", "undisclosed", "not disclosed",
		"divers", "andere", "anderes", "sonstige", "sonstiges",
		"autre", "non binaire", "ne se prononce pas", "préfère ne pas répondre",
		"otro", "otra", "no binario", "no binaria", "prefiero no decirlo",
	},
	unknown: {
		"unknown", "unspecified", "not specified", "not set", "not applicable", "n/a", "none", "null", "nil",
		"unbekannt", "nicht angegeben", "keine Angabe", "k. A.", // Outlook has it for unset
		"inconnu", "non précisé", "non renseigné", "desconocido", "no especificado",
	},
})

// titles are those before a name that tell the gender.
var titles = sexes(map[sex][]string{
	male:   {"mr", "mister", "Herr", "Hr", "Herrn", "Herr Dr.", "Herr Prof.", "Herr Prof. Dr.", "monsieur", "m", "señor", "don", "sir"},
	female: {"mrs", "ms", "miss", "Frau", "Fr", "Frau Dr.", "Frau Prof.", "Frau Prof. Dr.", "madame", "mme", "mademoiselle", "mlle", "señora", "sra", "señorita", "srta", "doña"},
})

func sexes(words map[sex][]string) map[string]sex {
	out := map[string]sex{}
	for s, list := range words {
		for _, word := range list {
			out[normal(word)] = s
		}
	}
	return out
}

func (c *Converter) convertGender(row *Row) {
	p := &c.picked[ofGender]
	says := unknown
	if len(p.value) > 0 {
		says = c.sexOf(p.value, p.from)
	}
	switch says {
	case male:
		row.User.Gender = user.Male
	case female:
		row.User.Gender = user.Female
	case neither:
	case unknown:
		if !p.present || c.plan.options.EmptyMeans != Clear {
			return
		}
	default: // unsaid, ambiguous
		c.fault(ofGender, BadGender)
		return
	}
	row.give(ofGender)
}

func (c *Converter) sexOf(v []byte, from *candidate) sex {
	switch string(v) { // as our exports have it, and most others
	case "Male", "male":
		return male
	case "Female", "female":
		return female
	}
	words, met := genderWords, &c.met[0]
	if from.soft {
		words, met = titles, &c.met[1]
	}
	s, ok := met.words[string(v)]
	if !ok {
		key := word(v)
		s = words[key]
		if key == "" && strings.Trim(string(v), "-?./ ") == "" { // a dash for nothing
			s = unknown
		}
		met.remember(string(v), s)
	}
	if from.spanish && (string(v) == "m" || string(v) == "M") {
		return ambiguous // mujer, unless it is masculino
	}
	return s
}

// met are words that were looked up before.
type met struct{ words map[string]sex }

// maxWords is how many words are remembered, whatever a file brings.
const maxWords = 100

func (m *met) remember(word string, s sex) {
	if m.words == nil {
		m.words = map[string]sex{}
	}
	if len(m.words) < maxWords {
		m.words[word] = s
	}
}
