{{- /* Names, labels, and what all pods share. */ -}}

{{- define "s1.name" -}}
{{- $name := ternary .Release.Name (printf "%s-s1" .Release.Name) (contains "s1" .Release.Name) -}}
{{- $name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- /* What a pod is found by. (dict "root" . "component" "gateway" "app" "s1-gateway") */ -}}
{{- define "s1.selector" -}}
app.kubernetes.io/name: {{ .app }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "s1.labels" -}}
{{ include "s1.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: s1
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "s1.image" -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag }}{{- end -}}
{{- end }}

{{- /* Of the enabled pools: settings of all engines under those of the pool, as JSON by name. */ -}}
{{- define "s1.pools" -}}
{{- $pools := dict -}}
{{- range $name, $pool := .Values.pools -}}
{{- if $pool.enabled -}}
{{- $_ := set $pools $name (mergeOverwrite (deepCopy $.Values.engine) $pool) -}}
{{- end -}}
{{- end -}}
{{- toJson $pools -}}
{{- end }}

{{- /* Address of a group of engines, as the gateway's settings want it. (dict "root" . "group" "calls" "what" "gateway.group") */ -}}
{{- define "s1.servers" -}}
{{- $found := false -}}
{{- range $pool := fromJson (include "s1.pools" .root) -}}
{{- if eq $pool.group $.group -}}{{- $found = true -}}{{- end -}}
{{- end -}}
{{- if not $found -}}
{{- fail (printf "%s: got %q; allowed: the group of an enabled pool" .what .group) -}}
{{- end -}}
dns:///{{ include "s1.name" .root }}-engines-{{ .group }}.{{ .root.Release.Namespace }}.svc:8001
{{- end }}

{{- define "s1.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .uid | default 1000 }}
runAsGroup: {{ .uid | default 1000 }}
fsGroup: {{ .uid | default 1000 }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "s1.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- /* Spread over zones and machines, as far as there are any. */ -}}
{{- define "s1.spread" -}}
{{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- maxSkew: 1
  topologyKey: {{ $key }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels: {{- include "s1.selector" $ | nindent 6 }}
{{- end }}
{{- end }}

{{- define "s1.scrapeAnnotations" -}}
{{- if eq .root.Values.monitoring.kind "annotations" }}
prometheus.io/scrape: "true"
prometheus.io/port: {{ .port | quote }}
prometheus.io/path: /metrics
{{- end }}
{{- end }}

{{- /* nodeSelector, tolerations and pull secrets of a part of the chart. (dict "root" . "part" $part) */ -}}
{{- define "s1.placement" -}}
{{- with .part.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* Variables of a map. Helm reads every number as a float, which would write 16777216 as 1.6777216e+07. */ -}}
{{- define "s1.environment" -}}
{{- range $name, $value := . }}
{{- $isWhole := and (kindIs "float64" $value) (eq (toString (floor $value)) (toString $value)) }}
- name: {{ $name }}
  value: {{ ternary (int64 $value) $value $isWhole | toString | quote }}
{{- end }}
{{- end }}
