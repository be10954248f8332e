package main

import (
	"encoding/hex"
	"encoding/json"
	"io"
)

func newClient() (*client, error) {
	return newRegistryClient(plainHTTP(), writer(io.Discard))
}

// pull gives the archive and the provenance, which is nil where there is none.
func pull(client *client, reference string) ([]byte, []byte, error) {
	pulled, err := client.Pull(reference, withProv(true), ignoreMissingProv(true))
	if err != nil {
		return nil, nil, err
	}
	return pulled.Chart.Data, pulled.Prov.Data, nil
}

func verify(file, keyring string) (string, error) {
	verified, err := verifyChart(file, keyring)
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(verified.SignedBy.PrimaryKey.Fingerprint[:]), nil
}

func load(file string) (Chart, error) {
	chart, err := loadFile(file)
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
