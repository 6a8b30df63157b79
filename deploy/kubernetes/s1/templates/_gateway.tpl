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
{{- end -}}
{{- include "s1.environment" (mergeOverwrite $settings $root.Values.gateway.settings) }}
- name: S1_GATEWAY_TOKENS_FILE
  value: /run/secrets/s1/tokens
{{- if $root.Values.jobs.enabled }}
{{- if $root.Values.redis.own }}
- name: REDIS_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ $root.Values.redis.passwordSecret.name }}, key: {{ $root.Values.redis.passwordSecret.key }}}
- name: S1_GATEWAY_REDIS_URL
  value: redis://:$(REDIS_PASSWORD)@{{ include "s1.name" $root }}-redis:6379/0
{{- else }}
- name: S1_GATEWAY_REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ $root.Values.redis.urlSecret.name | required "redis.urlSecret.name: got none; allowed: a Secret with the URL, or redis.own" }}
      key: {{ $root.Values.redis.urlSecret.key }}
{{- end }}
{{- with $root.Values.jobs.webhookSecret }}
{{- if .name }}
- name: S1_GATEWAY_WEBHOOK_SECRET
  valueFrom:
    secretKeyRef: {name: {{ .name }}, key: {{ .key }}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "s1.hasJobsVolume" -}}
{{- if and .Values.jobs.enabled (not .Values.jobs.bucket) }}yes{{ end -}}
{{- end }}

{{- define "s1.gatewayMounts" -}}
- {name: tokens, mountPath: /run/secrets/s1, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- if include "s1.hasJobsVolume" . }}
- {name: jobs, mountPath: /jobs}
{{- end }}
{{- end }}

{{- define "s1.gatewayVolumes" -}}
- name: tokens
  secret:
    secretName: {{ .Values.gateway.tokensSecret.name }}
    defaultMode: 0440
    items:
      - {key: {{ .Values.gateway.tokensSecret.key }}, path: tokens}
- name: tmp
  emptyDir: {sizeLimit: 256Mi}
{{- if include "s1.hasJobsVolume" . }}
- name: jobs
  persistentVolumeClaim: {claimName: {{ include "s1.name" . }}-jobs}
{{- end }}
{{- end }}
