package httpapi

import (
	"crypto/subtle"
	"net/http"

	"github.com/hibiken/asynq"
	"github.com/hibiken/asynqmon"
	"github.com/labstack/echo/v4"
)

// adminUser is the one user name of the admin pages.
const adminUser = "admin"

// Monitoring mounts asynqmon, the pages that show the queues.
type Monitoring struct {
	// Redis makes the client that the pages use. Closing it is up to the caller.
	Redis asynq.RedisConnOpt
	// Writable lets the pages delete, archive and run tasks.
	Writable bool
}

func (m *Monitoring) mount(g *echo.Group) {
	pages := asynqmon.New(asynqmon.Options{RootPath: "/monitoring", RedisConnOpt: m.Redis, ReadOnly: !m.Writable})
	// Browsers send the password along with requests that other sites make, too.
	h := echo.WrapHandler(http.NewCrossOriginProtection().Handler(pages))
	g.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			// Its pages run inline scripts and load a web font, so the policy of the other pages would leave them blank.
			c.Response().Header().Del("Content-Security-Policy")
			return next(c)
		}
	})
	g.Any("", h)
	g.Any("/*", h)
}

func (s *Server) isAdmin(user, password string, _ echo.Context) (bool, error) {
	// Both comparisons always run and take the same time whatever is right.
	u := subtle.ConstantTimeCompare([]byte(user), []byte(adminUser))
	p := subtle.ConstantTimeCompare([]byte(password), []byte(s.AdminPassword))
	return u&p == 1, nil
}
