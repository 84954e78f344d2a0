{{/* Pod Security level "restricted". With a user of its own kubelet writes a pod's private key for that user, mode 0600. */}}
{{- define "countersign.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "countersign.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Alive means that the process answers: whatever is wrong with the cluster, a restart does not mend it. */}}
{{- define "countersign.probes" -}}
startupProbe:
  httpGet: { path: /healthz, port: admin }
  periodSeconds: 1
  failureThreshold: 120
livenessProbe:
  httpGet: { path: /healthz, port: admin }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /readyz, port: admin }
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
{{- end -}}

{{- define "countersign.spread" -}}
{{- range $index, $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
{{- if $index }}{{ "\n" }}{{ end -}}
- topologyKey: {{ $key }}
  maxSkew: 1
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels: {{- include "countersign.selector" $ | nindent 6 }}
{{- end }}
{{- end -}}

{{/* What is given of: priorityClassName, nodeSelector, tolerations, affinity. */}}
{{- define "countersign.placement" -}}
{{- $given := dict }}
{{- range $name, $value := pick . "priorityClassName" "nodeSelector" "tolerations" "affinity" }}
{{- if $value }}{{ $_ := set $given $name $value }}{{ end }}
{{- end }}
{{- if $given }}{{ toYaml $given }}{{ end }}
{{- end -}}

{{- define "countersign.pullSecrets" -}}
{{- with .Values.image.pullSecrets -}}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/*
Where the gateway remembers what it has trusted on first use. In production nowhere but in a volume that outlives the pod: one that forgets
would trust whatever a tool server says after the next restart.
*/}}
{{- define "countersign.firstUseVolume" -}}
{{- if .Values.gateway.firstUse.existingClaim -}}
persistentVolumeClaim:
  claimName: {{ .Values.gateway.firstUse.existingClaim | quote }}
{{- else if not .Values.production -}}
emptyDir:
  sizeLimit: 256Mi
{{- end -}}
{{- end -}}
