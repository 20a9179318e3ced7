package main

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"
)

// These mount the webhook behind the middleware that reads the body. Don't copy them: they show what then happens.

func wrongChi(hook, pages http.Handler) http.Handler {
	r := chi.NewRouter()
	r.Use(logBodies)
	r.Method(http.MethodPost, path, hook)
	r.Handle("/*", pages)
	return r
}

func wrongGin(hook, pages http.Handler) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.Use(func(c *gin.Context) {
		readBody(c.Request)
		c.Next()
	})
	r.POST(path, gin.WrapH(hook))
	r.NoRoute(gin.WrapH(pages))
	return r
}

func wrongEcho(hook, pages http.Handler) http.Handler {
	e := echo.New()
	e.POST(path, echo.WrapHandler(hook)) // the order of the calls does not matter to echo
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			readBody(c.Request())
			return next(c)
		}
	})
	e.Any("/*", echo.WrapHandler(pages))
	return e
}
