{{- define "muster.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Short enough for every suffix that templates add. */}}
{{- define "muster.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "muster.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "muster.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ include "muster.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* What a component's pods are found by. Takes a list: the root, the component. It never changes: a Deployment's selector cannot. */}}
{{- define "muster.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "muster.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* The labels of a component's pods, without the chart's version: a chart that changes nothing else restarts nobody. Takes a list: the root, the component. */}}
{{- define "muster.podLabels" -}}
{{- $root := index . 0 -}}
{{ include "muster.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- with (index $root.Values (index . 1)).podLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "muster.image" -}}
{{- $i := .Values.image -}}
{{- if $i.digest -}}
{{- printf "%s@%s" $i.repository $i.digest -}}
{{- else -}}
{{- printf "%s:%s" $i.repository (default .Chart.AppVersion $i.tag) -}}
{{- end -}}
{{- end -}}

{{- define "muster.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "muster.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The name of the Secret that has an entry of .Values.secrets. Takes a list: the root, the entry. */}}
{{- define "muster.secretName" -}}
{{- $root := index . 0 -}}
{{- default $root.Values.secrets.existingSecret (index $root.Values.secrets (index . 1)).existingSecret -}}
{{- end -}}

{{/* What values.schema.json cannot say. */}}
{{- define "muster.check" -}}
{{- $places := 0 -}}
{{- range list .Values.files.url .Values.files.existingClaim .Values.secrets.files.key -}}
{{- if . }}{{ $places = add $places 1 }}{{ end -}}
{{- end -}}
{{- if gt (int $places) 1 -}}
{{- fail "files.url, files.existingClaim and secrets.files.key: keep one, there is one place for files" -}}
{{- end -}}
{{- if gt (int .Values.api.autoscaling.minReplicas) (int .Values.api.autoscaling.maxReplicas) -}}
{{- fail "api.autoscaling: minReplicas is above maxReplicas" -}}
{{- end -}}
{{- with .Values.worker.keda -}}
{{- if gt (int .minReplicas) (int .maxReplicas) -}}
{{- fail "worker.keda: minReplicas is above maxReplicas" -}}
{{- end -}}
{{- if and .enabled (not .prometheusAddress) -}}
{{- fail "worker.keda.prometheusAddress is needed: KEDA asks it how many chunks wait" -}}
{{- end -}}
{{- if and .enabled (not .query) (not $.Values.metrics.serviceMonitor.enabled) -}}
{{- fail "worker.keda: its query selects what the ServiceMonitors scrape: set metrics.serviceMonitor.enabled, or a worker.keda.query of your own" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{- fail "ingress.hosts is needed" -}}
{{- end -}}
{{- end -}}
