{{/* Kubelet's probes are always let through: a pod's own node is no peer (NetworkPolicy, "host network traffic"). */}}
{{- define "countersign.scraping" -}}
{{- with .Values.networkPolicy.scrapers -}}
- from: {{- toYaml . | nindent 4 }}
  ports:
    - port: admin
      protocol: TCP
{{- else -}}
[]
{{- end }}
{{- end -}}

{{/* The API server is no pod, so only its ports can be named. */}}
{{- define "countersign.clusterEgress" -}}
- ports:
    {{- range .Values.networkPolicy.apiServerPorts }}
    - port: {{ . }}
      protocol: TCP
    {{- end }}
- to:
    - namespaceSelector: {}
  ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
{{- end -}}
