{{/* Files of secrets that a process reads, as a list of entry and file. Takes a list: the root, the component. */}}
{{- define "muster.secretFiles" -}}
{{- $root := index . 0 -}}
{{- $s := $root.Values.secrets -}}
{{- if eq (index . 1) "migration" -}}
{{- if $s.migrationDatabase.key }}
migrationDatabase: database
{{- else }}
database: database
{{- end }}
{{- else }}
database: database
redis: redis
adminPassword: admin_password
{{- if $s.files.key }}
files: files
{{- end }}
{{- /* Workers, too, fetch files: those of schedules. */}}
{{- if $s.importFrom.key }}
importFrom: import_from
{{- end }}
{{- end }}
{{- end -}}

{{/* MUSTER_…_FILE for each of these files. Takes a list: the root, the component. */}}
{{- define "muster.secretEnv" -}}
{{- range $entry, $file := include "muster.secretFiles" . | fromYaml }}
- name: MUSTER_{{ $file | upper }}_FILE
  value: /run/secrets/muster/{{ $file }}
{{- end }}
{{- end -}}

{{/* The volume of these files. Takes a list: the root, the component. */}}
{{- define "muster.secretVolume" -}}
{{- $root := index . 0 -}}
- name: secrets
  projected:
    # fsGroup makes them the group's.
    defaultMode: 0440
    sources:
    {{- range $entry, $file := include "muster.secretFiles" . | fromYaml }}
      - secret:
          name: {{ include "muster.secretName" (list $root $entry) }}
          items: [{key: {{ index $root.Values.secrets $entry "key" | quote }}, path: {{ $file }}}]
    {{- end }}
{{- end -}}

{{/* What the pods of all components begin with. Takes a list: the root, the component. */}}
{{- define "muster.podBase" -}}
{{- $root := index . 0 -}}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
automountServiceAccountToken: false
# Variables of services, such as MUSTER_API_PORT, would look like settings.
enableServiceLinks: false
securityContext:
  {{- toYaml $root.Values.podSecurityContext | nindent 2 }}
{{- end -}}

{{- define "muster.containerBase" -}}
image: {{ include "muster.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{/* Where a component's pods run. Takes a list: the root, the component. */}}
{{- define "muster.placement" -}}
{{- $root := index . 0 -}}
{{- $own := index $root.Values (index . 1) -}}
{{- with $own.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with $own.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
{{- if $own.topologySpreadConstraints }}
  {{- toYaml $own.topologySpreadConstraints | nindent 2 }}
{{- else }}
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "muster.selector" (list $root (index $ 1)) | nindent 8 }}
    # Pods of the version before, which are about to go, do not count.
    matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}
{{- end -}}

{{/* Mounts and volumes of APIs and workers. Take a list: the root, the component. */}}
{{- define "muster.mounts" -}}
{{- $root := index . 0 -}}
{{- $own := index $root.Values (index . 1) -}}
- {name: secrets, mountPath: /run/secrets/muster, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- if $root.Values.files.existingClaim }}
- {name: files, mountPath: /files}
{{- end }}
{{- with $own.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "muster.volumes" -}}
{{- $root := index . 0 -}}
{{- $own := index $root.Values (index . 1) -}}
{{ include "muster.secretVolume" . }}
- name: tmp
  emptyDir: {sizeLimit: {{ $own.temp.sizeLimit }}}
{{- with $root.Values.files.existingClaim }}
- name: files
  persistentVolumeClaim: {claimName: {{ . }}}
{{- end }}
{{- with $own.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The process is alive while it answers /healthz, which asks nobody else: no restart mends a database. Ready is who
     can do its work. Takes the port's name. */}}
{{- define "muster.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: {{ . }}}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 30
livenessProbe:
  httpGet: {path: /healthz, port: {{ . }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  # Its own checks take two seconds at most.
  httpGet: {path: /readyz, port: {{ . }}}
  periodSeconds: 5
  timeoutSeconds: 4
  failureThreshold: 2
{{- end -}}
