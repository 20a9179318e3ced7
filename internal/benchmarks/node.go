package main

import "context"

func intake(context.Context, *report, *options) error { return nil }
