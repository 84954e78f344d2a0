{{- define "countersign.policyData" -}}
{{- $grants := .Values.policy.grants -}}
{{- $data := deepCopy .Values.policy.data -}}
{{- $_ := set $data "grants" (dict "tenants" $grants.tenants "subjects" $grants.subjects) -}}
{{- $data | toJson -}}
{{- end -}}

{{- define "countersign.policyConfig" -}}
data: [/etc/countersign/policy-data.json]
engine: {{ .Values.policy.engine }}
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
{{- /* A bundle may have no plan, which no item of a source that must be there can say. */}}
- configMap:
    name: {{ . | quote }}
    optional: true
    items:
      - key: plan.json
        path: policy/plan.json
{{- end }}
{{- end -}}

{{/* As the signer names it. A trust domain may hold underscores, the name of an object may not. */}}
{{- define "countersign.trustBundle" -}}
{{ .Values.signerName | replace "/" ":" }}:{{ .Values.trustDomain | replace "_" "-" }}
{{- end -}}
