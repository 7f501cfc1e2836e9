{{- define "operator.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- define "operator.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- /* Not named after the release: of two releases in a namespace, too, only one may act. */ -}}
{{- define "operator.lease" -}}
coturn-cert-operator
{{- end -}}

{{- define "operator.port" -}}
{{ .Values.listen | splitList ":" | last }}
{{- end -}}

{{- /* The Secrets that the operator may touch, separated by commas; empty: all. */ -}}
{{- define "operator.secretNames" -}}
{{- if not .Values.allSecrets -}}
{{- if not .Values.secretNames -}}
{{- fail "secretNames is empty; name the Secrets that the operator may read and write, or set allSecrets=true for all of the namespace" -}}
{{- end -}}
{{ join "," .Values.secretNames }}
{{- end -}}
{{- end -}}

{{- /* The kinds of workloads that the operator may patch, separated by commas. */ -}}
{{- define "operator.workloadKinds" -}}
{{- if not .Values.workloadKinds -}}
{{- fail "workloadKinds is empty; name the kinds of workloads that the operator may restart: StatefulSet, Deployment, DaemonSet" -}}
{{- end -}}
{{ join "," .Values.workloadKinds }}
{{- end -}}

{{- define "operator.labels" -}}
{{ include "operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}
