{{- /* Where the weights lie, and the volume that they come in. */ -}}

{{- define "s1.checkpoint" -}}
/models/{{ .Values.model.folder }}
{{- end }}

{{- define "s1.modelClaim" -}}
{{ .Values.model.claim.name | default (printf "%s-model" (include "s1.name" .)) }}
{{- end }}

{{- define "s1.modelVolume" -}}
{{- $model := .Values.model -}}
{{- if eq $model.source "claim" }}
persistentVolumeClaim: {claimName: {{ include "s1.modelClaim" . }}, readOnly: true}
{{- else if eq $model.source "image" }}
image:
  reference: {{ $model.image.reference | required "model.image.reference: got none; allowed: an image with the weights" }}
  pullPolicy: {{ $model.image.pullPolicy }}
{{- else }}
hostPath: {path: {{ $model.hostPath }}, type: Directory}
{{- end }}
{{- end }}
