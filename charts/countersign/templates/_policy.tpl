{{- define "countersign.policyData" -}}
{{- $grants := .Values.policy.grants -}}
{{- $data := deepCopy .Values.policy.data -}}
{{- $_ := set $data "grants" (dict "tenants" $grants.tenants "subjects" $grants.subjects) -}}
{{- $data | toJson -}}
{{- end -}}

{{/* Of root, and the folder that keeps the last good bundle of a server. */}}
{{- define "countersign.policyConfig" -}}
{{- $policy := .root.Values.policy -}}
{{- $config := dict "data" (list "/etc/countersign/policy-data.json") "engine" $policy.engine -}}
{{- if $policy.bundleConfigMap -}}{{- $_ := set $config "bundle" "/etc/countersign/policy" -}}{{- end -}}
{{- with $policy.service -}}
{{- if .url -}}
{{- $folder := "/etc/countersign/policy-service" -}}
{{- $polling := pick .polling "minDelaySeconds" "maxDelaySeconds" -}}
{{- with .polling.longPollingTimeoutSeconds -}}{{- $_ := set $polling "longPollingTimeoutSeconds" . -}}{{- end -}}
{{- $service := dict "url" .url "resource" .resource "polling" $polling -}}
{{- $credentials := dict -}}
{{- if has "token" .secretKeys -}}{{- $_ := set $credentials "bearer" (dict "tokenPath" (printf "%s/token" $folder)) -}}{{- end -}}
{{- if has "tls.crt" .secretKeys -}}
{{- $_ := set $credentials "clientTls" (dict "cert" (printf "%s/tls.crt" $folder) "privateKey" (printf "%s/tls.key" $folder)) -}}
{{- end -}}
{{- if has "password" .secretKeys -}}
{{- $_ := set $credentials "basic" (dict "username" .username "passwordPath" (printf "%s/password" $folder)) -}}
{{- end -}}
{{- if has ".dockerconfigjson" .secretKeys -}}
{{- $_ := set $credentials "dockerConfig" (dict "path" (printf "%s/.dockerconfigjson" $folder)) -}}
{{- end -}}
{{- if $credentials -}}{{- $_ := set $service "credentials" $credentials -}}{{- end -}}
{{- with .type -}}{{- $_ := set $service "type" . -}}{{- end -}}
{{- with .tokenUrl -}}{{- $_ := set $service "tokenUrl" . -}}{{- end -}}
{{- with .blobHosts -}}{{- $_ := set $service "blobHosts" . -}}{{- end -}}
{{- if has "ca.crt" .secretKeys -}}{{- $_ := set $service "tls" (dict "caCert" (printf "%s/ca.crt" $folder)) -}}{{- end -}}
{{- $_ := set $config "service" $service -}}
{{- $_ := set $config "persistenceDirectory" $.folder -}}
{{- $keys := list -}}
{{- range $index, $key := $policy.signature.keys -}}
{{- $file := printf "/etc/countersign/policy-key-%d.pem" $index -}}
{{- $keys = append $keys (dict "id" $key.id "algorithm" $key.algorithm "publicKey" $file) -}}
{{- end -}}
{{- $_ := set $config "signature" (dict "keys" $keys "scope" $policy.signature.scope) -}}
{{- end -}}
{{- end -}}
{{- with $policy.candidate.bundleConfigMap -}}
{{- $_ := set $config "candidate" (dict "bundle" "/etc/countersign/policy-candidate/bundle.tar.gz") -}}
{{- end -}}
{{- with $policy.candidate.resource -}}{{- $_ := set $config "candidate" (dict "resource" .) -}}{{- end -}}
{{- $config | toJson -}}
{{- end -}}

{{/* Of which it says in Events that its policy bundle was refused or replaced. */}}
{{- define "countersign.ownPod" -}}
{{- range $variable, $field := dict "POD_NAME" "name" "POD_NAMESPACE" "namespace" "POD_UID" "uid" }}
- name: {{ $variable }}
  valueFrom:
    fieldRef:
      fieldPath: metadata.{{ $field }}
{{- end }}
{{- end -}}

{{/* For the gateway alone: bundles of tenants are asked about calls. */}}
{{- define "countersign.policyTenants" -}}
{{- $tenants := dict -}}
{{- range $tenant, $given := .Values.policy.tenants -}}
{{- $config := dict "bundle" (printf "/etc/countersign/policy-tenants/%s/bundle.tar.gz" $tenant) -}}
{{- with $given.signature -}}
{{- $keys := list -}}
{{- range $index, $key := .keys -}}
{{- $file := printf "/etc/countersign/policy-tenant-%s-key-%d.pem" $tenant $index -}}
{{- $keys = append $keys (dict "id" $key.id "algorithm" $key.algorithm "publicKey" $file) -}}
{{- end -}}
{{- $_ := set $config "signature" (dict "keys" $keys "scope" (.scope | default "")) -}}
{{- end -}}
{{- $_ := set $tenants $tenant $config -}}
{{- end -}}
{{- $tenants | toJson -}}
{{- end -}}

{{- define "countersign.policyTenantKeys" -}}
{{- range $tenant, $given := .Values.policy.tenants }}
{{- range $index, $key := ($given.signature).keys }}
policy-tenant-{{ $tenant }}-key-{{ $index }}.pem: {{ $key.publicKey | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Of maps, ConfigMaps by the folder that each is put into. One that is missing is its author's fault, and stops no pod. */}}
{{- define "countersign.policyArchives" -}}
{{- range $folder, $map := . }}
- configMap:
    name: {{ $map | quote }}
    optional: true
    items:
      - key: bundle.tar.gz
        path: {{ $folder }}/bundle.tar.gz
{{- end }}
{{- end -}}

{{- define "countersign.policyCandidateSource" -}}
{{- with .Values.policy.candidate.bundleConfigMap -}}
{{- include "countersign.policyArchives" (dict "policy-candidate" .) | trim -}}
{{- end -}}
{{- end -}}

{{- define "countersign.policyTenantSources" -}}
{{- $maps := dict -}}
{{- range $tenant, $given := .Values.policy.tenants -}}
{{- $_ := set $maps (printf "policy-tenants/%s" $tenant) $given.bundleConfigMap -}}
{{- end -}}
{{- include "countersign.policyArchives" $maps | trim -}}
{{- end -}}

{{/* Beside the configuration: public keys are no secret. */}}
{{- define "countersign.policyKeys" -}}
{{- range $index, $key := .Values.policy.signature.keys }}
policy-key-{{ $index }}.pem: {{ $key.publicKey | quote }}
{{- end }}
{{- end -}}

{{- define "countersign.policyServiceSource" -}}
{{- with .Values.policy.service -}}
{{- if and .url .secretName .secretKeys -}}
{{- include "countersign.secretSource" (dict "secretName" .secretName "secretKeys" .secretKeys "folder" "policy-service") -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Of what a server is asked with, the keys that are named, and the private key beside a certificate. */}}
{{- define "countersign.secretSource" -}}
{{- $folder := .folder -}}
- secret:
    name: {{ .secretName | quote }}
    items:
      {{- range .secretKeys }}
      - key: {{ . }}
        path: {{ $folder }}/{{ . }}
      {{- end }}
      {{- if has "tls.crt" .secretKeys }}
      - key: tls.key
        path: {{ $folder }}/tls.key
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
{{/* Name of the Secret in which the signer keeps its CA; empty where the CA is in files, or its key in a token. */}}
{{- define "countersign.authoritySecret" -}}
{{- if has .Values.authority.kind (list "selfSigned" "csr") -}}
{{- get (get .Values.authority .Values.authority.kind) "secretName" -}}
{{- end -}}
{{- end -}}

{{- define "countersign.trustBundle" -}}
{{ .Values.signerName | replace "/" ":" }}:{{ .Values.trustDomain | replace "_" "-" }}
{{- end -}}
