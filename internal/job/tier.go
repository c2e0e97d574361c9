package job

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Tier is the size class of a job. Limits count per owner and tier.
type Tier string

// TierLimit is one row of the tier table.
type TierLimit struct {
	Tier       Tier
	MaxCount   int64         // largest job of the tier; 0: no bound
	Concurrent int           // jobs of this tier that one owner may have at once
	Cooldown   time.Duration // from the end of a job to the owner's next one of this tier
}

// Tiers is the tier table, smallest first.
type Tiers []TierLimit

// DefaultTiers is the table in the form ParseTiers takes.
const DefaultTiers = "SMALL:100:10,MEDIUM:10000:5,LARGE:100000:3,XL:0:1:30s"

// For returns the smallest tier that a job of count users fits in.
func (t Tiers) For(count int64) TierLimit {
	for _, l := range t {
		if l.MaxCount == 0 || count <= l.MaxCount {
			return l
		}
	}
	return t[len(t)-1]
}

// Limit returns the row of the named tier. A tier that is not in the table, which a job may have from an earlier one,
// allows one job at a time.
func (t Tiers) Limit(tier Tier) TierLimit {
	for _, l := range t {
		if l.Tier == tier {
			return l
		}
	}
	return TierLimit{Tier: tier, Concurrent: 1}
}

// TierExport is the tier of all export jobs. It is not in the table that the operator sets, and has no sizes.
const TierExport Tier = "EXPORT"

// tierNames are fixed, because each tier has a queue and a weight of its own.
var tierNames = []Tier{"SMALL", "MEDIUM", "LARGE", "XL"}

// ParseTiers reads "NAME:max users:concurrent jobs[:cooldown]" rows joined by commas, smallest tier first, the
// four tiers SMALL, MEDIUM, LARGE and XL, max users 0 in the last one for "no bound". Spaces, a comma at the end and small
// letters in a name do not matter.
func ParseTiers(s string) (Tiers, error) {
	var tiers Tiers
	s, _ = strings.CutSuffix(strings.TrimSpace(s), ",")
	for i, row := range strings.Split(s, ",") {
		f := strings.Split(row, ":")
		for j := range f {
			f[j] = strings.TrimSpace(f[j])
		}
		f[0] = strings.ToUpper(f[0])
		if len(f) < 3 || len(f) > 4 {
			return nil, fmt.Errorf("tier %q: want NAME:max:concurrent[:cooldown]", row)
		}
		if i >= len(tierNames) || Tier(f[0]) != tierNames[i] {
			return nil, fmt.Errorf("tier %q: the tiers are SMALL, MEDIUM, LARGE, XL in this order", f[0])
		}
		l := TierLimit{Tier: Tier(f[0])}
		var err error
		if l.MaxCount, err = strconv.ParseInt(f[1], 10, 64); err != nil || l.MaxCount < 0 {
			return nil, fmt.Errorf("tier %s: max users %q is not a whole number ≥ 0", f[0], f[1])
		}
		if l.Concurrent, err = strconv.Atoi(f[2]); err != nil || l.Concurrent < 1 {
			return nil, fmt.Errorf("tier %s: concurrent jobs %q is not a whole number ≥ 1", f[0], f[2])
		}
		if len(f) == 4 {
			if l.Cooldown, err = time.ParseDuration(f[3]); err != nil || l.Cooldown < 0 {
				return nil, fmt.Errorf("tier %s: cooldown %q is not a duration such as 30s", f[0], f[3])
			}
		}
		if last := i == len(tierNames)-1; last != (l.MaxCount == 0) {
			return nil, fmt.Errorf("tier %s: max users is 0 (no bound) in XL and only there", f[0])
		}
		if i > 0 && l.MaxCount != 0 && l.MaxCount <= tiers[i-1].MaxCount {
			return nil, fmt.Errorf("tier %s: max users must grow from tier to tier", f[0])
		}
		tiers = append(tiers, l)
	}
	if len(tiers) != len(tierNames) {
		return nil, fmt.Errorf("want the four tiers SMALL, MEDIUM, LARGE, XL, got %d", len(tiers))
	}
	return tiers, nil
}
