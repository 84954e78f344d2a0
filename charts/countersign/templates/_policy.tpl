{{- define "countersign.policyData" -}}
{{- $grants := .Values.policy.grants -}}
{{- $data := deepCopy .Values.policy.data -}}
{{- $_ := set $data "grants" (dict "tenants" $grants.tenants "subjects" $grants.subjects) -}}
{{- $data | toJson -}}
{{- end -}}

{{- define "countersign.policyConfig" -}}
data: [/etc/countersign/policy-data.json]
{{- if .Values.policy.bundleConfigMap }}
bundle: /etc/countersign/policy
{{- end }}
{{- end -}}

{{- define "countersign.policyBundleSource" -}}
{{- with .Values.policy.bundleConfigMap -}}
- configMap:
    name: {{ . | quote }}
    items:
      - key: .manifest
        path: policy/.manifest
      - key: policy.wasm
        path: policy/policy.wasm
      - key: data.json
        path: policy/data.json
{{- end }}
{{- end -}}

{{/* As the signer names it. A trust domain may hold underscores, the name of an object may not. */}}
{{- define "countersign.trustBundle" -}}
{{ .Values.signerName | replace "/" ":" }}:{{ .Values.trustDomain | replace "_" "-" }}
{{- end -}}
