{{/* How the signer of another cluster reads the Revocations of this one: with a token of its own account, which may do that and nothing else. */}}
{{- define "countersign.hubKubeconfig" -}}
apiVersion: v1
kind: Config
current-context: hub
contexts:
  - name: hub
    context: { cluster: hub, user: remotes }
clusters:
  - name: hub
    cluster:
      server: https://kubernetes.default.svc
      certificate-authority: /etc/countersign/hub/ca.crt
users:
  - name: remotes
    user: { tokenFile: /etc/countersign/hub/token }
{{- end -}}

{{- define "countersign.hubSources" -}}
- serviceAccountToken:
    path: hub/token
    expirationSeconds: 3600
- configMap:
    name: kube-root-ca.crt
    items:
      - key: ca.crt
        path: hub/ca.crt
{{- end -}}

{{/* Whether any of the remotes does. */}}
{{- define "countersign.carriesRevocations" -}}
{{- range .Values.remotes -}}{{- if .revocationsFrom -}}yes{{- end -}}{{- end -}}
{{- end -}}
