package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/user"
)

var filters = []struct {
	name string
	f    user.Filter
}{
	{"none", user.Filter{}},
	{"name=ada", user.Filter{Name: "ada"}},
	{"name=a", user.Filter{Name: "a"}},
	{"name=zzz (none)", user.Filter{Name: "zzz"}},
	{"name=Emmanuelle", user.Filter{Name: "Emmanuelle"}},
	{"name=a b", user.Filter{Name: "a b"}},
	{"city=austin", user.Filter{City: "austin"}},
	{"city=e", user.Filter{City: "e"}},
	{"city=zzz (none)", user.Filter{City: "zzz"}},
	{"state=tex", user.Filter{State: "tex"}},
	{"state=a", user.Filter{State: "a"}},
	{"email", user.Filter{Email: "nobody@example.com"}},
	{"gender=Female", user.Filter{Gender: user.Female}},
	{"age=33", user.Filter{Age: 33}},
	{"age=140 (none)", user.Filter{Age: 140}},
	{"minAge=85", user.Filter{MinAge: 85}},
	{"age 20..60", user.Filter{MinAge: 20, MaxAge: 60}},
	{"deleted", user.Filter{Deleted: true}},
	{"name=ada city=austin", user.Filter{Name: "ada", City: "austin"}},
	{"name=smith state=tex", user.Filter{Name: "smith", State: "tex"}},
	{"name=an age=33", user.Filter{Name: "an", Age: 33}},
	{"name=an city=a", user.Filter{Name: "an", City: "a"}},
	{"name=ab city=boston", user.Filter{Name: "ab", City: "boston"}},
	{"city=austin state=cal (none)", user.Filter{City: "austin", State: "cal"}},
	{"city=austin age=33", user.Filter{City: "austin", Age: 33}},
	{"state=tex age=33", user.Filter{State: "tex", Age: 33}},
	{"state=tex gender=Female", user.Filter{State: "tex", Gender: user.Female}},
	{"age=33 gender=Male", user.Filter{Age: 33, Gender: user.Male}},
	{"email gender", user.Filter{Email: "nobody@example.com", Gender: user.Male}},
	{"deleted state=tex", user.Filter{Deleted: true, State: "tex"}},
	{"name=son city=san state=cal age 30..40", user.Filter{Name: "son", City: "san", State: "cal", MinAge: 30, MaxAge: 40}},
}

func searches(ctx context.Context, s *store.Store, _ bool) error {
	for _, sort := range []user.Sort{{}, {Desc: true}, {By: user.SortLastName}, {By: user.SortEmail}} {
		fmt.Printf("--- sort %+v\n", sort)
		for _, q := range filters {
			for _, deep := range []bool{false, true} {
				query := user.Query{Filter: q.f, Sort: sort, Size: 10}
				if deep {
					query.After = &user.Key{ID: 1_600_000}
					switch sort.By {
					case user.SortLastName:
						query.After.Value = "Kuhn"
					case user.SortEmail:
						query.After.Value = "k"
					}
				}
				var times []time.Duration
				n := 0
				for i := range 12 {
					t := time.Now()
					u, _, err := s.Users(ctx, query)
					if err != nil {
						return fmt.Errorf("%s: %w", q.name, err)
					}
					n = len(u)
					if i >= 2 {
						times = append(times, time.Since(t))
					}
					if i == 3 && time.Since(t) > 300*time.Millisecond {
						break
					}
				}
				slices.Sort(times)
				flag := ""
				if times[len(times)-1] > 50*time.Millisecond {
					flag = "  <<<<"
				}
				fmt.Printf("%-40s deep=%-5v rows=%-3d p50 %7.1f ms  max %7.1f ms%s\n", q.name, deep, n, ms(times[len(times)/2]), ms(times[len(times)-1]), flag)
			}
		}
	}
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
