// Decodes custom resources with the types of the operators that read them, strictly: an unknown field, a name in
// another case, or a value of another type is a problem. Kubernetes itself only drops unknown fields.
//
// Reads JSON objects from standard input, one a line. Prints one line for each problem and exits with 1 if there is
// one. An object that is of none of the known kinds is a problem, too.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	externalsecrets "github.com/external-secrets/external-secrets/apis/externalsecrets/v1"
	keda "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	strict "sigs.k8s.io/json"
)

const mostBytes = 16 << 20

type kind struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
}

var types = map[kind]func() any{
	{"monitoring.coreos.com/v1", "ServiceMonitor"}: func() any { return new(monitoring.ServiceMonitor) },
	{"monitoring.coreos.com/v1", "PrometheusRule"}: func() any { return new(monitoring.PrometheusRule) },
	{"keda.sh/v1alpha1", "ScaledObject"}:           func() any { return new(keda.ScaledObject) },
	{"external-secrets.io/v1", "ExternalSecret"}:   func() any { return new(externalsecrets.ExternalSecret) },
}

func problems(line []byte) (kind, []error) {
	var of kind
	if err := json.Unmarshal(line, &of); err != nil {
		return of, []error{err}
	}
	instance, known := types[of]
	if !known {
		return of, []error{fmt.Errorf("no Go type is known for it")}
	}
	unknown, err := strict.UnmarshalStrict(line, instance())
	if err != nil {
		return of, []error{err}
	}
	return of, unknown
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, mostBytes)
	code := 0
	for lines.Scan() {
		of, found := problems(lines.Bytes())
		for _, problem := range found {
			fmt.Printf("%s %s: %v\n", of.APIVersion, of.Kind, problem)
			code = 1
		}
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 2
	}
	os.Exit(code)
}
