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

{{/* The API server is no pod, nor is a DNS cache on the node, so only their ports can be named. */}}
{{- define "countersign.clusterEgress" -}}
- ports:
    {{- range .Values.networkPolicy.apiServerPorts }}
    - port: {{ . }}
      protocol: TCP
    {{- end }}
- ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
{{- end -}}
