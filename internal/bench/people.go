package main

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/musterhq/muster/internal/source"
	"github.com/musterhq/muster/internal/user"
)

// person is a row of a file such as people bring: a user under the names of another system, and what Muster does not keep.
type person struct {
	ID        int64  `json:"customer_id" parquet:"customer_id" avro:"customer_id"`
	FirstName string `json:"first_name" parquet:"first_name" avro:"first_name"`
	LastName  string `json:"last_name" parquet:"last_name" avro:"last_name"`
	Email     string `json:"email" parquet:"email" avro:"email"`
	City      string `json:"city" parquet:"city" avro:"city"`
	State     string `json:"state" parquet:"state" avro:"state"`
	Age       int64  `json:"age" parquet:"age" avro:"age"`
	Mobile    string `json:"mobile" parquet:"mobile" avro:"mobile"`
	Gender    string `json:"gender" parquet:"gender" avro:"gender"`
	Notes     string `json:"notes" parquet:"notes" avro:"notes"`
}

const personHeader = "customer_id,first_name,last_name,email,city,state,age,mobile,gender,notes"

// people are the rows of a file, the same each time that they are walked.
type people = iter.Seq[*person]

// peopleOf returns n people with ids from 1 on and notes of so many characters, which compress no better than words do, so that no file
// of them looks like a bomb.
func peopleOf(n int64, notes int) (people, error) {
	f, err := source.NewFaker()
	if err != nil {
		return nil, err
	}
	return func(yield func(*person) bool) {
		var p person
		noise, text := rand.NewChaCha8([32]byte{seed}), make([]byte, base64.RawStdEncoding.DecodedLen(notes))
		for i := range n {
			u := f.Row(seed, 1, i)
			p = personOf(&u)
			_, _ = noise.Read(text) // never fails
			p.Notes = base64.RawStdEncoding.EncodeToString(text)
			if !yield(&p) {
				return
			}
		}
	}, nil
}

func personOf(u *user.User) person {
	return person{
		ID: u.ID, FirstName: u.FirstName, LastName: u.LastName, Email: u.Email, City: u.City, State: u.State, Age: int64(u.Age),
		Mobile: u.MobileNumber, Gender: u.Gender,
	}
}

// known returns every other one of rows as a database has them that a file of all comes to: a year younger.
func known(rows people) people {
	return func(yield func(*person) bool) {
		for p := range rows {
			if p.ID%2 != 0 {
				continue
			}
			p.Age--
			if !yield(p) {
				return
			}
		}
	}
}

// peopleFile is a file of people.
type peopleFile struct {
	path  string
	bytes int64
}

// makeFile writes people to a new file of a kind.
func makeFile(dir string, k fileKind, rows people) (made peopleFile, err error) {
	f, err := os.Create(filepath.Join(dir, k.name))
	if err != nil {
		return made, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	out := bufio.NewWriterSize(f, 1<<20)
	if err := k.write(out, rows); err != nil {
		return made, fmt.Errorf("make %s: %w", k.name, err)
	}
	if err := out.Flush(); err != nil {
		return made, err
	}
	made.path = f.Name()
	made.bytes, err = f.Seek(0, io.SeekEnd)
	return made, err
}
