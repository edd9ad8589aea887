{{/* Name of the ensemble, which the names of its pods and Services are built from. */}}
{{- define "quorate-ensemble.name" -}}
{{- $name := .Values.name | default .Release.Name -}}
{{- if or (gt (len $name) 30) (not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name)) -}}
{{- fail (printf "the ensemble cannot be called %q: names of pods and Services are built from it; set the value name, or choose another release, to at most 30 of a-z, 0-9 and '-', a letter first" $name) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{- define "quorate-ensemble.labels" -}}
app.kubernetes.io/name: quorate-ensemble
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* Not empty when clients need TLS. */}}
{{- define "quorate-ensemble.needsTls" -}}
{{- if eq (dig "tls" "client" "mode" "Disabled" .Values.spec) "Require" -}}yes{{- end -}}
{{- end -}}

{{/* Secret with the certificate of the servers. */}}
{{- define "quorate-ensemble.secret" -}}
{{- dig "tls" "secretName" (printf "%s-tls" (include "quorate-ensemble.name" .)) .Values.spec -}}
{{- end -}}
