{{- define "chatbridge.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* At most 40 characters: the names of pods and services are made from it, and end up in labels of 63. */}}
{{- define "chatbridge.fullname" -}}
{{- $name := include "chatbridge.name" . -}}
{{- $release := .Release.Name -}}
{{- $default := contains $name $release | ternary $release (printf "%s-%s" $release $name) -}}
{{- default $default .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "chatbridge.selectorLabels" -}}
app.kubernetes.io/name: {{ include "chatbridge.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "chatbridge.labels" -}}
{{- $labels := dict
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_")
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/component" "worker"
  "app.kubernetes.io/part-of" "chatbridge"
  "app.kubernetes.io/managed-by" .Release.Service
-}}
{{- $own := include "chatbridge.selectorLabels" . | fromYaml -}}
{{- merge $own $labels .Values.commonLabels | toYaml -}}
{{- end }}

{{/* Name and labels of an object: dict "root" $ "suffix" "-workers" "labels" {more} */}}
{{- define "chatbridge.metadata" -}}
name: {{ include "chatbridge.fullname" .root }}{{ .suffix }}
labels:
  {{- include "chatbridge.labels" .root | fromYaml | merge (dict) (.labels | default dict) | toYaml | nindent 2 }}
{{- end }}

{{- define "chatbridge.serviceAccountName" -}}
{{- $own := .Values.serviceAccount.create | ternary (include "chatbridge.fullname" .) "default" -}}
{{- default $own .Values.serviceAccount.name -}}
{{- end }}

{{- define "chatbridge.secretName" -}}
{{- if and .Values.secret.create .Values.secret.external.enabled -}}
{{- fail "secret.create and secret.external.enabled: expected one of the two" -}}
{{- end -}}
{{- if and .Values.secret.existingName (or .Values.secret.create .Values.secret.external.enabled) -}}
{{- fail "secret.existingName: set together with secret.create or secret.external; expected one of them" -}}
{{- end -}}
{{- default (include "chatbridge.fullname" .) .Values.secret.existingName -}}
{{- end }}

{{/* The settings file: what the chart adds, under what the values say. */}}
{{- define "chatbridge.settings" -}}
{{- $given := deepCopy .Values.settings -}}
{{- $http := dict "host" "*" "port" 8080 "probes_host" "*" "probes_port" 8081 -}}
{{- range $token, $setting := dict "admin" "token_file" "announce" "announce_token_file" "read" "read_token_file" "metrics" "metrics_token_file" -}}
{{- with get $.Values.tokens $token -}}
{{- $_ := set $http $setting (printf "/run/secrets/chatbridge/%s" .) -}}
{{- end -}}
{{- end -}}
{{- $own := dict "http" $http "capture" (dict "drain_seconds" 25) -}}
{{- if .Values.strimzi.topics.enabled -}}
{{- $_ := set $own "kafka" (dict "manage_topics" "never") -}}
{{- end -}}
{{- merge $given $own | toYaml -}}
{{- end }}

{{- define "chatbridge.graceSeconds" -}}
{{- $settings := include "chatbridge.settings" . | fromYaml -}}
{{- $drain := ceil $settings.capture.drain_seconds | int -}}
{{- $grace := add $drain 20 -}}
{{- with .Values.terminationGracePeriodSeconds -}}
{{- $grace = int . -}}
{{- end -}}
{{- if le (int $grace) $drain -}}
{{- fail (printf "terminationGracePeriodSeconds: expected more than capture.drain_seconds (%d)" $drain) -}}
{{- end -}}
{{- $grace -}}
{{- end }}

{{/* HTTPS when the listeners of the settings have a certificate. */}}
{{- define "chatbridge.scheme" -}}
{{- $settings := include "chatbridge.settings" . | fromYaml -}}
{{- if ($settings.http.tls).certificate_file }}HTTPS{{ else }}HTTP{{ end -}}
{{- end }}

{{- define "chatbridge.strimziMetadata" -}}
{{- with .Values.strimzi.namespace }}
namespace: {{ . }}
{{- end }}
labels:
  {{- include "chatbridge.labels" . | nindent 2 }}
  strimzi.io/cluster: {{ required "strimzi.cluster: the name of the Kafka resource" .Values.strimzi.cluster }}
{{- end }}
