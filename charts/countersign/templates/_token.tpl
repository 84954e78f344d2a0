{{/* A CA whose key is in a token: where the signer finds what it needs of it. */}}
{{- define "countersign.tokenAuthority" -}}
{{- $folder := "/etc/countersign/authority" -}}
{{- with .Values.authority.pkcs11 -}}
{{- $authority := dict
      "certificate" (printf "%s/tls.crt" $folder)
      "socket" (printf "/run/countersign/%s" .socketName)
      "token" .token
      "key" .key -}}
{{- if .pinSecretName -}}{{- $_ := set $authority "pinFile" (printf "%s/pin" $folder) -}}{{- end -}}
{{- $authority | toJson -}}
{{- end -}}
{{- end -}}

{{/* Of each Secret what is named, and nothing else: a private key that stands beside the certificate has no place in this pod. */}}
{{- define "countersign.tokenSources" -}}
{{- with .Values.authority.pkcs11 -}}
- secret:
    name: {{ .certificateSecretName | quote }}
    items:
      - key: tls.crt
        path: authority/tls.crt
{{- if .pinSecretName }}
- secret:
    name: {{ .pinSecretName | quote }}
    items:
      - key: pin
        path: authority/pin
{{- end }}
{{- end -}}
{{- end -}}

{{- define "countersign.tokenProblems" -}}
{{- $problems := list -}}
{{- $kind := .Values.authority.kind -}}
{{- $token := .Values.authority.pkcs11 -}}
{{- if eq $kind "pkcs11" -}}
{{- range $name := list "certificateSecretName" "token" "key" -}}
{{- if not (get $token $name) -}}
{{- $problems = append $problems (printf "authority.pkcs11.%s: required where authority.kind is pkcs11" $name) -}}
{{- end -}}
{{- end -}}
{{- if gt (len $token.token) 32 -}}
{{- $problems = append $problems (printf "authority.pkcs11.token: want=1..32 octets got=%d" (len $token.token)) -}}
{{- end -}}
{{- if not (or $token.socketVolume .Values.signer.extraContainers) -}}
{{- $problems = append $problems "authority.pkcs11.socketVolume: nobody serves the socket: name its volume, or the container that serves it in signer.extraContainers" -}}
{{- end -}}
{{- else -}}
{{- range $name := list "certificateSecretName" "token" "key" "pinSecretName" "socketVolume" -}}
{{- if get $token $name -}}
{{- $problems = append $problems (printf "authority.pkcs11.%s: authority.kind is %s, so it would be ignored; set authority.kind=pkcs11 or leave it out" $name $kind) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $problems | toJson -}}
{{- end -}}

{{/* Whether the Secrets are there, with what is mounted of them: without it a pod would wait, and only its events say for what. */}}
{{- define "countersign.tokenClusterProblems" -}}
{{- $problems := list -}}
{{- if eq .Values.authority.kind "pkcs11" -}}
{{- $token := .Values.authority.pkcs11 -}}
{{- range $field, $key := dict "certificateSecretName" "tls.crt" "pinSecretName" "pin" -}}
{{- $name := get $token $field -}}
{{- if and $name (not (dig "data" $key "" (lookup "v1" "Secret" $.Release.Namespace $name | default dict))) -}}
{{- $problems = append $problems (printf "authority.pkcs11.%s: namespace %s has no Secret %s with %s: kubectl -n %s create secret generic %s --from-file=%s" $field $.Release.Namespace $name $key $.Release.Namespace $name $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $problems | toJson -}}
{{- end -}}
