{{- define "carelink.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* Short enough for the longest name that is made of it, a Job of the CronJob: 52 characters. */}}
{{- define "carelink.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "carelink.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "carelink.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "carelink.selector" -}}
app.kubernetes.io/name: {{ include "carelink.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: serve
{{- end }}

{{/* Of what is not selected: all but the pods of serve. */}}
{{- define "carelink.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ include "carelink.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "carelink.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* One value as the program reads it. Helm reads every number as a float, and would write 1000000 as 1e+06. */}}
{{- define "carelink.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- end }}

{{/* The options of serve as variables, and what else every container gets. Kubernetes would put a variable in the place of `$(NAME)`. */}}
{{- define "carelink.env" -}}
{{- range $name, $value := .Values.options }}
{{- if not (kindIs "invalid" $value) }}
- name: {{ printf "CARELINK_%s" ($name | upper | replace "-" "_") }}
{{- if kindIs "slice" $value }}
{{- $texts := list }}
{{- range $value }}{{ $texts = append $texts (include "carelink.text" .) }}{{ end }}
  value: {{ join "," $texts | replace "$(" "$$(" | quote }}
{{- else }}
  value: {{ include "carelink.text" $value | replace "$(" "$$(" | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Options as arguments. Kubernetes would put a variable in the place of `$(NAME)`. */}}
{{- define "carelink.args" -}}
{{- range $name, $value := . }}
{{- if kindIs "bool" $value }}
- {{ printf "--%s%s" (ternary "" "no-" $value) $name | quote }}
{{- else if kindIs "slice" $value }}
{{- range $value }}
- {{ printf "--%s=%s" $name (include "carelink.text" .) | replace "$(" "$$(" | quote }}
{{- end }}
{{- else if not (kindIs "invalid" $value) }}
- {{ printf "--%s=%s" $name (include "carelink.text" $value) | replace "$(" "$$(" | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* A duration of an option in whole seconds, rounded up. */}}
{{- define "carelink.seconds" -}}
{{- $number := regexFind "^[0-9]+" . | float64 -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- $scale := index (dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 "d" 86400.0) $unit | required (printf "%s is no duration such as 250ms, 30s or 5m" .) -}}
{{- ceil (mulf $number $scale) | int64 -}}
{{- end }}

{{/* Of every pod. Service links would bring variables such as CARELINK_PORT=tcp://..., which the program would read. */}}
{{- define "carelink.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
  seccompProfile: { type: RuntimeDefault }
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "carelink.volumes" -}}
{{- with .Values.volumes }}
volumes: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What every container has. */}}
{{- define "carelink.container" -}}
image: {{ include "carelink.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  privileged: false
  capabilities: { drop: [ALL] }
{{- with .Values.volumeMounts }}
volumeMounts: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Takes (list root, variable, key of the Secret, whether it may be missing). */}}
{{- define "carelink.secretVariable" -}}
- name: {{ index . 1 }}
  valueFrom:
    secretKeyRef:
      name: {{ (index . 0).Values.secret.existing | required "secret.existing: name the Secret with DATABASE_URL and the keys" }}
      key: {{ index . 2 }}
{{- if index . 3 }}
      optional: true
{{- end }}
{{- end }}
