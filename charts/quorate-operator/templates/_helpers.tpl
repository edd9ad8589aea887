{{/* Name of everything that the release makes; two releases do not collide. */}}
{{- define "quorate-operator.fullname" -}}
{{- if contains "quorate-operator" .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-quorate-operator" .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "quorate-operator.selectorLabels" -}}
app.kubernetes.io/name: quorate-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "quorate-operator.labels" -}}
{{ include "quorate-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/*
The groups of rules/: with the thresholds of the values in the place of $(ALERT.NAME), without the alerts that
are disabled, and each alert with the address of its page.
*/}}
{{- define "quorate-operator.rules" -}}
{{- $rules := .Values.monitoring.rules -}}
{{- $names := list -}}
{{- $groups := list -}}
{{- range $path, $_ := .Files.Glob "rules/*.yaml" -}}
{{- $text := $.Files.Get $path -}}
{{- range $alert, $thresholds := $rules.thresholds -}}
{{- range $name, $value := $thresholds -}}
{{- $text = replace (printf "$(%s.%s)" $alert $name) (toString $value) $text -}}
{{- end -}}
{{- end -}}
{{- range $group := (fromYaml $text).groups -}}
{{- $kept := list -}}
{{- range $rule := $group.rules -}}
{{- with $rule.alert -}}
{{- $names = append $names . -}}
{{- $_ := set $rule.annotations "runbook_url" (printf "%s/%s.md" (trimSuffix "/" $rules.runbookBaseUrl) .) -}}
{{- end -}}
{{- if not (has (default "" $rule.alert) $rules.disabled) -}}
{{- $kept = append $kept $rule -}}
{{- end -}}
{{- end -}}
{{- if $kept -}}
{{- $groups = append $groups (dict "name" $group.name "rules" $kept) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $rules.disabled -}}
{{- if not (has . $names) -}}
{{- fail (printf "monitoring.rules.disabled: there is no alert %s; the alerts are %s" . ($names | uniq | join ", ")) -}}
{{- end -}}
{{- end -}}
{{- $yaml := toYaml (dict "groups" $groups) -}}
{{- if contains "$(" $yaml -}}
{{- fail (printf "rules/: no threshold for %s" (regexFind "\\$\\([^)]*\\)" $yaml)) -}}
{{- end -}}
{{- $yaml -}}
{{- end -}}
