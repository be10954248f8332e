// Command helm-judge tells what Helm makes of charts in OCI layouts, thousands of them in one process.
//
//	helm-judge FOLDER KEYRING
//
// FOLDER holds a layout for each repository and is served as a registry, on loopback, to Helm's own client. Each line of standard
// input is a repository; each line of standard output is JSON: what `helm pull --prov --verify --keyring KEYRING` and then `helm
// show chart` of its tag 1.0.0 come to. Built once with Helm 3 and once with Helm 4 (tests/run), of whatever each was released with.
package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const tag = "1.0.0"

// Chart is what Helm reads of a chart.
type Chart struct {
	// Error is why it is refused; then there is nothing else.
	Error string `json:"error,omitempty"`
	// Stage is what refused it: pull, verify or load.
	Stage string `json:"stage,omitempty"`
	// Signer is the fingerprint of the primary key that signed it.
	Signer string `json:"signer,omitempty"`
	// Name and Version as Helm has them.
	Name    string `json:"name"`
	Version string `json:"version"`
	// Metadata is Chart.yaml as Helm writes it.
	Metadata json.RawMessage `json:"metadata,omitempty"`
	// Files are the SHA-256 digests of all files by path.
	Files map[string]string `json:"files,omitempty"`
}

func refused(stage string, err error) Chart {
	return Chart{Stage: stage, Error: err.Error()}
}

func main() {
	folder, keyring := os.Args[1], os.Args[2]
	server := httptest.NewServer(serve(folder))
	defer server.Close()
	scratch, err := os.MkdirTemp("", "helm-judge-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(scratch)
	client, err := newClient()
	if err != nil {
		panic(err)
	}
	out := bufio.NewWriter(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		repository := lines.Text()
		reference := strings.TrimPrefix(server.URL, "http://") + "/" + repository + ":" + tag
		answer, err := json.Marshal(judge(client, reference, scratch, keyring))
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(out, "%s\n", answer)
	}
	if err := out.Flush(); err != nil {
		panic(err)
	}
}

func judge(client *client, reference, scratch, keyring string) (chart Chart) {
	defer func() {
		if caught := recover(); caught != nil {
			chart = refused("panic", fmt.Errorf("%v", caught))
		}
	}()
	archive, prov, err := pull(client, reference)
	if err != nil {
		return refused("pull", err)
	}
	// As `helm pull` names it.
	name := reference[strings.LastIndexByte(reference, '/')+1 : strings.LastIndexByte(reference, ':')]
	file := filepath.Join(scratch, name+"-"+tag+".tgz")
	if err := os.WriteFile(file, archive, 0o644); err != nil {
		panic(err)
	}
	if err := os.WriteFile(file+".prov", prov, 0o644); err != nil {
		panic(err)
	}
	signer := ""
	// A chart without provenance is pulled without --verify.
	if prov != nil {
		if signer, err = verify(file, keyring); err != nil {
			return refused("verify", err)
		}
	}
	chart, err = load(file)
	if err != nil {
		return refused("load", err)
	}
	chart.Signer = signer
	return chart
}

func digest(bytes []byte) string {
	sum := sha256.Sum256(bytes)
	return hex.EncodeToString(sum[:])
}

// serve serves layouts: nothing is checked here, so that what arrives is what Helm has to judge.
func serve(folder string) http.Handler {
	return http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		path := strings.TrimPrefix(request.URL.Path, "/v2/")
		parts := strings.Split(path, "/")
		if len(parts) < 3 {
			answer.WriteHeader(http.StatusOK)
			return
		}
		repository := filepath.Join(folder, filepath.Join(parts[:len(parts)-2]...))
		mediaType, wanted := "application/octet-stream", parts[len(parts)-1]
		if parts[len(parts)-2] == "manifests" {
			mediaType, wanted = named(repository, wanted)
		}
		bytes, err := os.ReadFile(filepath.Join(repository, "blobs", "sha256", strings.TrimPrefix(wanted, "sha256:")))
		if err != nil {
			answer.WriteHeader(http.StatusNotFound)
			return
		}
		answer.Header().Set("Content-Type", mediaType)
		answer.Header().Set("Content-Length", strconv.Itoa(len(bytes)))
		answer.Header().Set("Docker-Content-Digest", wanted)
		if request.Method != http.MethodHead {
			_, _ = answer.Write(bytes)
		}
	})
}

// named is the media type and the digest of the image manifest that has this tag or digest.
func named(repository, wanted string) (string, string) {
	var index struct {
		Manifests []struct {
			MediaType   string            `json:"mediaType"`
			Digest      string            `json:"digest"`
			Annotations map[string]string `json:"annotations"`
		} `json:"manifests"`
	}
	file, err := os.Open(filepath.Join(repository, "index.json"))
	if err != nil {
		return "", "missing"
	}
	defer file.Close()
	bytes, err := io.ReadAll(file)
	if err != nil || json.Unmarshal(bytes, &index) != nil {
		return "", "missing"
	}
	for _, entry := range index.Manifests {
		if entry.Digest == wanted || entry.Annotations["org.opencontainers.image.ref.name"] == wanted {
			return entry.MediaType, entry.Digest
		}
	}
	return "", "missing"
}
