{{- /* What gateways and workers have in common. */ -}}

{{- /* Of both: where jobs are kept, and the settings of `gateway.settings`. (dict "root" . "own" (dict ...)) */ -}}
{{- define "s1.gatewayEnvironment" -}}
{{- $root := .root -}}
{{- $settings := mergeOverwrite (dict) .own -}}
{{- with $root.Values.region }}{{ $_ := set $settings "AWS_REGION" . }}{{ end -}}
{{- if $root.Values.jobs.enabled -}}
{{- $_ := set $settings "S1_GATEWAY_JOBS_ATTEMPTS" $root.Values.jobs.attempts -}}
{{- if $root.Values.jobs.bucket -}}
{{- $_ := set $settings "S1_GATEWAY_JOBS_BUCKET" $root.Values.jobs.bucket -}}
{{- else -}}
{{- $_ := set $settings "S1_GATEWAY_JOBS_FOLDER" "/jobs" -}}
{{- end -}}
{{- $_ := set $settings "S1_GATEWAY_REDIS_URL_FILE" "/run/secrets/s1/redis_url" -}}
{{- if $root.Values.jobs.webhookSecret.name -}}
{{- $_ := set $settings "S1_GATEWAY_WEBHOOK_SECRET_FILE" "/run/secrets/s1/webhook_secret" -}}
{{- end -}}
{{- end -}}
{{- $_ := set $settings "S1_GATEWAY_TOKENS_FILE" "/run/secrets/s1/tokens" -}}
{{- include "s1.environment" (mergeOverwrite $settings $root.Values.gateway.settings) }}
{{- end }}

{{- define "s1.hasJobsVolume" -}}
{{- if and .Values.jobs.enabled (not .Values.jobs.bucket) }}yes{{ end -}}
{{- end }}

{{- define "s1.gatewayMounts" -}}
- {name: secrets, mountPath: /run/secrets/s1, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- if include "s1.hasJobsVolume" . }}
- {name: jobs, mountPath: /jobs}
{{- end }}
{{- end }}

{{- define "s1.gatewayVolumes" -}}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ .Values.gateway.tokensSecret.name }}
          items: [{key: {{ .Values.gateway.tokensSecret.key }}, path: tokens}]
      {{- if .Values.jobs.enabled }}
      - secret:
          name: {{ .Values.redis.secret.name }}
          items: [{key: {{ .Values.redis.secret.urlKey }}, path: redis_url}]
      {{- with .Values.jobs.webhookSecret }}
      {{- if .name }}
      - secret:
          name: {{ .name }}
          items: [{key: {{ .key }}, path: webhook_secret}]
      {{- end }}
      {{- end }}
      {{- end }}
- name: tmp
  emptyDir: {sizeLimit: 256Mi}
{{- if include "s1.hasJobsVolume" . }}
- name: jobs
  persistentVolumeClaim: {claimName: {{ include "s1.name" . }}-jobs}
{{- end }}
{{- end }}
