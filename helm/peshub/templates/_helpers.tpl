{{- define "peshub.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "peshub.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "peshub.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "peshub.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "peshub.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* What every pod of the chart has. */}}
{{- define "peshub.pod" -}}
automountServiceAccountToken: false
# A Service named peshub would otherwise put PESHUB_ variables into the environment, which are not settings.
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* What every container of the chart has. */}}
{{- define "peshub.container" -}}
image: {{ include "peshub.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop:
      - ALL
{{- end -}}

{{/* What every command of the hub reads from the environment. */}}
{{- define "peshub.env" -}}
- name: PESHUB_DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.database.existingSecret | quote }}
      key: {{ .Values.database.key | quote }}
- name: PESHUB_LOG
  value: {{ .Values.log.filter | quote }}
- name: PESHUB_LOG_FORMAT
  value: json
- name: PESHUB_METRICS
  value: {{ .Values.metrics.enabled | quote }}
- name: PESHUB_TRACE_RATIO
  value: {{ .Values.trace.ratio | quote }}
- name: PESHUB_TRACE_CALLERS
  value: {{ .Values.trace.callers | quote }}
- name: PESHUB_OTLP_METRICS_SECONDS
  value: {{ .Values.otlp.metricsSeconds | quote }}
{{- with .Values.otlp.endpoint }}
- name: PESHUB_OTLP_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* The container that migrates, in a Job or before the hub. */}}
{{- define "peshub.migrate" -}}
- name: migrate
  {{- include "peshub.container" . | nindent 2 }}
  args: [migrate, up]
  env:
    {{- include "peshub.env" . | nindent 4 }}
  resources:
    {{- toYaml .Values.resources | nindent 4 }}
{{- end -}}
