//go:build helm3

package main

import (
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/downloader"
	"helm.sh/helm/v3/pkg/registry"
)

// What client.go is made of, by Helm 3's names.

type client = registry.Client

var (
	newRegistryClient = registry.NewClient
	plainHTTP         = registry.ClientOptPlainHTTP
	writer            = registry.ClientOptWriter
	withProv          = registry.PullOptWithProv
	ignoreMissingProv = registry.PullOptIgnoreMissingProv
	loadFile          = loader.LoadFile
	verifyChart       = downloader.VerifyChart
)
