{{/* What the cluster lacks or has already: a YAML list of sentences. Empty without a cluster, where lookup finds nothing. */}}
{{- define "countersign.clusterProblems" -}}
{{- $problems := list -}}
{{- if and .Values.clusterChecks (lookup "v1" "Namespace" "" "kube-system") -}}
{{- range $part := list "Served" "Namespace" "Resources" "Signers" "Authority" -}}
{{- $problems = concat $problems (include (printf "countersign.problems%s" $part) $ | fromYamlArray) -}}
{{- end -}}
{{- end -}}
{{- $problems | toYaml -}}
{{- end -}}

{{- define "countersign.problemsServed" -}}
{{- $problems := list -}}
{{- $apis := .Capabilities.APIVersions -}}
{{- $gates := dict "PodCertificateRequest" "PodCertificateRequest" -}}
{{- if not .Values.trustBundle.configMap }}{{ $_ := set $gates "ClusterTrustBundle" "ClusterTrustBundle and ClusterTrustBundleProjection" }}{{ end -}}
{{- range $kind, $gate := $gates -}}
{{- if not (or ($apis.Has (printf "certificates.k8s.io/v1/%s" $kind)) ($apis.Has (printf "certificates.k8s.io/v1beta1/%s" $kind))) -}}
{{- $problems = append $problems (printf "the API server does not serve %s: 1.37 does by itself, 1.35 and 1.36 with the feature gate %s and --runtime-config=certificates.k8s.io/v1beta1=true" $kind $gate) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.monitoring.podMonitor.enabled (not ($apis.Has "monitoring.coreos.com/v1/PodMonitor")) -}}
{{- $problems = append $problems "monitoring.podMonitor.enabled: the API server does not serve PodMonitor; install the Prometheus operator first" -}}
{{- end -}}
{{- $problems | toYaml -}}
{{- end -}}

{{- define "countersign.problemsNamespace" -}}
{{- $problems := list -}}
{{- $namespace := lookup "v1" "Namespace" "" .Release.Namespace -}}
{{- $label := "roles.countersign.dev/tool-broker" -}}
{{- if and .Values.gateway.enabled (ne (dig "metadata" "labels" $label "" (default dict $namespace)) "allow") -}}
{{- $create := empty $namespace | ternary (printf "kubectl create namespace %s && " .Release.Namespace) "" -}}
{{- $problems = append $problems (printf "namespace %s needs the label %s=allow, or the gateway gets no certificate: %skubectl label namespace %s %s=allow" .Release.Namespace $label $create .Release.Namespace $label) -}}
{{- end -}}
{{- $problems | toYaml -}}
{{- end -}}

{{- define "countersign.problemsResources" -}}
{{- $problems := list -}}
{{- range $path, $_ := .Files.Glob "files/crds/*.yaml" -}}
{{- $definition := $.Files.Get $path | fromYaml -}}
{{- $name := $definition.metadata.name -}}
{{- $isUsed := and $.Values.gateway.enabled (or $.Values.gateway.toolServers (ne $name "toolservers.countersign.dev")) (or $.Values.gateway.approvals (ne $name "approvals.countersign.dev")) (ne $name "issuedcertificates.countersign.dev") -}}
{{- $there := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" $name -}}
{{- $needed := include "countersign.revisionOf" $definition | int -}}
{{- $revision := include "countersign.revisionOf" $there | int -}}
{{- $owner := include "countersign.ownerOf" $there -}}
{{- $ours := eq $owner (printf "release %s in namespace %s" $.Release.Name $.Release.Namespace) -}}
{{- $current := printf "kubectl apply --server-side --force-conflicts --field-manager=helm -f charts/countersign/%s" $path -}}
{{- if not $there -}}
{{- if and $isUsed (not $.Values.crds.install) -}}
{{- $problems = append $problems (printf "crds.install: false, and the custom resource %s is not there: set it to true, or %s" $name $current) -}}
{{- end -}}
{{- else if not $.Values.crds.install -}}
{{- if and $isUsed (lt $revision $needed) -}}
{{- $problems = append $problems (printf "the custom resource %s is of revision %d and the programs need %d: set crds.install=true, or %s" $name $revision $needed $current) -}}
{{- end -}}
{{- else if gt $revision $needed -}}
{{- $problems = append $problems (printf "the custom resource %s is of revision %d and this chart would put back revision %d: take a newer chart, or set crds.install=false" $name $revision $needed) -}}
{{- else if not $ours -}}
{{- $problems = append $problems (printf "the custom resource %s is there already and belongs to %s: set crds.install=false to use it as it is, or give it to this release: %s && kubectl annotate --overwrite crd %s meta.helm.sh/release-name=%s meta.helm.sh/release-namespace=%s && kubectl label --overwrite crd %s app.kubernetes.io/managed-by=Helm" $name $owner $current $name $.Release.Name $.Release.Namespace $name) -}}
{{- else -}}
{{- /* Server-side apply refuses to change what somebody else changed last. */}}
{{- $managers := list -}}
{{- range $there.metadata.managedFields -}}
{{- if hasKey (dig "fieldsV1" "f:spec" dict .) "f:versions" }}{{ $managers = append $managers .manager }}{{ end -}}
{{- end -}}
{{- $others := without $managers "helm" -}}
{{- if and $others (or (lt $revision $needed) (not (has "helm" $managers))) -}}
{{- $problems = append $problems (printf "the custom resource %s was changed by %s, and helm does not write over that: %s" $name (join ", " $others) $current) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $problems | toYaml -}}
{{- end -}}

{{- define "countersign.revisionOf" -}}
{{ dig "metadata" "annotations" "countersign.dev/schema-revision" "0" (default dict .) }}
{{- end -}}

{{- define "countersign.ownerOf" -}}
{{- $annotations := dig "metadata" "annotations" dict (default dict .) -}}
{{- with get $annotations "meta.helm.sh/release-name" -}}
release {{ . }} in namespace {{ get $annotations "meta.helm.sh/release-namespace" }}
{{- else -}}
no release
{{- end -}}
{{- end -}}

{{/* Two signers of one name would answer each other's requests, with two CAs. */}}
{{- define "countersign.problemsSigners" -}}
{{- $problems := list -}}
{{- $root := . -}}
{{- range (lookup "rbac.authorization.k8s.io/v1" "ClusterRole" "" "").items -}}
{{- $annotations := default dict .metadata.annotations -}}
{{- $release := get $annotations "meta.helm.sh/release-name" -}}
{{- $place := get $annotations "meta.helm.sh/release-namespace" -}}
{{- $other := not (and (eq $release $root.Release.Name) (eq $place $root.Release.Namespace)) -}}
{{- if and (get $annotations "countersign.dev/signer-name") $other -}}
{{- if eq (get $annotations "countersign.dev/signer-name") $root.Values.signerName -}}
{{- $problems = append $problems (printf "signerName: %s has a signer already, release %s in namespace %s: upgrade that one, or give this one another signerName" $root.Values.signerName $release $place) -}}
{{- else if eq $place $root.Release.Namespace -}}
{{- $problems = append $problems (printf "namespace %s has release %s of this chart already: take another namespace" $place $release) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $problems | toYaml -}}
{{- end -}}

{{- define "countersign.problemsAuthority" -}}
{{- $problems := list -}}
{{- $name := .Values.authority.files.secretName -}}
{{- if and (eq .Values.authority.kind "files") $name -}}
{{- $secret := lookup "v1" "Secret" .Release.Namespace $name -}}
{{- if not $secret -}}
{{- $problems = append $problems (printf "authority.files.secretName: namespace %s has no Secret %s: kubectl -n %s create secret tls %s --cert=tls.crt --key=tls.key" .Release.Namespace $name .Release.Namespace $name) -}}
{{- else -}}
{{- range $key := list "tls.crt" "tls.key" -}}
{{- if not (dig "data" $key "" $secret) -}}
{{- $problems = append $problems (printf "authority.files.secretName: Secret %s has no %s" $name $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $name := .Values.authority.csr.anchorsConfigMap -}}
{{- if and (eq .Values.authority.kind "csr") $name -}}
{{- $found := lookup "v1" "ConfigMap" .Release.Namespace $name -}}
{{- if not (dig "data" "ca.crt" "" ($found | default dict)) -}}
{{- $problems = append $problems (printf "authority.csr.anchorsConfigMap: namespace %s has no ConfigMap %s with ca.crt: kubectl -n %s create configmap %s --from-file=ca.crt" .Release.Namespace $name .Release.Namespace $name) -}}
{{- end -}}
{{- end -}}
{{- $problems = concat $problems (include "countersign.tokenClusterProblems" . | fromJsonArray) -}}
{{- $name := .Values.gateway.handleKeys.existingSecret -}}
{{- if and .Values.gateway.enabled $name -}}
{{- $keys := dig "data" (dict) (default dict (lookup "v1" "Secret" .Release.Namespace $name)) -}}
{{- if not $keys -}}
{{- $problems = append $problems (printf "gateway.handleKeys.existingSecret: namespace %s has no Secret %s with a key: openssl rand -out key 32 && kubectl -n %s create secret generic %s --from-file=$(date +%%F)=key" .Release.Namespace $name .Release.Namespace $name) -}}
{{- end -}}
{{- range $key, $value := $keys -}}
{{- if ne (len (b64dec $value)) 32 -}}
{{- $problems = append $problems (printf "gateway.handleKeys.existingSecret: Secret %s, %s: want=32 octets got=%d" $name $key (len (b64dec $value))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $problems | toYaml -}}
{{- end -}}
