//go:build helm4

package main

import (
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/downloader"
	"helm.sh/helm/v4/pkg/provenance"
	"helm.sh/helm/v4/pkg/registry"
)

// What client.go is made of, by Helm 4's names.

type client = registry.Client

var (
	newRegistryClient = registry.NewClient
	plainHTTP         = registry.ClientOptPlainHTTP
	writer            = registry.ClientOptWriter
	withProv          = registry.PullOptWithProv
	ignoreMissingProv = registry.PullOptIgnoreMissingProv
	loadFile          = loader.LoadFile
)

func verifyChart(file, keyring string) (*provenance.Verification, error) {
	return downloader.VerifyChart(file, file+".prov", keyring)
}
