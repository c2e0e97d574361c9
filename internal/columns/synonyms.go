package columns

import "strings"

// The tables below are in the order of preference: where a file has several columns for one field, the first of them that
// is not empty gives a row its value. A # stands for a number. Names are in their normal form only by chance: normal makes
// it. Where the names come from, system by system, is in testdata/README.md.

// columnsOf are the names of all fields but the parts of addresses.
var columnsOf = map[target][]string{
	ofID: {"id", "muster id"},

	ofEmail: {
		"email", "mail", "email address", "primary email", "primary email address", "email personal", "personal email", "private email", "home email",
		"work email", "business email", "contact email", "customer email",
		"E-Mail-Adresse", "Mailadresse", "E-Mail privat", "E-Mail geschäftlich", // German
		"adresse e-mail", "adresse mail", "adresse de messagerie", "adresse électronique", "courriel", // French
		"correo electrónico", "correo", "dirección de correo electrónico", "dirección de correo", // Spanish
		"email #", "email address #", "E-mail # Address", "E-Mail #: Adresse", // Outlook
		"E-mail # - Value", // Google
		"secondary email", "home secondary email", "work secondary email", "alternate email", "alternate email address", "other email", "recovery email",
	},

	ofFirstName: {
		"first name", "given name", "given names", "forename", "FNAME", "christian name", "name.first", "name.given",
		"Vorname", "Vornamen", "Rufname",
		"prénom", "prénoms",
		"nombre de pila", "primer nombre", "nombres",
	},

	ofLastName: {
		"last name", "family name", "surname", "LNAME", "name.last", "name.family",
		"Nachname", "Familienname", "Zuname",
		"nom de famille",
		"apellidos", "apellido", "primer apellido",
	},

	ofName: {
		"name", "full name", "display name", "complete name", "customer name", "contact name", "person name", "employee name", "member name",
		"name.full", "name.formatted", "formatted name", "first and last name",
		"vollständiger Name", "Anzeigename", "Vor- und Nachname", "Vor- und Zuname", "Vorname Nachname",
		"nom complet", "prénom et nom", "nom", // besides has the rest on nom and nombre
		"nombre completo", "nombre y apellidos", "nombre y apellido", "nombre",
	},

	ofAge: {"age", "age in years", "age years", "Alter", "edad"},

	ofBirthdate: {
		"birthdate", "date of birth", "birthday", "DOB", "birth",
		"Geburtsdatum", "Geburtstag", "Geb.-Datum", "geboren am",
		"date de naissance", "naissance", "anniversaire",
		"fecha de nacimiento", "nacimiento", "cumpleaños",
	},

	ofMobile: {
		"mobile", "mobile phone", "mobile number", "mobile phone number", "phNum", "cell", "cell phone", "cell phone number", "cell number", "cellular",
		"Handy", "Handynummer", "Mobil", "Mobilnummer", "Mobiltelefon", "Mobilfunknummer", "Mobiltelefon #",
		"portable", "téléphone portable", "tél. portable", "téléphone mobile", "tél. mobile", "numéro de portable",
		"móvil", "teléfono móvil", "número de móvil", "celular", "teléfono celular", "número de celular",
		"mobile phone #", "SMS", "SMS phone number",
		"phone", "phone number", "telephone", "telephone number", "tel", "tel no", "phone no", "primary phone", "main phone", "contact phone", "contact number",
		"Telefon", "Telefonnummer", "Tel.-Nr.", "Rufnummer", "Haupttelefon",
		"numéro de téléphone", "n° de téléphone",
		"teléfono", "número de teléfono", "nº de teléfono",
		"phone #", "phone number #", "telephone #", "Phone # - Value",
		"home phone", "home phone #", "Telefon privat", "Telefon (privat #)", "téléphone (domicile)", "tél. domicile", "teléfono particular", "teléfono de casa",
		"business phone", "business phone #", "business phones", "work phone", "office phone",
		"Telefon geschäftlich", "Telefon geschäftlich #", "téléphone (bureau)", "tél. bureau", "teléfono del trabajo",
		"default address phone", "other phone", "weiteres Telefon", "autre téléphone", "recovery phone", "authentication phone number",
	},

	ofDeleted: {"deleted", "is deleted"},
}

// genders are the names of columns of genders; of those in spanish, m may be mujer.
var genders = struct{ plain, spanish []string }{
	plain:   []string{"gender", "sex", "Geschlecht", "sexe", "genre"},
	spanish: []string{"sexo", "género"},
}

// softColumns are columns that may hold a value of the field among others, so that what is no such value is no fault.
var softColumns = map[target][]string{
	// What people log in with is often their address, and is none where it does not look like one.
	ofEmail: {"user principal name", "username", "login", "login name", "preferred username", "cognito:username", "other mails"},
	// Titles tell the gender of Mrs. Byron, not of Dr. Byron.
	ofGender: {"salutation", "Anrede", "civilité", "tratamiento", "name prefix", "honorific prefix", "title", "name.title"},
}

// addresses are the parts of addresses, those of each together: a city and a state of one row are of the same address.
var addresses = []struct{ city, state []string }{
	{
		city: []string{"city", "town", "city town", "town city", "locality", "municipality", "Ort", "Wohnort", "Stadt", "ville", "localité", "ciudad", "localidad", "municipio"},
		state: []string{
			"state", "province", "state province", "state region", "state or province", "state or region", "province state", "region", "county",
			"Bundesland", "Kanton", "Bundesland/Kanton", "canton", "provincia", "comunidad autónoma",
			"state code", "province code", "region code",
		},
	},
	{
		city:  []string{"home city", "home address city", "Ort privat", "ville (domicile)", "ciudad de residencia", "personal city"},
		state: []string{"home state", "home address state", "home state/province", "Bundesland/Kanton privat", "Region privat", "dép/région (domicile)", "home region"},
	},
	{
		city:  []string{"mailing city", "mailing address city"},
		state: []string{"mailing state", "mailing state/province", "mailing state code", "mailing address state"},
	},
	{
		city:  []string{"default address city"},
		state: []string{"default address province", "default address state", "default address province code"},
	},
	{
		city:  []string{"primary address city", "address city", "address.locality", "address town", "location city", "residence city"},
		state: []string{"primary address state", "address state", "address.region", "address province", "location state", "location region", "residence state"},
	},
	{
		city:  []string{"Address # - City"},
		state: []string{"Address # - Region", "address # state"},
	},
	{
		city:  []string{"shipping city", "shipping address city"},
		state: []string{"shipping state", "shipping state/province", "shipping province", "shipping address state", "shipping address province"},
	},
	{
		city:  []string{"billing city", "billing address city"},
		state: []string{"billing state", "billing state/province", "billing province", "billing address state", "billing address province"},
	},
	{
		city:  []string{"business city", "work city", "business address city", "Ort geschäftlich", "ville (bureau)", "office city"},
		state: []string{"business state", "work state", "business address state", "Region geschäftlich", "dép/région (bureau)", "office state"},
	},
	{
		city:  []string{"other city", "other address city", "weiterer Ort"},
		state: []string{"other state", "other state/province", "other address state", "weiteres/r Bundesland/Kanton"},
	},
}

// inCells are the columns, all of Google's, that hold several values in one cell, " ::: " between them.
var inCells = []string{"E-mail # - Value", "Phone # - Value", "Address # - City", "Address # - Region"}

// containers are the objects in which members are nested, and the prefixes of columns, that say nothing of the meaning.
var containers = keySet(
	"attributes", "user_metadata", "app_metadata", "metadata", "custom", "properties", "profile", "user", "contact", "customer", "person", "member", "data",
	"fields", "custom fields", "merge fields", "traits", "claims",
)

// beside: beside the name other, in their normal forms, key is what match says.
type beside struct {
	key, other string
	match      match
}

// besides are the names that mean something else beside another.
var besides = func() (rules []beside) {
	last, first := synonyms[normal("last name")], synonyms[normal("first name")]
	for _, r := range []struct {
		name, other string
		match       match
	}{
		{"Name", "Vorname", last}, // a German "Name" alone is the whole
		{"nom", "prénom", last},
		{"nombre", "apellidos", first},
		{"nombre", "apellido", first},
		{"nombre", "primer apellido", first},
		{"Ort", "Ort privat", match{}},          // Outlook's Ort is where an appointment is
		{"estado", "ciudad", synonyms["state"]}, // which alone may be "enabled"
		{"region", "LEID", match{}},             // Mailchimp's guess by the IP address
		{"state", "verified_email", match{}},    // Shopify's API: whether the account is enabled
	} {
		rules = append(rules, beside{normal(r.name), normal(r.other), r.match})
	}
	return rules
}()

// synonyms is the whole table by normal form.
var synonyms = func() map[string]match {
	out := map[string]match{}
	add := func(names []string, m match) {
		for _, name := range names {
			m.rank++
			key := tableKey(name)
			if _, twice := out[key]; twice {
				panic("columns: " + name + " is twice in the table")
			}
			out[key] = m
		}
	}
	for t, names := range columnsOf {
		add(names, match{target: t})
	}
	add(genders.plain, match{target: ofGender})
	add(genders.spanish, match{target: ofGender, spanish: true, rank: len(genders.plain)})
	for t, names := range softColumns {
		add(names, match{target: t, soft: true, rank: 1000})
	}
	for i, a := range addresses {
		add(a.city, match{target: ofCity, address: i + 1, rank: 100 * i})
		add(a.state, match{target: ofState, address: i + 1, rank: 100 * i})
	}
	for _, name := range inCells {
		m := out[tableKey(name)]
		m.list = true
		out[tableKey(name)] = m
	}
	return out
}()

// tableKey is the normal form of a name of the table, with the # that stands for a number.
func tableKey(name string) string {
	const number = "1" // no name of the table has one
	key, _ := numbered(normal(strings.ReplaceAll(name, "#", number)))
	return key
}

func keySet(names ...string) map[string]bool {
	out := map[string]bool{}
	for _, name := range names {
		out[normal(name)] = true
	}
	return out
}
