// What `helm template` does with one chart that has no dependencies: Go's text/template with Sprig, and the functions that
// Helm adds. Reads from stdin a JSON list of {release, namespace, values}; prints a list of {files, error}.
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run template.go <folder of the chart>
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"sigs.k8s.io/yaml"
)

type request struct {
	Release   string                 `json:"release"`
	Namespace string                 `json:"namespace"`
	Values    map[string]interface{} `json:"values"`
}

type answer struct {
	Files map[string]string `json:"files"`
	Error string            `json:"error"`
}

func main() {
	chart := os.Args[1]
	var requests []request
	check(json.NewDecoder(os.Stdin).Decode(&requests))
	answers := make([]answer, len(requests))
	for at, one := range requests {
		files, err := render(chart, one)
		answers[at].Files = files
		if err != nil {
			answers[at].Error = err.Error()
		}
	}
	check(json.NewEncoder(os.Stdout).Encode(answers))
}

func render(folder string, asked request) (map[string]string, error) {
	var chart map[string]interface{}
	read(filepath.Join(folder, "Chart.yaml"), &chart)
	var values map[string]interface{}
	read(filepath.Join(folder, "values.yaml"), &values)
	// Templates name the fields of a chart with a capital.
	fields := map[string]interface{}{}
	for name, value := range chart {
		fields[strings.ToUpper(name[:1])+name[1:]] = value
	}
	data := map[string]interface{}{
		"Chart":  fields,
		"Values": merge(values, asked.Values),
		"Release": map[string]interface{}{
			"Name": asked.Release, "Namespace": asked.Namespace, "Service": "Helm", "IsInstall": true, "IsUpgrade": false, "Revision": 1,
		},
	}

	all := template.New("chart").Option("missingkey=zero")
	functions := sprig.TxtFuncMap()
	delete(functions, "env")
	delete(functions, "expandenv")
	functions["include"] = func(name string, with interface{}) (string, error) {
		var out strings.Builder
		err := all.ExecuteTemplate(&out, name, with)
		return out.String(), err
	}
	functions["toYaml"] = func(value interface{}) string {
		text, err := yaml.Marshal(value)
		if err != nil {
			return ""
		}
		return strings.TrimSuffix(string(text), "\n")
	}
	functions["required"] = func(message string, value interface{}) (interface{}, error) {
		if value == nil || value == "" {
			return value, errors.New(message)
		}
		return value, nil
	}
	functions["lookup"] = func(string, string, string, string) map[string]interface{} { return map[string]interface{}{} }
	all.Funcs(functions)

	paths, err := filepath.Glob(filepath.Join(folder, "templates", "*"))
	check(err)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		check(err)
		if _, err := all.New(filepath.Base(path)).Parse(string(text)); err != nil {
			return nil, err
		}
	}
	files := map[string]string{}
	for _, path := range paths {
		name := filepath.Base(path)
		if strings.HasPrefix(name, "_") {
			continue
		}
		var out strings.Builder
		if err := all.ExecuteTemplate(&out, name, data); err != nil {
			return nil, err
		}
		files[name] = strings.ReplaceAll(out.String(), "<no value>", "")
	}
	return files, nil
}

// As Helm lays given values over those of the chart: maps are merged, and null takes a value away.
func merge(base, over map[string]interface{}) map[string]interface{} {
	merged := map[string]interface{}{}
	for name, value := range base {
		merged[name] = value
	}
	for name, value := range over {
		inner, isMap := value.(map[string]interface{})
		below, wasMap := merged[name].(map[string]interface{})
		switch {
		case value == nil:
			delete(merged, name)
		case isMap && wasMap:
			merged[name] = merge(below, inner)
		default:
			merged[name] = value
		}
	}
	return merged
}

func read(path string, into interface{}) {
	text, err := os.ReadFile(path)
	check(err)
	check(yaml.Unmarshal(text, into))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
