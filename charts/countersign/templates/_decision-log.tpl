{{- /* Where gateway or signer (its `decisionLog`) sends its decisions; nothing where it does not. */}}
{{- define "countersign.decisionUpload" -}}
{{- with .upload -}}
{{- if .url -}}
{{- $folder := "/etc/countersign/decision-receiver" -}}
{{- $upload := dict "url" .url -}}
{{- with .partitionName -}}{{- $_ := set $upload "partitionName" . -}}{{- end -}}
{{- with .resource -}}{{- $_ := set $upload "resource" . -}}{{- end -}}
{{- if has "ca.crt" .secretKeys -}}{{- $_ := set $upload "tls" (dict "caCert" (printf "%s/ca.crt" $folder)) -}}{{- end -}}
{{- $credentials := dict -}}
{{- if has "token" .secretKeys -}}{{- $_ := set $credentials "bearer" (dict "tokenPath" (printf "%s/token" $folder)) -}}{{- end -}}
{{- if has "tls.crt" .secretKeys -}}
{{- $_ := set $credentials "clientTls" (dict "cert" (printf "%s/tls.crt" $folder) "privateKey" (printf "%s/tls.key" $folder)) -}}
{{- end -}}
{{- if $credentials -}}{{- $_ := set $upload "credentials" $credentials -}}{{- end -}}
{{- merge $upload (pick . "reporting") | toJson -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* What its receiver is asked with. */}}
{{- define "countersign.decisionReceiverSource" -}}
{{- with .upload -}}
{{- if and .url .secretName -}}
{{- include "countersign.secretSource" (dict "secretName" .secretName "secretKeys" .secretKeys "folder" "decision-receiver") -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Its checkpoints, in the configuration; nothing where it has none. The name has the pod's in it, so all pods have one key. */}}
{{- define "countersign.decisionCheckpoints" -}}
{{- with .checkpoints -}}
{{- if .secretName -}}
{{- dict "keyFile" "/etc/countersign/decision-log-key/key.pem" "everySeconds" (int64 .everySeconds) | toJson -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "countersign.decisionLogKeySource" -}}
{{- with .checkpoints.secretName -}}
- secret:
    name: {{ . | quote }}
    items:
      - key: key.pem
        path: decision-log-key/key.pem
{{- end -}}
{{- end -}}

{{- /* That of a signer, in its configuration; nothing where it has none. */}}
{{- define "countersign.issuanceLog" -}}
{{- if .enabled -}}
{{- $log := dict
      "file" "/var/log/countersign/decisions.jsonl"
      "fileBytesMax" (int64 .fileBytesMax)
      "files" (int64 .files)
      "whenFull" .whenFull
      "drops" .drops -}}
{{- with .fileSecondsMax -}}{{- $_ := set $log "fileSecondsMax" (int64 .) -}}{{- end -}}
{{- with include "countersign.decisionCheckpoints" . -}}{{- $_ := set $log "checkpoints" (fromJson .) -}}{{- end -}}
{{- with include "countersign.decisionUpload" . -}}{{- $_ := set $log "upload" (fromJson .) -}}{{- end -}}
{{- toJson $log -}}
{{- end -}}
{{- end -}}

{{- /* What it reads, of a pod's sources. */}}
{{- define "countersign.issuanceLogSources" -}}
{{- if .enabled -}}
{{- include "countersign.decisionLogKeySource" . -}}
{{- with include "countersign.decisionReceiverSource" . }}
{{ . }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Pods that fill more than they may are evicted: some room is left, and a sixteenth for the hashes of lines. */}}
{{- define "countersign.decisionLogSize" -}}
{{- $octets := mul (int64 .files) (int64 .fileBytesMax) (int64 (.workers | default 1)) -}}
{{- add 16777216 $octets (ternary (div $octets 16) 0 (ne .checkpoints.secretName "")) -}}
{{- end -}}

{{- define "countersign.decisionLogProblems" -}}
{{- $problems := list -}}
{{- range $program := list "gateway" "signer" -}}
{{- $at := printf "%s.decisionLog.upload" $program -}}
{{- with (get $.Values $program).decisionLog.upload -}}
{{- if .url -}}
{{- if and .partitionName .resource -}}
{{- $problems = append $problems (printf "%s.resource: want=partitionName or resource, not both" $at) -}}
{{- end -}}
{{- if regexMatch "(^|/)[.][.]?(/|$)" .resource -}}
{{- $problems = append $problems (printf "%s.resource: want=a path below the URL, without . and .." $at) -}}
{{- end -}}
{{- if ne (empty .secretKeys) (empty .secretName) -}}
{{- $problems = append $problems (printf "%s.secretName: want=secretName and secretKeys, or neither" $at) -}}
{{- end -}}
{{- if gt (int .reporting.minDelaySeconds) (int .reporting.maxDelaySeconds) -}}
{{- $problems = append $problems (printf "%s.reporting.minDelaySeconds: at most maxDelaySeconds" $at) -}}
{{- end -}}
{{- else if or .partitionName .resource .secretName .secretKeys -}}
{{- $problems = append $problems (printf "%s.url: required for what else is said of it" $at) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $problems | toJson -}}
{{- end -}}
