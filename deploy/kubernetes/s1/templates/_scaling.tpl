{{- /*
What KEDA asks Prometheus. Each is a sum, without a division: what cannot be divided is no number, and no number counts as
nothing to do. A series that is missing leaves no answer at all, which is an error for which `fallback` stands; nothing here
turns it into a zero.
*/ -}}

{{- /* Labels that choose the series of a part. (dict "root" . "component" "gateway") */ -}}
{{- define "s1.series" -}}
namespace="{{ .root.Release.Namespace }}",app_kubernetes_io_instance="{{ .root.Release.Name }}",app_kubernetes_io_component="{{ .component }}"
{{- end }}

{{- define "s1.streamsQuery" -}}
{{- $series := include "s1.series" . -}}
sum(s1_lm_active_sequences{ {{- $series -}} }) + sum(s1_lm_waiting_sequences{ {{- $series -}} })
{{- end }}

{{- /* Every gateway shows the same numbers, and does so while no engine runs. What none of them can read is no answer. */ -}}
{{- define "s1.jobsQuery" -}}
{{- $series := include "s1.series" (dict "root" . "component" "gateway") -}}
sum(max by (queue) (s1_gateway_jobs_waiting{ {{- $series -}} })) + max(s1_gateway_jobs_running{ {{- $series -}} }) and on () max(s1_gateway_jobs_records_up{ {{- $series -}} }) == 1
{{- end }}

{{- define "s1.openStreamsQuery" -}}
sum(s1_gateway_open_streams{ {{- include "s1.series" (dict "root" . "component" "gateway") -}} })
{{- end }}

{{- /* (dict "root" . "name" "calls" "where" "pools.calls" "labels" $labels "part" $pool.autoscaling "query" … "threshold" …) */ -}}
{{- define "s1.scaledObject" -}}
{{- $scaling := .root.Values.autoscaling -}}
{{- if lt (int .part.max) (int .part.min) -}}
{{- fail (printf "%s.autoscaling.max: got %v; allowed: no fewer than min, which is %v" .where .part.max .part.min) -}}
{{- end -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ include "s1.name" .root }}-{{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "s1.labels" .labels | nindent 4 }}
spec:
  scaleTargetRef:
    name: {{ include "s1.name" .root }}-{{ .name }}
  minReplicaCount: {{ int .part.min }}
  maxReplicaCount: {{ int .part.max }}
  pollingInterval: {{ int $scaling.pollSeconds }}
  cooldownPeriod: {{ int (.part.cooldownSeconds | default 300) }}
  fallback:
    failureThreshold: {{ int $scaling.failures }}
    replicas: {{ int .part.fallback }}
    behavior: currentReplicasIfHigher
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        scaleUp:
          stabilizationWindowSeconds: 0
          selectPolicy: Max
          policies:
            - {type: Percent, value: 100, periodSeconds: 30}
            - {type: Pods, value: 4, periodSeconds: 30}
        scaleDown:
          stabilizationWindowSeconds: {{ int .part.scaleDownSeconds }}
          policies:
            - {type: Pods, value: 1, periodSeconds: 60}
  triggers:
    - type: prometheus
      metricType: AverageValue
      metadata:
        serverAddress: {{ $scaling.prometheusUrl }}
        query: {{ .query | squote }}
        threshold: {{ .threshold | toString | quote }}
        activationThreshold: "0"
        ignoreNullValues: "false"
      {{- with $scaling.authentication }}
      authenticationRef:
        name: {{ . }}
      {{- end }}
    {{- range .part.timetable }}
    - type: cron
      metadata:
        timezone: {{ .timezone }}
        start: {{ .start | quote }}
        end: {{ .end | quote }}
        desiredReplicas: {{ int .pods | quote }}
    {{- end }}
{{- end }}
