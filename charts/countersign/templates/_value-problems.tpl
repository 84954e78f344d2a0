{{/* What the schema cannot say: a YAML list of sentences, each with the value's name first. */}}
{{- define "countersign.valueProblems" -}}
{{- $values := .Values -}}
{{- $problems := list -}}
{{- range $name := list "trustDomain" "cluster" -}}
{{- if not (get $values $name) -}}
{{- $problems = append $problems (printf "%s: required" $name) -}}
{{- end -}}
{{- end -}}
{{- if and $values.production (not $values.identityExtensionOid) -}}
{{- $problems = append $problems "identityExtensionOid: required in production; 1.3.6.1.4.1.<your private enterprise number>.1, or one made of a UUID with the command in docs/OPERATING.md, The identity extension; with production=false the example OID is taken" -}}
{{- end -}}
{{- if and $values.production (hasPrefix "1.3.6.1.4.1.32473." $values.identityExtensionOid) -}}
{{- $problems = append $problems "identityExtensionOid: 1.3.6.1.4.1.32473 is for examples only (RFC 5612); take one of your own" -}}
{{- end -}}
{{- $authority := $values.authority -}}
{{- if and (eq $authority.kind "files") (not $authority.files.secretName) -}}
{{- $problems = append $problems "authority.files.secretName: required where authority.kind is files" -}}
{{- end -}}
{{- if and (ne $authority.kind "files") $authority.files.secretName -}}
{{- $problems = append $problems (printf "authority.files.secretName: authority.kind is %s, so it would be ignored; set authority.kind=files or leave it out" $authority.kind) -}}
{{- end -}}
{{- range $name := list "signerName" "anchorsConfigMap" -}}
{{- $value := get $authority.csr $name -}}
{{- if and (eq $authority.kind "csr") (not $value) -}}
{{- $problems = append $problems (printf "authority.csr.%s: required where authority.kind is csr" $name) -}}
{{- end -}}
{{- if and (ne $authority.kind "csr") $value -}}
{{- $problems = append $problems (printf "authority.csr.%s: authority.kind is %s, so it would be ignored; set authority.kind=csr or leave it out" $name $authority.kind) -}}
{{- end -}}
{{- end -}}
{{- if eq $authority.csr.signerName $values.signerName -}}
{{- $problems = append $problems "authority.csr.signerName: is this signer, which would ask itself" -}}
{{- end -}}
{{- if regexMatch "^([^/]*\\.)?kubernetes\\.io/" $authority.csr.signerName -}}
{{- $problems = append $problems "authority.csr.signerName: want=a signer that issues CAs, none of kubernetes.io" -}}
{{- end -}}
{{- if lt (int $authority.selfSigned.lifetimeSeconds) (mul 2 (int $values.profile.lifetimeSecondsMax)) -}}
{{- $problems = append $problems "authority.selfSigned.lifetimeSeconds: has to be at least twice profile.lifetimeSecondsMax" -}}
{{- end -}}
{{- if and $values.signer.ledger.retentionDays (not $values.signer.ledger.log.secretName) -}}
{{- $problems = append $problems "signer.ledger.retentionDays: needs signer.ledger.log.secretName: what is removed is proved by a published log alone" -}}
{{- end -}}
{{- $every := int64 $authority.selfSigned.rotation.everySeconds -}}
{{- $lead := int64 $authority.selfSigned.rotation.prepareBeforeSeconds -}}
{{- if $every -}}
{{- if ne $authority.kind "selfSigned" -}}
{{- $problems = append $problems (printf "authority.selfSigned.rotation.everySeconds: authority.kind is %s, so it would be ignored: %s" $authority.kind (ternary "the signer asks for the next CA by itself" "write the next CA over the one in the Secret" (eq $authority.kind "csr"))) -}}
{{- end -}}
{{- $everyMin := max 14400 (int64 $values.profile.lifetimeSecondsMax) -}}
{{- $everyMax := sub (int64 $authority.selfSigned.lifetimeSeconds) 87000 -}}
{{- if or (lt $every $everyMin) (gt $every $everyMax) -}}
{{- $problems = append $problems (printf "authority.selfSigned.rotation.everySeconds: want=%d..%d got=%d: no shorter than a certificate's life, and a day and ten minutes less than lifetimeSeconds" $everyMin $everyMax $every) -}}
{{- end -}}
{{- $leadMin := add (int64 $values.trustBundle.propagationSeconds) 60 -}}
{{- $leadMax := div $every 2 -}}
{{- if and $lead (or (lt $lead $leadMin) (gt $lead $leadMax)) -}}
{{- $problems = append $problems (printf "authority.selfSigned.rotation.prepareBeforeSeconds: want=%d..%d got=%d: longer than trustBundle.propagationSeconds, and at most half of everySeconds" $leadMin $leadMax $lead) -}}
{{- end -}}
{{- if and (not $lead) (lt (div $every 4) $leadMin) -}}
{{- $problems = append $problems (printf "authority.selfSigned.rotation.prepareBeforeSeconds: a quarter of everySeconds is shorter than trustBundle.propagationSeconds: want=%d..%d" $leadMin $leadMax) -}}
{{- end -}}
{{- else if $lead -}}
{{- $problems = append $problems "authority.selfSigned.rotation.prepareBeforeSeconds: nothing is rotated while everySeconds is 0" -}}
{{- end -}}
{{- range $root := list "grants" "countersign" -}}
{{- if hasKey $values.policy.data $root -}}
{{- $problems = append $problems (printf "policy.data.%s: %s" $root (eq $root "grants" | ternary "say it in policy.grants" "belongs to the rules")) -}}
{{- end -}}
{{- end -}}
{{- $clusters := list $values.cluster -}}
{{- $taken := dict "kubeconfigSecretName" list "authoritySecretName" (list $authority.files.secretName (include "countersign.authoritySecret" .)) -}}
{{- $trustDomains := list $values.trustDomain -}}
{{- range $index, $remote := $values.remotes -}}
{{- if has $remote.cluster $clusters -}}
{{- $problems = append $problems (printf "remotes[%d].cluster: %s is that of another one" $index $remote.cluster) -}}
{{- end -}}
{{- if has $remote.trustDomain $trustDomains -}}
{{- $problems = append $problems (printf "remotes[%d].trustDomain: %s is that of another one: a name of one cluster would be a name of both" $index $remote.trustDomain) -}}
{{- end -}}
{{- range $field, $names := $taken -}}
{{- $name := get $remote $field -}}
{{- if has $name $names -}}
{{- $problems = append $problems (printf "remotes[%d].%s: %s is that of another one: each cluster has a signer and a CA of its own" $index $field $name) -}}
{{- end -}}
{{- $_ := set $taken $field (append $names $name) -}}
{{- end -}}
{{- $clusters = append $clusters $remote.cluster -}}
{{- $trustDomains = append $trustDomains $remote.trustDomain -}}
{{- end -}}
{{- $approver := $values.approver -}}
{{- if and $approver.enabled (not $approver.kubeletServing) (not $approver.kubeletClient) -}}
{{- $problems = append $problems "approver.kubeletServing: with approver.enabled it, approver.kubeletClient, or both" -}}
{{- end -}}
{{- if ne (empty $approver.bootstrap.groups) (empty $approver.bootstrap.nodes) -}}
{{- $problems = append $problems "approver.bootstrap: want=groups and nodes, or neither" -}}
{{- end -}}
{{- if and $approver.bootstrap.groups (not $approver.kubeletClient) -}}
{{- $problems = append $problems "approver.bootstrap.groups: they ask for client certificates; set approver.kubeletClient=true" -}}
{{- end -}}
{{- $asked := $values.certificateSigningRequests -}}
{{- if and $asked.approver.enabled (or (not $asked.enabled) $asked.approve) -}}
{{- $problems = append $problems "certificateSigningRequests.approver.enabled: it approves for a signer that answers such requests and does not; want=enabled: true and approve: false" -}}
{{- end -}}
{{- $service := $values.policy.service -}}
{{- if $service.url -}}
{{- if not $service.resource -}}
{{- $problems = append $problems "policy.service.resource: required with policy.service.url" -}}
{{- end -}}
{{- if regexMatch "(^|/)[.][.]?(/|$)" $service.resource -}}
{{- $problems = append $problems "policy.service.resource: want=a path below the URL, without . and .." -}}
{{- end -}}
{{- if eq $service.type "oci" -}}
{{- range $field, $resource := dict "service" $service.resource "candidate" $values.policy.candidate.resource -}}
{{- if and $resource (not (regexMatch "(:|@sha256:)[^/]+$" $resource)) -}}
{{- $problems = append $problems (printf "policy.%s.resource: want=<repository>:<tag> or <repository>@sha256:<64 hex digits>" $field) -}}
{{- end -}}
{{- end -}}
{{- if ne (empty $service.username) (not (has "password" $service.secretKeys)) -}}
{{- $problems = append $problems "policy.service.username: want=username and password in secretKeys, or neither" -}}
{{- end -}}
{{- $ways := list -}}
{{- range list "token" "password" ".dockerconfigjson" -}}
{{- if has . $service.secretKeys -}}{{- $ways = append $ways . -}}{{- end -}}
{{- end -}}
{{- if gt (len $ways) 1 -}}
{{- $problems = append $problems "policy.service.secretKeys: want=one of token, password and .dockerconfigjson" -}}
{{- end -}}
{{- if $service.polling.longPollingTimeoutSeconds -}}
{{- $problems = append $problems "policy.service.polling.longPollingTimeoutSeconds: a registry holds no request; want=0" -}}
{{- end -}}
{{- else if or $service.tokenUrl $service.blobHosts $service.username (has "password" $service.secretKeys) (has ".dockerconfigjson" $service.secretKeys) -}}
{{- $problems = append $problems "policy.service: tokenUrl, blobHosts, username, password and .dockerconfigjson are a registry's; set policy.service.type=oci" -}}
{{- else if or (contains ":" $service.resource) (contains ":" $values.policy.candidate.resource) -}}
{{- $problems = append $problems "policy.service.resource: a tag or a digest is a registry's; set policy.service.type=oci" -}}
{{- end -}}
{{- if not $values.policy.signature.keys -}}
{{- $problems = append $problems "policy.signature.keys: required with policy.service.url: what comes over a network is signed" -}}
{{- end -}}
{{- if $values.policy.bundleConfigMap -}}
{{- $problems = append $problems "policy.bundleConfigMap: the bundle comes from policy.service.url; leave one of them out" -}}
{{- end -}}
{{- if and $service.secretKeys (not $service.secretName) -}}
{{- $problems = append $problems "policy.service.secretName: required for policy.service.secretKeys" -}}
{{- end -}}
{{- if and $service.secretName (not $service.secretKeys) -}}
{{- $problems = append $problems "policy.service.secretKeys: required with policy.service.secretName" -}}
{{- end -}}
{{- if gt (int $service.polling.minDelaySeconds) (int $service.polling.maxDelaySeconds) -}}
{{- $problems = append $problems "policy.service.polling.minDelaySeconds: at most maxDelaySeconds" -}}
{{- end -}}
{{- else if $values.policy.signature.keys -}}
{{- $problems = append $problems "policy.signature.keys: only the bundle of policy.service.url is looked at for a signature" -}}
{{- end -}}
{{- $candidate := $values.policy.candidate -}}
{{- if and $candidate.bundleConfigMap $candidate.resource -}}
{{- $problems = append $problems "policy.candidate: want=bundleConfigMap or resource, one of them" -}}
{{- end -}}
{{- if and $candidate.resource (not $service.url) -}}
{{- $problems = append $problems "policy.candidate.resource: needs policy.service.url" -}}
{{- end -}}
{{- if regexMatch "(^|/)[.][.]?(/|$)" $candidate.resource -}}
{{- $problems = append $problems "policy.candidate.resource: want=a path below the URL, without . and .." -}}
{{- end -}}
{{- if and $values.policy.tenants (not $values.gateway.enabled) -}}
{{- $problems = append $problems "policy.tenants: bundles of tenants are asked about calls, and gateway.enabled is false" -}}
{{- end -}}
{{- $hintMax := div (int $values.trustBundle.propagationSeconds) 3 -}}
{{- if and $values.production $values.bundleEndpoint.secretName (gt (int $values.bundleEndpoint.refreshHintSeconds) (int $hintMax)) -}}
{{- $problems = append $problems (printf "bundleEndpoint.refreshHintSeconds: a third of trustBundle.propagationSeconds at most in production, %d" $hintMax) -}}
{{- end -}}
{{- if $values.gateway.enabled -}}
{{- $domains := list $values.trustDomain -}}
{{- range $values.gateway.federation -}}
{{- if has .trustDomain $domains -}}
{{- $problems = append $problems (printf "gateway.federation: trust domain %s is our own, or named twice" .trustDomain) -}}
{{- end -}}
{{- $domains = append $domains .trustDomain -}}
{{- if and $values.production (not .identityExtensionOid) -}}
{{- $problems = append $problems (printf "gateway.federation: trust domain %s: identityExtensionOid is required in production" .trustDomain) -}}
{{- end -}}
{{- end -}}
{{- $drain := $values.gateway.drain -}}
{{- if le (int $values.gateway.terminationGracePeriodSeconds) (add (int $drain.graceSeconds) (int $drain.callSecondsMax)) -}}
{{- $problems = append $problems "gateway.terminationGracePeriodSeconds: has to be longer than gateway.drain.graceSeconds and gateway.drain.callSecondsMax together" -}}
{{- end -}}
{{- $servers := list -}}
{{- $ids := dict -}}
{{- range $values.gateway.upstreams -}}
{{- if and $values.production (not (hasKey . "pins")) (not .trustOnFirstUse) -}}
{{- $problems = append $problems (printf "gateway.upstreams: server %s: pins are required in production, or trustOnFirstUse: true" .server) -}}
{{- end -}}
{{- if and $values.production (not (hasKey . "pins")) .trustOnFirstUse (not $values.gateway.firstUse.existingClaim) -}}
{{- $problems = append $problems (printf "gateway.upstreams: server %s: trustOnFirstUse needs gateway.firstUse.existingClaim in production, or each new pod would trust whatever it sees; pins need none" .server) -}}
{{- end -}}
{{- $twin := get $ids .spiffeId -}}
{{- if and $twin (ne $twin .server) -}}
{{- $problems = append $problems (printf "gateway.upstreams: servers %s and %s have one spiffeId, %s" $twin .server .spiffeId) -}}
{{- end -}}
{{- $_ := set $ids .spiffeId .server -}}
{{- if and $values.trustDomain (not (hasPrefix (printf "spiffe://%s/" $values.trustDomain) .spiffeId)) -}}
{{- $problems = append $problems (printf "gateway.upstreams: server %s is not of the trust domain %s, %s" .server $values.trustDomain .spiffeId) -}}
{{- end -}}
{{- if has .server $servers -}}
{{- $problems = append $problems (printf "gateway.upstreams: server %s is named twice" .server) -}}
{{- end -}}
{{- $servers = append $servers .server -}}
{{- end -}}
{{- if and (not $servers) (not $values.gateway.toolServers) -}}
{{- $problems = append $problems "gateway.upstreams: at least one tool server is required; gateway.enabled=false installs the signer alone" -}}
{{- end -}}
{{- end -}}
{{- if and $values.monitoring.podMonitor.enabled $values.networkPolicy.enabled (not $values.networkPolicy.scrapers) -}}
{{- $problems = append $problems "networkPolicy.scrapers: empty, so nobody could read the metrics that monitoring.podMonitor.enabled asks for" -}}
{{- end -}}
{{- $problems | toYaml -}}
{{- end -}}
