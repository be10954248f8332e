//go:build helm3

package main

import (
	"encoding/hex"
	"encoding/json"
	"io"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/downloader"
	"helm.sh/helm/v3/pkg/registry"
)

type client = registry.Client

func newClient() (*client, error) {
	return registry.NewClient(registry.ClientOptPlainHTTP(), registry.ClientOptWriter(io.Discard))
}

// pull gives the archive and the provenance, which is nil where there is none.
func pull(client *client, reference string) ([]byte, []byte, error) {
	pulled, err := client.Pull(reference, registry.PullOptWithProv(true), registry.PullOptIgnoreMissingProv(true))
	if err != nil {
		return nil, nil, err
	}
	return pulled.Chart.Data, pulled.Prov.Data, nil
}

func verify(file, keyring string) (string, error) {
	verified, err := downloader.VerifyChart(file, keyring)
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(verified.SignedBy.PrimaryKey.Fingerprint[:]), nil
}

func load(file string) (Chart, error) {
	chart, err := loader.LoadFile(file)
	if err != nil {
		return Chart{}, err
	}
	// What `helm show chart`, `helm install` and others do first.
	if err := chart.Validate(); err != nil {
		return Chart{}, err
	}
	metadata, err := json.Marshal(chart.Metadata)
	if err != nil {
		return Chart{}, err
	}
	files := map[string]string{}
	for _, file := range chart.Raw {
		files[file.Name] = digest(file.Data)
	}
	return Chart{Name: chart.Metadata.Name, Version: chart.Metadata.Version, Metadata: metadata, Files: files}, nil
}
