#!/bin/sh
# Builds static binaries of the test Stripe for several platforms, into the folder given (default: dist). The same source and the same Go
# make the same bytes.
set -eu
cd "$(dirname "$0")/../.."
out=${1:-dist}
mkdir -p "$out"
for platform in ${PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64}; do
	name=standalone-${platform%/*}-${platform#*/}
	case $platform in windows/*) name=$name.exe ;; esac
	GOWORK=off CGO_ENABLED=0 GOOS=${platform%/*} GOARCH=${platform#*/} go build -trimpath -ldflags=-s -o "$out/$name" ./examples/standalone
	echo "$out/$name"
done
