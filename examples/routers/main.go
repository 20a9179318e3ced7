// Command routers mounts the webhook on chi, gin and echo. The signature covers the exact bytes of the body, so the webhook is
// mounted outside of any middleware that reads bodies, such as one that logs them.
//
//	go run ./examples/routers
//
// It sends a signed event to each router, once mounted wrongly and once rightly, and prints the answers. This file is the part to
// copy.
package main

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"
)

func main() {
	if err := demo(os.Stdout); err != nil {
		log.Fatal("routers: ", err)
	}
}

const path = "/stripe/webhook"

// withChi mounts the webhook beside the group of routes that has the middleware.
func withChi(hook, pages http.Handler) http.Handler {
	r := chi.NewRouter()
	r.Method(http.MethodPost, path, hook)
	r.Group(func(r chi.Router) {
		r.Use(logBodies)
		r.Handle("/*", pages)
	})
	return r
}

// withGin mounts the webhook before the call of Use: gin gives a route the middleware that its engine has at that moment.
func withGin(hook, pages http.Handler) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.POST(path, gin.WrapH(hook))
	r.Use(func(c *gin.Context) {
		readBody(c.Request)
		c.Next()
	})
	r.NoRoute(gin.WrapH(pages))
	return r
}

// withEcho mounts the webhook outside of the group that has the middleware. What is given to the Use of the whole Echo would run
// for the webhook, too, in whatever order.
func withEcho(hook, pages http.Handler) http.Handler {
	e := echo.New()
	e.POST(path, echo.WrapHandler(hook))
	group := e.Group("", func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			readBody(c.Request())
			return next(c)
		}
	})
	group.Any("/*", echo.WrapHandler(pages))
	return e
}

// logBodies is a middleware that reads the body. There are many such: for logs, for forms, for CSRF tokens in forms.
func logBodies(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		readBody(r)
		next.ServeHTTP(w, r)
	})
}

// readBody consumes the body, as a middleware does that puts nothing back.
func readBody(r *http.Request) { _, _ = io.Copy(new(bytes.Buffer), r.Body) }
