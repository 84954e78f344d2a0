/**
 * Every claim about security that we make, with its source. A test proves a claim by citing it in its body,
 * `requirement('signer.no-record-no-signature')`; a Rego test does so in a comment, `# requirement: <id>`.
 */
export interface Requirement {
  readonly claim: string
  /** The rule, incident or decision that it comes from. */
  readonly source: string
}

export const requirements: Readonly<Record<string, Requirement>> = {
  // What is claimed and what proves it
  'identity.spiffe-id-strict': {
    claim: 'only SPIFFE IDs in their one canonical form are read or made',
    source: 'SPIFFE-ID §2; OpenSSL ignores the case of name constraints',
  },
  'identity.scope-containment-exact': {
    claim: 'a tool scope contains another only on the same server and by prefix',
    source: 'docs/ISSUANCE.md',
  },
  'identity.nothing-asked-nothing-given': {
    claim: 'models and tool scopes that are not asked for are none',
    source: 'docs/ISSUANCE.md, least privilege',
  },

  // Signer
  'pki.what-others-refuse-is-refused-at-load': {
    claim: 'a CA whose leaves OpenSSL or Go would refuse signs nothing',
    source: 'RFC 5280 §6; smallstep certificates#2536, openssl#20090',
  },
  'signer.never-the-client-ca': {
    claim:
      'no CA signs, and none is published, by which the API server knows its clients, or that is below one',
    source: 'docs/OPERATING.md, the authority',
  },
  'signer.claims-need-evidence': {
    claim:
      'role, tenant, models and tool scopes are certified only as far as the cluster proves them',
    source: 'KEP-4317: unverifiedUserAnnotations are not verified by the API server',
  },
  'signer.ceiling-is-an-intersection': {
    claim: 'neither a namespace label nor a service account annotation alone widens a ceiling',
    source: 'docs/ISSUANCE.md',
  },
  'signer.role-is-an-intersection': {
    claim:
      'nobody holds a role that the service account does not name or that the namespace does not allow',
    source: 'docs/ISSUANCE.md, claims and proofs',
  },
  'signer.claim-proved': {
    claim:
      'a pod that comes of a pool serves the live claim that its owners lead to, each by its UID, and says so in its certificate',
    source: 'docs/ISSUANCE.md, pods that are given away',
  },
  'signer.claim-names-allowed-tenant': {
    claim:
      'a claim names a tenant only where its namespace has none and allows that one, and never another than its namespace has',
    source: 'docs/ISSUANCE.md, pods that are given away',
  },
  'signer.unclaimed-serves-nobody': {
    claim: 'a pod that was not given to anybody yet has neither a tenant nor a ceiling',
    source: 'docs/ISSUANCE.md, pods that are given away',
  },
  'signer.unknown-annotation-refused': {
    claim: 'a request with an annotation key that we do not know is refused',
    source: 'KEP-4317, InvalidUnverifiedUserAnnotations',
  },
  'signer.pod-bound': {
    claim:
      'pod, service account and node are compared by UID, and the pod runs on that node and is not ending',
    source: 'NodeRestriction checks node users only, and is off in a bare API server',
  },
  'signer.draining-keeps-identity': {
    claim:
      'a pod that is being deleted keeps its identity while it runs, and gets no first certificate',
    source: 'kubelet gives up for good on Denied, and a pod may drain for hours',
  },
  'signer.key-of-one-pod': {
    claim:
      'a key that was certified for one pod is certified for no other, whichever replica is asked',
    source: 'a key that moves was copied',
  },
  'signer.evidence-holds-until-signed': {
    claim:
      'what has changed between evidence and signature is noticed, and nothing is signed on it',
    source: 'docs/ISSUANCE.md, from request to certificate',
  },
  'signer.volume-declared': {
    claim: 'the pod itself declares the volume that the certificate is for',
    source: 'whoever may create requests can name any pod',
  },
  'signer.pods-ask': {
    claim:
      'a pod that asks by a CertificateSigningRequest is who the API server states that it is, and gets what it would get of a kubelet, where its author declared it',
    source: 'KEP-4193; DESIGN §2 CSR mode; cert-manager/csi-driver-spiffe#513',
  },
  'issued.agent-only': {
    claim:
      'nobody but a live pod of the configured agent asks for an IssuedCertificate, and it names the resource and the account with their UIDs',
    source: 'issue 11, item 5: one remote is unable to speak for another',
  },
  'issued.as-declared': {
    claim:
      'what is asked for an IssuedCertificate is what the live resource of that namespace declares, evaluated as a pod’s',
    source: 'issue 11, item 5: the same evaluation, with evidence of the remote cluster',
  },
  'issued.declared-until-signed': {
    claim:
      'an IssuedCertificate that is gone, was made anew or asks for something else by the time of the signature has none',
    source: 'issue 11, item 5: the same evaluation; a pod that is gone by then has none either',
  },
  'issued.nothing-of-the-agent': {
    claim:
      'a certificate of an IssuedCertificate has no DNS name, no tenant and no claim by the pod that asked for it',
    source: 'docs/ISSUANCE.md, What an agent asks for others',
  },
  'issued.asks-only-what-it-may': {
    claim:
      'the agent sends no request for a name of another namespace or trust domain, nor one with an annotation that is no claim',
    source: 'issue 11, bad input: hosts that are no names; requests are read by others, too',
  },
  'issued.state-is-true': {
    claim:
      'the state of an IssuedCertificate is told of what was seen, none is skipped, and what is refused leaves the Secret as it is',
    source: 'Gloo Mesh, IssuedCertificate: ISSUED was said while the request was pending',
  },
  'issued.own-secret': {
    claim: 'a Secret that was not made for the IssuedCertificate is never written',
    source: 'issue 11, bad input: nothing overwritten, nothing lost',
  },
  'issued.verified-before-kept': {
    claim:
      'a chain is kept only for the key and the name that were asked for, below a published anchor',
    source: 'the API server takes a certificate for another key',
  },
  'issued.resumes-anywhere': {
    claim:
      'whatever fails at whichever write, an IssuedCertificate has one request at a time, its key in its Secret alone, and comes to its end',
    source: 'issue 11, item 5: either side killed at any step resumes',
  },
  'issued.restarts-once': {
    claim:
      'after an issuance a pod that had run by then is evicted once at most, and no other is, whatever fails and whoever is killed when',
    source: 'issue 11, item 5: never twice for one issuance, resumable',
  },
  'issued.restarts-one-at-a-time': {
    claim:
      'pods are restarted in the order that the resource gives, each when those before it are there again and ready',
    source: 'Gloo Mesh, IssuedCertificate: all pods were deleted at once',
  },
  'issued.restart-undoes-nothing': {
    claim:
      'a restart that a budget refuses, that nobody would follow or that the agent may not make is told of, and touches neither the certificate nor the next one',
    source: 'issue 11, item 5: a bounce that cannot be done says so and does not undo the issuance',
  },
  'issued.ends-when-revoked': {
    claim:
      'a revoked certificate has no key in its Secret before its resource says so, and no other is asked for until that is lifted, nor while it is not known what is revoked',
    source: 'issue 11, item 5: revocation travels',
  },
  'intermediate.requester-proved': {
    claim:
      'a CA is signed for a live pod of the one service account that is registered for that cluster, and for nobody else',
    source: 'issue 11, item 5: only registered remotes; one remote is unable to speak for another',
  },
  'intermediate.nothing-chosen': {
    claim:
      'of a request for a CA the key alone is used, which was made for it; what else it asks for beyond what is registered is denied',
    source: 'RFC 2986 asks for anything; issue 11, item 5: pathLen 0, name-constrained',
  },
  'intermediate.bound-to-its-cluster': {
    claim:
      'a CA for another cluster signs leaves alone, with names of its trust domain and its Services: others refuse the rest',
    source: 'RFC 5280 §4.2.1.9, §4.2.1.10; X509-SVID §4.2',
  },
  'intermediate.trust-domain-of-its-own': {
    claim:
      'no CA is signed for another cluster in the trust domain of the hub, or of a cluster that the hub is told of',
    source: 'a CA can name whomever its trust domain has',
  },
  'intermediate.within-the-life-above': {
    claim: 'a CA for another cluster ends no later than the one above it, and as it is registered',
    source: 'issue 11, item 5; RFC 5280 §6',
  },
  'intermediate.recorded-before-signed': {
    claim: 'no CA is signed without a record of it that is durable, and how it ended is recorded',
    source: 'CT log incidents: signed and not logged',
  },
  'intermediate.one-for-a-request': {
    claim:
      'whatever fails wherever, a request for a CA has one certificate at most, and its record says what became of it',
    source: 'issue 11, item 5: either side killed at any step resumes',
  },
  'intermediate.ends-when-revoked': {
    claim:
      'a CA whose issuance is revoked signs nothing from then on, and nothing below it is let in where the Revocation is known',
    source: 'issue 11, item 5: revocation travels',
  },
  'approver.requester-proved': {
    claim:
      'a certificate of a node is approved for the node itself, for the service account that configuration binds to it, or for its first time as configured; the subject is the node’s own',
    source:
      'Kubernetes, certificate signing requests: kubelet-serving is approved by nobody by itself',
  },
  'approver.names-proved': {
    claim:
      'every name and address of a serving certificate is configured for its node, or the node’s own by now, no other node’s, and never the API server’s',
    source: 'NodeRestriction lets a kubelet write any address into its own status',
  },
  'approver.usages-exact': {
    claim:
      'usages are those of the certificate and the key, the key is of a type that is allowed, nothing else is asked for, and a longer life is refused',
    source: 'k8s.io/kubernetes pkg/apis/certificates/helpers.go',
  },
  'approver.recorded-first': {
    claim:
      'an answer is in the ledger before it is written, and is written on evidence that was read after that',
    source: 'an approval cannot be taken back',
  },
  'approver.never-signs': {
    claim: 'the approver has no right to sign, and approves for the signers of nodes alone',
    source: 'issue 11, two steps under two service accounts',
  },
  'approver.storm-bounded': {
    claim: 'who makes many requests takes no more memory and no more turns than others',
    source: 'whoever may create CertificateSigningRequests may create many',
  },
  'signer.approved-before-signed': {
    claim:
      'no CertificateSigningRequest is signed that is not approved, and no approval stands for a proof',
    source: 'KEP-1513; the API server takes a certificate without an approval',
  },
  'signer.approver-proves': {
    claim:
      'whoever approves for a signer approves what the signer’s own evaluation proves, records it before, signs nothing, and is believed by no signer',
    source: 'KEP-1513; an approval cannot be taken back, and time passes until it is signed',
  },
  'signer.request-asks-for-nothing': {
    claim: 'a PKCS#10 request that asks for a name is refused',
    source: 'the API server does not read the contents of stubPKCS10Request',
  },
  'signer.denied-only-proven': {
    claim:
      'Denied is written only for a proven violation; what may pass waits; Failed is never written',
    source: 'kubelet gives up for good on Denied and Failed',
  },
  'signer.absence-is-asked-live': {
    claim: 'that something is absent is believed only from the API server, never from a cache',
    source: 'cert-manager#5216, spire#1216',
  },
  'signer.neither-starves': {
    claim:
      'pods that start cannot keep those waiting that refresh, nor the other way round, nor a node or namespace those of another',
    source: 'docs/ISSUANCE.md, from request to certificate',
  },
  'signer.one-replica-a-request': {
    claim:
      'a request is one replica’s first, and another’s once that is silent or does nothing: no pod waits for a replica that is gone',
    source: 'docs/ISSUANCE.md, several replicas',
  },
  'signer.ended-is-no-attack': {
    claim: 'a request for a pod that is over is refused apart from those that ask for too much',
    source: 'KEP-4317: a kubelet that starts again asks for each pod on its disk',
  },
  'signer.revocations-travel': {
    claim:
      'what is revoked on the hub for a trust domain is revoked in its cluster within seconds, is put back there, and is lifted by what the hub says of it alone: not while it cannot be read, and not by its absence',
    source: 'issue 11, item 5: revocation travels',
  },
  'signer.policy-only-narrows': {
    claim:
      'the issuance policy refuses or shortens and never widens; a broken one makes requests wait',
    source: 'docs/ISSUANCE.md',
  },
  'signer.warn-waives-no-identity': {
    claim:
      'no mode of enforcement waives what proves who asks: pod, service account, node, key, volume, profile, and that a kubelet asked',
    source:
      'docs/ISSUANCE.md, how strictly; a webhook that fails open admits whatever it was to refuse',
  },
  'signer.warn-issues-the-proved': {
    claim:
      'a warned namespace gets the certificate that it would get without the claims that fail, and what would be denied is on record',
    source: 'docs/ISSUANCE.md, how strictly',
  },
  'signer.modes-by-configuration': {
    claim:
      'a namespace is enforced unless the configuration of the signer names it; where it is off, nothing is issued or denied',
    source: 'Pod Security Admission takes its mode from a label of the namespace that it guards',
  },
  'signer.no-record-no-signature': {
    claim: 'no key signs before the intent is durable in the ledger',
    source: 'Boulder: intent before the key moves',
  },
  'signer.new-ca-waits-for-readers': {
    claim: 'a CA that is new signs nothing before readers have had time to take up its anchor',
    source: 'kubernetes#141439, linkerd2#4287; SPIFFE Federation §4.1',
  },
  'signer.rotation-by-proof': {
    claim:
      'a CA signs in its turn alone: not before its anchor is proved to be published for long enough, and not after it was replaced',
    source: 'DESIGN §2 CA sources; spiffe/spire#1934, #6964; teleport#1945',
  },
  'signer.by-the-clock-of-the-cluster': {
    claim:
      'by a clock that is more than a minute off the API server’s nothing is signed or denied, and no anchor is added or taken away',
    source: 'RFC 5280 §4.1.2.5; kubernetes.md 3.3: notBefore within five minutes',
  },
  'signer.rotates-by-schedule': {
    claim:
      'by schedule a CA is replaced by whichever replica publishes the anchors, in the steps and with the proof of the commands, and never by a clock that is wrong',
    source: 'DESIGN §2 CA sources; SPIRE: prepare and activate by remaining life',
  },
  'signer.follows-the-version-that-is-served': {
    claim:
      'a signer that runs follows requests in the version in which kubelets ask, also after an upgrade, and by no answer that API servers do not agree on',
    source:
      'kubernetes.io: version skew policy; KEP-4317: v1beta1 is no longer served by default from 1.37',
  },
  'signer.asks-for-its-ca-once': {
    claim:
      'a CA is asked for by one request at a time, which is waited for and asked anew when it is refused, whoever is killed meanwhile, and nothing else takes its place',
    source:
      'DESIGN §2 CA sources; cert-manager/csi-driver-spiffe: a lost request is never waited for',
  },
  'signer.requested-ca-below-a-configured-anchor': {
    claim:
      'a CA that was asked for signs only when it keeps every rule of a CA in files and leads to an anchor that is configured; one that comes with the answer vouches for nothing',
    source: 'kubernetes.io certificates.k8s.io/v1: status.certificate has no root; RFC 5280 §6.1',
  },
  'signer.anchors-before-signatures': {
    claim: 'no authority signs before its anchors are in the published trust bundle',
    source: 'docs/ISSUANCE.md',
  },
  'signer.anchors-copied-to-who-asks': {
    claim:
      'the ConfigMaps that ask have an anchor before it counts as published, the holder of the Lease alone writes them, and nothing is read from them',
    source: 'docs/OPERATING.md, Trust bundles in ConfigMaps',
  },
  'signer.bundle-sequence': {
    claim:
      'the sequence number of the published anchors rises with each change, by all replicas alike, also where somebody else has written or deleted them',
    source: 'SPIFFE Trust Domain and Bundle §4.1.1',
  },
  'kubernetes.version-absence-is-proved': {
    claim:
      'an API version counts as not served only where its group is found and does not list it: no other 404 lets a signer go on without',
    source: 'load balancers that answer 404 with text; kubernetes#104748',
  },
  'federation.published-anchors-only': {
    claim:
      'other trust domains are told of the anchors that the cluster publishes, and of no others',
    source: 'SPIFFE Federation §4.1; docs/ISSUANCE.md',
  },
  'federation.own-anchors-only': {
    claim:
      'of the bundle of another trust domain only X.509 anchors of that trust domain count; without one nobody of it is let in',
    source: 'SPIFFE Trust Domain and Bundle §4.2; X509-SVID §6.2',
  },
  'federation.each-by-its-own-anchors': {
    claim:
      'a certificate is verified with the anchors of its own trust domain alone, and nobody of another can be one of ours',
    source: 'SPIFFE Federation §4.2, §7.3; OpenSSL takes any anchor of its list for any name',
  },
  'federation.names-stay-apart': {
    claim:
      'tenant, namespace and role of another trust domain never count as ours, in policy, revocations, shares or tokens',
    source: 'two clusters name their tenants alike',
  },
  'federation.ceiling-of-both': {
    claim:
      'a workload of another trust domain is under the ceiling that both trust domains give it',
    source: 'docs/AUTHORIZATION.md',
  },
  'federation.ends-with-anchors': {
    claim:
      'when another trust domain withdraws an anchor, or its bundle was last read too long ago, open connections below it end',
    source: 'SPIFFE Federation §4.1; a TLS connection outlives its anchor',
  },
  'federation.endpoint-proved': {
    claim:
      'a bundle is taken from the endpoint that was configured, proved as configured, and from nowhere that it sends us to',
    source: 'SPIFFE Federation §5.2, §7.2',
  },
  'federation.no-older-bundle': {
    claim: 'a bundle whose sequence number is lower than that of the one in force is refused',
    source: 'SPIFFE Trust Domain and Bundle §4.1.1',
  },
  'signer.requester-shown-by-policy': {
    claim:
      'a record says that a kubelet made the request only where the admission policy was in force from before it until after',
    source: 'docs/ISSUANCE.md, who made the request',
  },
  'signer.terminal-is-final': {
    claim: 'an answer that stands is never written over, whatever two replicas do at once',
    source: 'PodCertificateRequest status is immutable once terminal',
  },

  // PKI
  'pki.proof-of-possession': {
    claim: 'a key is certified only for whoever proves to hold it',
    source: 'RFC 2986 §3; KEP-4317 proofOfPossession',
  },
  'pki.key-types': {
    claim:
      'RSA 3072 and 4096, P-256, P-384, P-521 and Ed25519 are certified, nothing weaker or odder',
    source: 'KEP-4317 key types',
  },
  'pki.der-strict': {
    claim: 'what is read as DER has one encoding, definite and minimal, with nothing behind it',
    source: 'X.690 §10; X.509 parser differentials',
  },
  'pki.inspect-before-publish': {
    claim: 'what was signed is parsed and checked against every rule before anybody sees it',
    source: 'Boulder: what is signed is linted',
  },
  'pki.prepared-once': {
    claim: 'a prepared certificate is signed once, with the serial number that the ledger holds',
    source: 'RFC 5280 §4.1.2.2; Boulder issuance',
  },
  'pki.leaf-within-issuer': {
    claim: 'no certificate outlives the one that signed it',
    source: 'linkerd#3880',
  },
  'pki.key-elsewhere': {
    claim:
      'a key that is kept elsewhere signs for the certificate that it proves to belong to, and nothing for a CA that was replaced meanwhile',
    source: 'docs/OPERATING.md, a key in a token',
  },
  'pki.token-pin-tried-once': {
    claim: 'a PIN that the token has refused is not tried again, so that no signer locks it',
    source: 'PKCS#11 2.40 §5.6, CKR_PIN_LOCKED',
  },
  'pki.svid-rules': {
    claim: 'a peer is an X509-SVID: one URI, no CA bit, its key usages, both extended usages',
    source: 'X509-SVID §5.2; OpenSSL accepts certificates that are not SVIDs',
  },
  'pki.anchors-of-own-domain': {
    claim: 'a certificate is verified with the anchors of its own trust domain and no others',
    source: 'SPIFFE_Federation §7.3',
  },
  'pki.extension-fails-closed': {
    claim: 'an identity extension that is not exactly version 1 is no identity',
    source: 'RFC 5280 §4.2; SPIFFE-ID §4.1.3',
  },
  'pki.rotation-keeps-last-good': {
    claim: 'a broken file never replaces good material in use',
    source: 'linkerd#15109',
  },

  // Ledger
  'signer.records-fit': {
    claim: 'no request makes a record that does not fit the ledger: what is long is cut or denied',
    source: 'C2SP tlog-tiles: an entry has a 16-bit length',
  },
  'ledger.durable-before-answer': {
    claim: 'an append is answered after fsync, and not at all when it fails',
    source: 'draft-ietf-wimse-aims: records are durable',
  },
  'ledger.tampering-shows': {
    claim:
      'a changed record before the last one is found on opening; removal and reordering show against a head kept elsewhere',
    source: 'RFC 6962 §2.1',
  },
  'ledger.torn-tail-recovered': {
    claim: 'a crash within an append loses that record and no other, and says so',
    source: 'a process may be killed within a write',
  },
  'ledger.file-stands': {
    claim: 'a ledger whose file is removed, renamed, cut or replaced takes no more records',
    source: 'boulder#5887: what is written to an unlinked file is in no ledger',
  },
  'ledger.segments-stand': {
    claim:
      'a ledger goes on in a new file without losing a record at any crash, and a segment that is cut, changed, missing or another is named',
    source: 'RFC 6962 §2.1: a tree goes on from its compact range',
  },
  'ledger.retention-keeps-proofs': {
    claim:
      'what retention has removed is on the published record before it goes, whatever was proved of it still is, and a theft is told from it',
    source: 'C2SP tlog-tiles: entries may be pruned, and the tree stands',
  },
  'ledger.retention-removes-what-cannot-matter': {
    claim:
      'no segment is removed, and none is left out at a start, that speaks of a certificate that is held or of an intent that is open',
    source: 'a clock that jumps ahead would remove all of it',
  },
  'ledger.published-as-log': {
    claim:
      'a ledger is published as a log that others read: signed checkpoints over tiles of its tree',
    source: 'C2SP tlog-checkpoint, tlog-tiles, signed-note',
  },
  'ledger.checkpoint-kept': {
    claim: 'a ledger that has less, or other, than its last checkpoint says is not opened',
    source: 'C2SP tlog: a log never shows two histories',
  },
  'ledger.proofs-verify': {
    claim:
      'that a record is in the ledger, and that a ledger goes on from an earlier one, is proved',
    source: 'RFC 6962 §2.1.1, §2.1.2',
  },
  'ledger.verify-names-the-place': {
    claim:
      'what was changed or cut in a ledger or its log is told with its place, and so is a history written anew',
    source: 'RFC 6962 §2.1; C2SP tlog-cosignature',
  },
  'ledger.who-held-what-when': {
    claim: 'the ledgers of all replicas together say which pod held which certificate when',
    source: 'draft-ietf-wimse-aims: remediation',
  },
  'ledger.requests-joined-with-audit-log': {
    claim: 'every recorded request that no kubelet made is named from the audit log',
    source: 'KEP-4317: whoever may create requests may create them for any pod',
  },
  'ledger.one-writer': {
    claim: 'two processes never write one ledger',
    source: 'C2SP tlog: a log never shows two histories',
  },

  // Policy
  'policy.steps-bounded': {
    claim:
      'an evaluation ends after a bounded number of steps, the same for the same question, and the next one is not affected',
    source: 'a rule of one line ran for minutes in the module',
  },
  'policy.absence-is-told': {
    claim:
      'policy check warns of rules by which a call passes that lacks an argument, and of none of the shipped ones, of policy new or of the documents',
    source:
      'issue 12, typed input: a natural `not startswith(…)` allows a call without the argument',
  },
  'policy.patterns-linear': {
    claim:
      'a search for a pattern, whoever wrote it, takes work in proportion to pattern and text, all of it is paid for in steps as it is done, and what is kept of it is bounded',
    source: 'ReDoS (CWE-1333): OPA promises RE2, and JavaScript has a backtracking engine',
  },
  'policy.time-of-record': {
    claim:
      'rules have no clock but the time of the decision that is in its record: what rests on it is kept for no other decision, a replay finds the same, and where the record has none, or hides it, nothing is said',
    source: 'issue 12, builtins; OPA, decision logs: nondeterministic builtins',
  },
  'policy.caller-rules-kept': {
    claim:
      'what rules give of a caller, and of what it asks for, is kept for that alone, and only where it is frozen',
    source: 'issue 12, the engine',
  },
  'policy.tests-as-enforced': {
    claim:
      'policy test runs on the engine that enforces, and no test or case that opa test finds failing passes there',
    source: 'issue 12, the author’s loop',
  },
  'policy.coverage-never-flatters': {
    claim:
      'policy test counts a row as covered only when all that begins in it was come to, the head of a rule when a body has held, and counts rows that no test asks for',
    source: 'issue 12, the author’s loop: line coverage from the plan’s own rows',
  },
  'policy.build-is-tested': {
    claim: 'policy build writes no bundle that a gateway would refuse',
    source: 'issue 12, the author’s loop',
  },
  'policy.replay-never-guesses': {
    claim:
      'a replay tells what a candidate would allow that was denied, and says of a decision that rests on what its event does not show that it is not replayable',
    source: 'issue 12, replay',
  },
  'policy.issuance-logged': {
    claim:
      'where a signer has a decision log, nothing follows from an answer of the issuance policy that the log has not taken; what is only supposed is in no log',
    source: 'issue 12, issuance policy',
  },
  'policy.issuance-replayed': {
    claim:
      'of what a signer has decided a replay tells that a certificate would be given that was denied, or live longer, and takes no answer for a decision that a signer would not',
    source: 'issue 12, issuance policy',
  },
  'policy.plan-is-no-text': {
    claim:
      'a plan becomes a program of our own words and of numbers alone, anything unknown in it is refused, and one that the build has made runs for its own plan and no other',
    source: 'code injection by a bundle (CWE-94)',
  },
  'policy.plan-agrees': {
    claim:
      'plan and module of the rules give one answer to every question, and a bundle on which they differ is refused',
    source: 'issue 12, the engine',
  },
  'policy.cannot-fail-open': {
    claim: 'an undefined result, a trap, a lack of memory or an odd result is a refusal',
    source: 'GHSA fail-open class: CVE-2026-12773',
  },
  'policy.nothing-granted-nothing-allowed': {
    claim: 'without a grant that covers it, the default policy allows no call',
    source: 'docs/AUTHORIZATION.md',
  },
  'policy.grant-of-a-definition': {
    claim:
      'a grant that names a digest gives the tool as it is defined with it and no other, in lists and calls alike',
    source: 'OWASP MCP Top 10: tool poisoning; docs/AUTHORIZATION.md, the default policy',
  },
  'policy.list-is-call': {
    claim: 'what a list hides, a call refuses: one policy decides both',
    source: 'CVE-2026-77243, CVE-2026-14537',
  },
  'policy.bundle-refused-whole': {
    claim: 'a bundle with a missing entrypoint or an unknown builtin is never put into force',
    source: 'a module calls out for what it needs by number, and only when it comes to it',
  },
  'policy.bundle-strict': {
    claim:
      'a bundle has plain files alone, each of one place, within its limits of octets, files and paths, or it is refused as a whole',
    source:
      'archives that write elsewhere (CWE-22), archives that fill memory (CWE-409); OPA takes names by their end, so that x.manifest is a manifest',
  },
  'policy.bundle-signed': {
    claim:
      'where signatures are required, a bundle is one whole that a known key has signed, and never an older one than that in force',
    source:
      'OPA management-bundles, signing; its holes: no keyid, deltas, excluded files, rollback',
  },
  'policy.bundle-tested': {
    claim:
      'no bundle comes into force before it has passed its test, in a process that can be ended, and what does not pass it changes nothing',
    source: 'issue 12, activation: a module that never returns, a memory bomb',
  },
  'policy.last-good-stays': {
    claim:
      'a bundle or data that is not good leaves the last good one in force and says why, and the record names what decided',
    source: 'issue 12, activation; OPA management-bundles',
  },
  'policy.shadow-changes-nothing': {
    claim:
      'a candidate that is asked beside the policy in force changes no answer and delays none, whatever is wrong with it',
    source: 'issue 12, shadow',
  },
  'policy.nearest-is-tried': {
    claim:
      'a way to a permit is told only where the rules permit the call with it, and nothing is guessed of what a log does not show',
    source: 'issue 12, explain: the nearest grants',
  },
  'policy.nearest-for-operators': {
    claim: 'what a model may read of the way to a permit names nothing that its call has not named',
    source: 'issue 12, explain: what the model may read and what an operator may',
  },
  'policy.tried-only-as-said': {
    claim:
      'a denial of a platform’s own rules lets a call pass only where it says by the boolean false that it is not enforced and can be read; one of a tenant’s bundle denies whatever it says',
    source: 'docs/POLICY.md, rules of your own',
  },
  'policy.history-kept-first': {
    claim:
      'what a permit wants kept of its caller is kept before anything follows from it; a permit of which that cannot be kept, or that names what the policy has not declared, is none',
    source: 'issue 12 §5, bounded history; CWE-367, time of check and time of use',
  },
  'policy.history-no-race': {
    claim:
      'of two calls of an identity at a time the later one is decided on with what the earlier one has left, whatever their order and the processes that they reach',
    source: 'issue 12 §5, bounded history; CWE-362, race condition',
  },
  'policy.history-bounded': {
    claim:
      'a history has so many facts of so many identities as policy declares and the gateway has room for, and nobody makes it forget what still counts',
    source: 'issue 12 §5, bounded history; CWE-770',
  },
  'policy.history-shared': {
    claim:
      'processes and replicas that serve beside each other have one history, or none and permit nothing that wants one',
    source: 'issue 12 §5, bounded history: shared by replicas',
  },
  'policy.history-recorded': {
    claim:
      'the event of a decision has the history that it was taken with, so that a replay needs no other, and policies that keep nothing are asked as before',
    source: 'issue 12 §5, bounded history: deterministic in replay',
  },
  'policy.tenant-confined': {
    claim:
      'the bundle of a tenant is asked about calls of its own tenant alone, can deny and nothing else, and has neither rules nor data beyond its root',
    source: 'issue 12, bundles: disjoint roots',
  },
  'policy.tenant-lists': {
    claim:
      'a list shows a tenant nothing that its own bundle denies, unless each of its denials says that it is listed, and what is kept of lists is of the bundles in force',
    source: 'issue 12, bundles of tenants',
  },
  'policy.tenant-fails-alone': {
    claim:
      'a bundle of a tenant that is not good or has no answer refuses calls of that tenant, and of no other',
    source: 'issue 12, bundles: disjoint roots',
  },
  'policy.promoted-as-named': {
    claim:
      'what is promoted or rolled back is what was named, has passed what gateways ask of a bundle, and is recorded with who did it',
    source: 'issue 12, shadow: promote',
  },
  'policy.shadow-same-data': {
    claim:
      'a candidate is held against the policy in force with the same data, so that a difference is the rules’',
    source: 'issue 12, shadow',
  },
  'policy.bundle-followed': {
    claim:
      'whatever a bundle server sends, says or leaves unsaid, the last good bundle serves on and the status says why; without one, everything is denied and the program is not ready',
    source:
      'OPA management-bundles, download and persistence; issue 12: truncated, lying ETag, rolled back, slow, redirected, huge',
  },
  'policy.bundle-by-digest': {
    claim:
      'of an OCI layout or a registry nothing is parsed but what its digest names, and what is meant is one manifest with one bundle',
    source: 'OCI image spec, Descriptor: verification; issue 12, bundles: OCI layout and registry',
  },
  'policy.registry-credentials-stay': {
    claim:
      'what a registry is asked with goes to the registry and the token server that is named, wherever the registry sends us',
    source: 'CVE-2020-15157 (a registry that has credentials sent elsewhere); CWE-918',
  },
  'policy.octets-decided': {
    claim:
      'policy decides on the octets of the arguments as they came, and one digest of them is in input, log and token',
    source: 'CWE-436, interpretation conflict; RFC 8259 §6 and §9',
  },
  'policy.log-never-silent': {
    claim:
      'a decision that the log could not take is refused, or counted in a metric and told by number in the log',
    source: 'CWE-778, insufficient logging; OPA drops events of a full buffer',
  },
  'policy.drops-are-told': {
    claim:
      'no rule drops a decision from the log unless the operator lets rules do so, and then the log tells how many each revision has dropped',
    source: 'OPA decision logs, drop; CWE-778, insufficient logging',
  },
  'policy.log-files-end': {
    claim:
      'no file of the decision log takes lines for longer than decisionLog.fileSecondsMax, also while nobody calls',
    source: 'issue 12, rotated by size and time; CWE-779, logging of excessive data',
  },
  'policy.upload-loses-nothing': {
    claim:
      'an event that the decision log holds is sent until its receiver has taken it, whole: a crash, a receiver that is down and a log that is full lose none',
    source:
      'CWE-778, insufficient logging; OPA keeps what is to be sent in memory, and drops the oldest',
  },
  'policy.log-tampering-shows': {
    claim:
      'a line of a decision log that was changed, cut, put in or moved, and a file of it that is missing, show with their place to whoever has the log’s public key',
    source: 'CWE-117, CWE-778; NIST SP 800-92 §5.4; C2SP tlog-checkpoint, signed-note',
  },
  'policy.log-signs-what-is-there': {
    claim:
      'a checkpoint of a decision log covers lines that its files hold, and after a crash the lines before it are looked at again: what was removed, cut or written to by others is never signed for, and said',
    source: 'C2SP tlog: a log never shows two histories',
  },
  'policy.upload-credentials-stay': {
    claim:
      'what decisions are sent with is read from its file for each chunk, goes to the configured receiver alone, and is in no error',
    source: 'CWE-532, CWE-522; RFC 6750 §5.3',
  },
  'policy.log-masks-arguments': {
    claim: 'what the mask policy names is never written to the decision log',
    source: 'OPA decision logs, masking',
  },

  // Gateway
  'gateway.client-certificate-required': {
    claim: 'no request is read without a client certificate of the trust domain',
    source: 'CVE-2026-11624 class: open bind',
  },
  'gateway.no-tickets': {
    claim: 'no TLS session is resumed',
    source: 'a resumed session accepts an expired certificate (Node, OpenSSL)',
  },
  'gateway.expired-open-connection': {
    claim:
      'a certificate that expires ends its open connections and streams, and no request passes after it',
    source: 'an open TLS connection stays authorized (Node, OpenSSL)',
  },
  'gateway.revoked-open-connection': {
    claim: 'a revocation refuses the next request of an open connection and ends its streams',
    source: 'docs/AUTHORIZATION.md',
  },
  'gateway.pod-gone': {
    claim: 'the certificate of a pod that is gone is refused',
    source: 'spiffe#105: leaf revocation',
  },
  'gateway.issued-is-no-pod': {
    claim:
      'the certificate of an IssuedCertificate is neither caller nor tool server of a gateway that follows the pods of its trust domain; to one of another it ends by a revocation of the UID of the resource',
    source: 'docs/ISSUANCE.md, What an agent asks for others',
  },
  'gateway.unknown-callers-looked-at-again': {
    claim:
      'what a caller has open goes on for a bounded time while it cannot be known whether it still counts, and is looked at every second',
    source: 'docs/AUTHORIZATION.md, fail closed; reproduced: a stream outlived its pod',
  },
  'gateway.gone-callers-not-spoken-for': {
    claim:
      'nothing is begun for a caller that has gone away while it was judged, and a long answer that nobody reads any more is read no further',
    source: 'reproduced: a call without a caller, which no bound counted',
  },
  'gateway.gone-callers-charged': {
    claim:
      'what a request takes is its caller’s until its answer is over and nothing is done for it any more, whichever is later',
    source:
      'reproduced: 30 lists of 8 MiB in line whose callers had gone, 265 MiB charged to nobody',
  },
  'gateway.lists-end-with-certificates': {
    claim:
      'no list may be kept by its caller for longer than the certificate lasts that it was made for',
    source: 'MCP 2026-07-28 caching; docs/AUTHORIZATION.md',
  },
  'gateway.bodies-take-turns': {
    claim:
      'however many long bodies come at once, one of them is judged in a turn of the loop, and tenants take turns',
    source: 'CVE-2026-0621: a body that costs long to read keeps everybody waiting',
  },
  'gateway.lists-take-turns': {
    claim:
      'a long list keeps nobody waiting for more than a piece of it, and any number of them no other identity',
    source:
      'reproduced: a list of 500 new tools kept every other caller waiting for 41 ms, and 200 of them every other list for 2.3 s',
  },
  'gateway.lists-decided-anew': {
    claim:
      'what policy has said of a list holds for that caller, policy, data and definitions, and for seconds; anything else is decided anew',
    source: 'docs/AUTHORIZATION.md, lists',
  },
  'gateway.label-drift': {
    claim:
      'a certificate counts no longer than its namespace has the labels that prove its role and its tenant',
    source: 'docs/ISSUANCE.md, claims and proofs: what would not be certified now',
  },
  'gateway.claim-moves': {
    claim:
      'a certificate counts no longer than its pod serves the claim that it names, and that of a pool only until its pod is claimed; what the pod was given by then is of no use for another claim',
    source: 'docs/ISSUANCE.md, pods that are given away: what would not be certified now',
  },
  'gateway.stale-watch-refuses': {
    claim:
      'when pods or revocations cannot be watched for too long, calls are refused and streams end',
    source: 'docs/AUTHORIZATION.md, fail closed',
  },
  'pki.extension-is-ones-own': {
    claim:
      'in production the number of the identity extension is one of our own, never the example',
    source: 'RFC 5612: numbers for documentation may be anybody’s',
  },
  'policy.data-checked': {
    claim:
      'policy data that its schemas do not know, or that says a member twice, is refused whole, at the start and on change',
    source:
      'RFC 8259 §4: of two members of one name readers take either; a misspelt grant grants nothing',
  },
  'gateway.ended-means-not-begun': {
    claim:
      'a request that is told 408 on a connection that ends was not begun, so that it may be repeated whatever it asks for',
    source: 'RFC 9110 §15.5.9; a tool call that is repeated may do its work twice (§9.2.2)',
  },
  'agent.repeats-only-what-was-not-begun': {
    claim: 'a tool call is sent a second time only where the first was certainly not begun',
    source: 'RFC 9110 §9.2.2, RFC 9112 §9.3.1',
  },
  'gateway.repeats-only-what-was-not-begun': {
    claim:
      'a call reaches a tool server a second time only where the first was certainly not begun, or the server says that twice does no more than once',
    source: 'RFC 9110 §9.2.2, RFC 9112 §9.3.1',
  },
  'gateway.upstream-answers-framed-one-way': {
    claim:
      'an answer of a tool server whose end two readers could see in two places ends its connection',
    source: 'RFC 9112 §6.3, §11.2',
  },
  'gateway.answer-ends-exchange': {
    claim:
      'the answer to its id ends an exchange, and with it the seat, whatever the tool server keeps open; what it still sends is read within a bound',
    source: 'MCP 2026-07-28 transports, streams',
  },
  'gateway.server-requests-reach-nobody': {
    claim:
      'what a tool server asks its client without leave is answered by the gateway or refused, and reaches no agent',
    source: 'MCP 2025-11-25 ping, sampling, elicitation; 2026-07-28 transports',
  },
  'gateway.asked-of-its-caller': {
    claim:
      'what a tool server asks in a legacy session is asked of the caller of that session alone, and whoever else answers, or answers elsewhere, answers nothing',
    source: 'MCP 2025-11-25 transports, POST of a response; CVE-2026-33946: streams taken over',
  },
  'gateway.asked-and-answered-once': {
    claim:
      'what a tool server asks is answered once, and not after its call or its time: a process holds to what it has carried, another to the deadline and to once',
    source: 'JSON-RPC 2.0 §5: one response to one request',
  },
  'gateway.asks-bounded': {
    claim:
      'what tool servers ask is bounded for each stream and in shares of all, has a deadline, and leaves nothing when the call, the caller or its identity ends',
    source: 'MCP 2025-11-25 security best practices: resource exhaustion',
  },
  'gateway.stream-of-its-owner': {
    claim:
      'the stream of a session is opened by its owner alone, at its door, and ends with the session, the identity and its time',
    source: 'CVE-2026-33946: streams taken over; MCP 2025-11-25 transports, listening',
  },
  'gateway.changes-decided': {
    claim:
      'a caller hears of a change only of a list that it may ask for, or of a resource that it may read',
    source: 'docs/AUTHORIZATION.md: no method goes round policy by a subscription',
  },
  'gateway.streams-apart': {
    claim:
      'streams of sessions take no place of a call at a tool server, and no party takes all that there are',
    source: 'a stream lasts for an hour and does little; a call waits for its place',
  },
  'gateway.asks-decided': {
    claim:
      'a tool server asks its caller only for what the client has declared, within its ceiling and where policy lets that server ask it; pages are https, of a host that every reader finds',
    source: 'MCP 2026-07-28 multi round-trip requests, elicitation (phishing)',
  },
  'gateway.results-limited': {
    claim:
      'a result is told only as large as its grant lets it be, and, where the grant says so, only with resources that its caller may read',
    source: 'docs/AUTHORIZATION.md, obligations of the default policy',
  },
  'gateway.retries-bound': {
    claim:
      'a call that goes on with input is decided on anew, and the state of its tool server comes back only from the caller, by the door and in the call that it was given for, within an hour',
    source: 'MCP 2026-07-28 multi round-trip requests: requestState is in the hands of attackers',
  },
  'gateway.hostile-upstream-contained': {
    claim:
      'whatever a tool server answers, its caller gets an answer with the id within the bound, its place is free again, and others are served meanwhile',
    source: 'docs/AUTHORIZATION.md, the answer is judged',
  },
  'gateway.changes-of-what-may-be-read': {
    claim:
      'a caller is told of changes of nothing that policy does not let it read, nor is a server asked for them; a policy that changes counts before the next one',
    source: 'MCP 2026-07-28 subscriptions; issue 9 §3',
  },
  'gateway.changes-of-own-subscription': {
    claim:
      'a stream of changes tells of what was asked for in that subscription and of nothing else, and passes no octet of a server',
    source: 'MCP 2026-07-28 subscriptions: never a type that was not requested; CVE-2026-25536',
  },
  'gateway.task-of-its-caller': {
    claim:
      'a task is of the caller whose call became it, for as long as its server keeps it and a day at most; every request for it is decided on as the tool of that call, and what is told of it is judged as its answer',
    source: 'CVE-2026-52870: tasks of others; MCP tasks extension',
  },
  'gateway.tasks-end-with-identity': {
    claim:
      'of a caller that is no more no task is known, and its open tasks of the older era are cancelled at their servers, a few for each caller and none of another',
    source: 'docs/THREATS.md',
  },
  'gateway.changes-end-with-identity': {
    claim: 'a stream of changes ends with the identity of its caller',
    source: 'docs/THREATS.md',
  },
  'gateway.changes-shared': {
    claim: 'streams of changes are shared between tenants as seats are, and take none of calls',
    source: 'docs/OPERATING.md, limits',
  },
  'gateway.subscribed-in-its-name': {
    claim:
      'a legacy server is asked to tell of a resource in the name of the caller that wants to know and may read it, with a token that says so; that subscription is of one pod and ends with it',
    source: 'MCP 2025-11-25 resources, subscriptions; docs/AUTHORIZATION.md, eras',
  },
  'gateway.changes-bounded': {
    claim:
      'who does not read its stream of changes takes memory for no more than it has asked for, and is hung up on; what a server says without pause is told a few times a second',
    source: 'CVE-2026-67430; docs/OPERATING.md, limits',
  },
  'gateway.handles-of-others-dropped': {
    claim:
      'what tells of a task, a subscription or a progress token that its caller was not given or has not named does not reach an agent, nor what a tool server says beside its answer that no revision knows',
    source: 'CVE-2026-52870: tasks of others; MCP 2025-11-25 tasks, related-task; progress',
  },
  'gateway.revoked-upstream-not-called': {
    claim:
      'a tool server whose certificate is revoked, or whose anchor has left the bundle, is not called, and what is open with it ends',
    source: 'docs/AUTHORIZATION.md; the same rule as for callers',
  },
  'gateway.intermediates-accepted': {
    claim: 'a tool server whose CA is an intermediate is verified to the root by what it sends',
    source: 'RFC 8446 §4.4.2, RFC 5280 §6',
  },
  'pki.earlier-intermediates-known': {
    claim:
      'a CA that goes on under another intermediate locks out nobody who still has the one before',
    source: 'RFC 5280 §6; nodejs/node#65579',
  },
  'toolserver.intermediates-accepted': {
    claim:
      'a gateway whose CA is an intermediate is verified to the root, and not by OpenSSL alone',
    source: 'RFC 5280 §6; nodejs/node#65579',
  },
  'gateway.header-values-cannot-add-headers': {
    claim: 'a value with CR, LF or NUL is never written into a request to a tool server',
    source: 'RFC 9110 §5.5',
  },
  'gateway.upstream-addresses-checked': {
    claim:
      'the name of a tool server leads to no link-local, metadata, multicast or translated address, and to the loopback only where configuration says so; what was checked is what is connected to',
    source: 'CVE-2026-44430, CVE-2026-27826; facts of the MCP security guidance on SSRF',
  },
  'toolserver.revoked-gateway-refused': {
    claim:
      'a tool server that is told of revocations lets in no gateway that is revoked, and nobody while it does not know',
    source: 'docs/AUTHORIZATION.md, tool servers; TLS judges a certificate at the handshake alone',
  },
  'toolserver.ended-means-not-begun': {
    claim: 'what comes on a connection that a tool server has ended is not handed to its handler',
    source: 'RFC 9110 §15.5.9',
  },
  'toolserver.gone-is-not-served': {
    claim:
      'a request whose sender goes away while it is verified is handed to no handler, which could wait for an end that has been',
    source: 'calls that were given up took the places of a guard one by one, and for ever',
  },
  'gateway.unread-answers-bounded': {
    claim:
      'a caller that does not read its answers holds so many octets of memory and no more, and those not for long',
    source: '64 connections of one pod held 2.1 GB of answers',
  },
  'gateway.ended-connections-forgotten': {
    claim: 'a connection that has ended takes no memory, however long its certificate is good',
    source:
      'lib/internal/timers.js of Node keeps the lists of timers that were cleared and hold no process up',
  },
  'policy.log-follows-its-path': {
    claim:
      'decisions are written to the file at the configured path, also after it was renamed or removed, or nothing is decided',
    source: 'open-policy-agent/opa#2605; a log that nobody can find is no record',
  },
  'gateway.no-input-ends-it': {
    claim: 'nothing that can be sent to the listener ends the process',
    source: 'RFC 9112 §3.2; Node: an error without a listener ends the process',
  },
  'gateway.silent-connections-closed': {
    claim: 'a connection on which no request comes to its end is closed',
    source: 'slow clients hold descriptors at no cost to themselves',
  },
  'gateway.not-ready-says-so': {
    claim:
      'until everything that a decision needs is there, nobody is served, and callers are told what is missing by name only',
    source: 'docs/OPERATING.md, admin listener',
  },
  'gateway.unreadable-revocation': {
    claim: 'while a revocation cannot be read nobody is served, because it may mean anybody',
    source: 'docs/AUTHORIZATION.md, fail closed',
  },
  'gateway.host-and-origin': {
    claim: 'only configured hosts and origins are answered',
    source: 'CVE-2025-66414, DNS rebinding',
  },
  'gateway.one-reading': {
    claim:
      'a body with duplicate or case-variant members (in arguments: at any depth, and of what a followed schema names), a batch or ill-formed text is refused',
    source: 'GHSA-4gph-2hhr-5mwg, CVE-2026-27896',
  },
  'gateway.numbers-as-written': {
    claim: 'policy is asked about the very numbers of the octets, digit for digit',
    source: 'RFC 8259 §6: how exact a number is read is left to its reader',
  },
  'gateway.rest-of-streams-bounded': {
    claim:
      'the rest of a stream that its server has ended is asked for in the session of its call, after a bounded wait, and not for ever where nothing comes',
    source: 'MCP 2025-11-25 transports, resumability and redelivery; SEP-1699',
  },
  'gateway.rest-of-streams-judged': {
    claim:
      'what comes in the rest of a stream is judged as what came before it, and its call is never made a second time',
    source: 'MCP 2025-11-25 transports, resumability and redelivery',
  },
  'gateway.places-decided-on': {
    claim:
      'an agent that comes back to a stream shows a place that is sealed for it, its session and door, and is told the rest as far as it may make that very request now',
    source: 'MCP 2025-11-25 transports, resumability and redelivery; security best practices',
  },
  'gateway.errors-end-no-session': {
    claim:
      'an error of a tool server that answers one request ends no legacy session at the gateway',
    source: 'MCP Python SDK 1.30: whatever is no success ends the session; docs/ERRORS.md',
  },
  'gateway.refusals-have-ids': {
    claim: 'a refusal has the id of its request where all parsers find the same one, and else null',
    source: 'JSON-RPC 2.0 §5',
  },
  'gateway.linear-time': {
    claim: 'what a caller or a tool server sends is read in a time that grows as its length does',
    source:
      'Unicode Standard Annex #15: normalization sorts marks; CVE-2026-0621 for a pattern that backtracks',
  },
  'gateway.headers-agree': {
    claim: 'a header that says another method or name than the body is refused',
    source: 'MCP 2026-07-28 transports, HeaderMismatch',
  },
  'gateway.bytes-as-authorized': {
    claim: 'the arguments that reach the tool server are the octets that were decided on',
    source: 'GHSA-4gph-2hhr-5mwg: body re-serialised',
  },
  'gateway.answers-judged': {
    claim:
      'every message of a tool server is read one way and judged whole, and no octet of its streams reaches a caller unread',
    source: 'MCP 2026-07-28, multi round-trip requests; HTML Living Standard §9.2.6',
  },
  'gateway.no-upstream-delays-others': {
    claim: 'no upstream keeps the callers of the others waiting beyond one bound, whatever it does',
    source: 'agentgateway #621, Kuadrant mcp-gateway #463: one broken server fails every session',
  },
  'gateway.lists-bounded-while-read': {
    claim:
      'what an upstream lists takes bounded memory and time while it is read, whatever it says',
    source: 'reproduced: 8 MiB of `0,0,…` with endless cursors ended the process by memory',
  },
  'gateway.catalogues-bounded': {
    claim:
      'what is known of tools takes bounded memory over all tool servers, each namespace has its share of it, and few lists are asked for at a time',
    source: 'found in review: 32 ToolServers of one namespace made the gateway keep 2 GiB; CWE-770',
  },
  'gateway.lost-session-opened-again': {
    claim:
      'an upstream that forgets its session ends neither the calls nor the sessions with others',
    source: 'MCP 2025-11-25 transports, session management: 404, and the client opens a new one',
  },
  'gateway.subscriptions-renewed': {
    claim:
      'at the door of all, what an agent has subscribed to at a server that loses its session is subscribed to in the next one, each as policy decides now and with a token of its own; what it may not have, or its server does not take in time, it has not any more',
    source: 'MCP 2025-11-25 resources, subscriptions; docs/AUTHORIZATION.md, sessions',
  },
  'gateway.endings-bounded': {
    claim:
      'however many sessions end at once, they take two connections of their tool server at most',
    source: 'a pod that is gone may leave 256 sessions',
  },
  'gateway.no-session-left': {
    claim:
      'a session of a tool server that nobody is told of, whatever its server answered beside it, is ended there',
    source: 'MCP 2025-11-25 transports, session management',
  },
  'gateway.session-ended': {
    claim:
      'a session ends when its owner says so, and nobody else does, in the process that is told; with it those of upstreams that it knows',
    source: 'MCP 2025-11-25 transports, session management: DELETE',
  },
  'gateway.tool-server-of-its-namespace': {
    claim: 'whoever writes resources in a namespace names tool servers of that namespace alone',
    source: 'confused deputy: a name or identity of another would get its callers and their scopes',
  },
  'gateway.status-written-once': {
    claim:
      'the status of a ToolServer is written when it changes and no more, by however many replicas, and by those who do not agree ever more seldom',
    source:
      'whoever may write a ToolServer could make gateways write to the API server without end',
  },
  'gateway.session-bound': {
    claim: 'a session id is of use only to the identity that it was made for',
    source: 'CVE-2026-33946',
  },
  'gateway.denials-hidden': {
    claim: 'where denials are hidden, what no list shows a caller is told as what is not there',
    source: 'docs/AUTHORIZATION.md, refusals',
  },
  'gateway.ceiling-before-policy': {
    claim: 'a call outside the certificate is refused whatever the policy says',
    source: 'docs/AUTHORIZATION.md',
  },
  'gateway.handle-keys-rotate': {
    claim:
      'a handle is opened by whoever holds the key that sealed it, on any replica and under newer keys, and by nobody once that key is gone',
    source:
      'NIST SP 800-57 part 1 §5.3: a key is used for a time; docs/OPERATING.md, keys of handles',
  },
  'gateway.handle-keys-checked': {
    claim:
      'a start with keys of handles that are missing, short, doubled or anybody’s to write is refused, and so is one of production without any',
    source: 'GHSA-g53w-w6mj-hrpp: a derivable secret',
  },
  'gateway.definitions-approved-in-production': {
    claim:
      'in production no tool server is served of which nobody has approved the definitions, or said that they are trusted on first use',
    source: 'OWASP MCP Top 10: tool poisoning; docs/OPERATING.md, production',
  },
  'gateway.first-use-remembered': {
    claim:
      'what is trusted on first use is what was seen first, in every process and after each start, and what cannot be remembered is not trusted',
    source: 'MCP security best practices; docs/AUTHORIZATION.md, approving tools',
  },
  'gateway.approval-is-of-what-was-seen': {
    claim:
      'an approval pins the definition that was shown and no other, and nothing of it reaches a terminal as a command',
    source: 'OWASP MCP Top 10: tool poisoning; docs/AUTHORIZATION.md, approving tools',
  },
  'gateway.digest-of-decimals': {
    claim:
      'two definitions that differ in the decimal value of a number have two digests, whatever a double makes of them',
    source: 'RFC 8259 §6; docs/AUTHORIZATION.md, approving tools',
  },
  'gateway.quarantine-told': {
    claim:
      'an operator is told in an Event of a ToolServer which tool is quarantined and how to approve it, once for each change whatever replicas see it, and no server fills the cluster with them',
    source: 'OWASP MCP Top 10: tool poisoning; docs/AUTHORIZATION.md, approving tools',
  },
  'gateway.lists-explained': {
    claim:
      'operators are told of each tool, prompt, resource and template what hides it from an identity, as lists are decided, and of a workload what its certificate would say',
    source: 'docs/AUTHORIZATION.md, explaining a list',
  },
  'gateway.level-of-its-session': {
    claim:
      'a level of logging is that of one session alone, in either era, and is told to no server to which all callers are one',
    source: 'MCP 2025-11-25 logging: a level is that of a session',
  },
  'gateway.offers-take-turns': {
    claim:
      'prompts, resources and contents are read in turns of the loop and within one bound, however many a server gives',
    source: 'whoever has a tool server would stand all other callers still with one answer',
  },
  'gateway.pages-decided': {
    claim:
      'an error asks its client to open pages only where each of them may be asked for, and that one is done is told to the session it is of',
    source:
      'MCP 2025-11-25 elicitation, URL elicitation required error and completion notifications',
  },
  'gateway.approval-goes-on': {
    claim:
      'what goes on with an approved call whose tool server asks something goes on under the same approval: for its own caller, tool, definition, arguments and deadline, once with each state, while the approver may approve it',
    source: 'MCP 2026-07-28, multi round-trip requests; docs/AUTHORIZATION.md, approvals',
  },
  'gateway.pages-across': {
    claim:
      'where a legacy server wants pages opened first, its modern client is asked for those alone that policy lets be asked for, and comes back with the same call, which is decided on anew, so often and no more, and not made where somebody has declined',
    source:
      'MCP 2025-11-25 elicitation, URL elicitation required error; 2026-07-28, multi round-trip requests',
  },
  'gateway.contents-readable': {
    claim: 'of the contents of a resource none is told that its caller may not read by itself',
    source:
      'MCP 2026-07-28 resources: contents may be of other URIs than the one that was asked for',
  },
  'gateway.uri-is-one-place': {
    claim:
      'a URI is refused of which some readers leave characters out, and lies under no granted prefix where some reader resolves it to another place',
    source: 'RFC 3986 section 5.2.4; WHATWG URL, basic URL parser',
  },
  'gateway.scopes-of-a-server': {
    claim:
      'a tool, prompt, resource or template outside the scopes of its server is neither listed nor asked for, completed, subscribed to or told, whatever certificate, grants and pins say',
    source: 'issue 8 §1: a ToolServer has scopes; issue 9: no method goes round policy',
  },
  'gateway.limits-of-a-server': {
    claim:
      'a tool server has no more than its own limits, and never more than the gateway has for any',
    source: 'issue 8 §1: a ToolServer has limits',
  },
  'gateway.changed-tool-quarantined': {
    claim: 'a tool whose definition is not the pinned one is neither listed nor called',
    source: 'OWASP MCP Top 10: tool poisoning',
  },
  'gateway.credentials-stripped': {
    claim: 'no credential, cookie or forwarded identity of a caller reaches a tool server',
    source: 'MCP 2025-11-25 security: token passthrough',
  },
  'gateway.workers-hold-no-secret-in-the-open': {
    claim: 'argument list and environment of a worker hold no key and no configuration',
    source: 'proc(5): /proc/<pid>/cmdline is readable by everybody',
  },
  'gateway.traces-hold-no-arguments': {
    claim: 'what is sent to a collector of traces holds no argument, and no answer, of a tool',
    source: 'docs/OPERATING.md, traces',
  },
  'gateway.bodies-bounded': {
    claim:
      'request bodies take no more memory than is said, and no identity takes it from the others',
    source: 'docs/OPERATING.md, limits',
  },
  'toolserver.bodies-bounded': {
    claim:
      'a body takes at most twice its octets of memory at a tool server, in whatever pieces it comes',
    source: 'RFC 9112 §7.1: a chunk may have one octet',
  },
  'gateway.eras-meet': {
    claim:
      'between eras the envelope alone is translated, and the same ceilings, pins and rules hold as within one',
    source: 'issue 9 §2; MCP 2026-07-28 and 2025-11-25 base protocol',
  },
  'gateway.asks-across': {
    claim:
      'what a tool server of one era asks of an agent of the other is decided on as within one era, is answered by the caller of that very call alone, and what goes on with the call is decided on anew; in number, in time and in turns it is bounded',
    source:
      'issue 9 §2; MCP 2026-07-28 multi round-trip requests; 2025-11-25 transports, messages from the server',
  },
  'gateway.goes-on-across': {
    claim:
      'a call of a modern agent that is open at a legacy server goes on in the process that has it, for its own caller, in its own words and place, once for each time that it was asked; else it is not begun anew, and where nobody comes back its server is told',
    source: 'CVE-2026-33946: streams taken over; MCP 2026-07-28, multi round-trip requests',
  },
  'gateway.cancelled-across': {
    claim:
      'a call that is cancelled in one era is cancelled in the other, by nobody but its own session',
    source: 'MCP 2025-11-25 cancellation; 2026-07-28 transports',
  },
  'gateway.shared-session-of-one-pod': {
    claim:
      'a session that the gateway opens for clients without sessions is of one pod, ends with it, and no two requests in it have one id',
    source: 'CVE-2026-25536: answers that cross; MCP 2025-11-25 security best practices',
  },
  'gateway.upstream-told-apart': {
    claim: 'a tool server of another trust domain, or one SPIFFE ID behind two servers, is refused',
    source: 'SPIFFE-ID §2; docs/AUTHORIZATION.md',
  },
  'gateway.shares-for-all': {
    claim:
      'no tenant, namespace or identity holds so much of connections, open requests, octets of answers, held sessions or places at an upstream that others get none',
    source: 'docs/AUTHORIZATION.md, Shares; Choudhury and Hahne, dynamic queue length thresholds',
  },
  'gateway.obligations-met': {
    claim: 'a permit under an obligation that is not known, or cannot be read, is a refusal',
    source: 'AuthZEN obligations profile: what cannot be fulfilled turns a permit into a denial',
  },
  'gateway.approval-needed': {
    claim: 'a call that policy wants a person to see is not made before somebody has approved it',
    source: 'MCP 2026-07-28, tools: a human in the loop; OWASP LLM06:2025, excessive agency',
  },
  'gateway.approval-bound': {
    claim:
      'an approval is good for one caller’s pod, one tool as it was defined, one digest of arguments and of input, and until a deadline, whoever can write where it is kept',
    source: 'docs/AUTHORIZATION.md, Approvals',
  },
  'gateway.what-is-sealed-opens': {
    claim:
      'whatever the gateway gives out sealed it takes back: what would be too long is refused before, and nothing that was approved is lost',
    source: 'docs/AUTHORIZATION.md, Approvals; NIST SP 800-53 SI-10, bounded input',
  },
  'gateway.approver-sees-what-is-called': {
    claim:
      'an approver is shown the arguments as the call writes them, numbers to their last digit',
    source:
      'RFC 8259 §6: readers differ in the precision of numbers; what is seen is what is signed',
  },
  'gateway.approver-sees-no-secret': {
    claim:
      'an approver sees the arguments of a call but for those that policy masks, and nothing from which they could be guessed',
    source: 'OWASP LLM02:2025, sensitive information disclosure; docs/AUTHORIZATION.md, Approvals',
  },
  'gateway.approvals-left-to-their-keys': {
    claim:
      'a replica that has not the key of an approval neither uses it nor takes it away before nobody may need it',
    source: 'docs/AUTHORIZATION.md, Approvals; docs/OPERATING.md, Keys of handles',
  },
  'gateway.approval-used-once': {
    claim: 'of all replicas and workers one makes the call that was approved, once',
    source: 'docs/AUTHORIZATION.md, Approvals; a second use is a replay',
  },
  'gateway.approval-by-approvers': {
    claim:
      'only whom policy names for the tool sees, approves or denies a call, both when saying so and when it is used',
    source: 'docs/AUTHORIZATION.md, Approvals',
  },
  'gateway.approval-never-own': {
    claim:
      'nobody approves their own call: not their SPIFFE ID, their service account or their pod, whatever policy says',
    source: 'separation of duty, NIST SP 800-53 AC-5',
  },
  'gateway.approval-recorded': {
    claim:
      'that an approval was asked for, who gave it and that it was used are in the decision log',
    source: 'docs/AUTHORIZATION.md, Approvals',
  },
  'gateway.approvals-bounded': {
    claim:
      'no identity, namespace or tenant has so many calls wait for approval that others cannot',
    source: 'CWE-770; approval fatigue, MITRE ATT&CK T1621',
  },
  'gateway.limits-of-policy': {
    claim:
      'a call beyond a limit of policy is not made, and is told which limit and when it may come again',
    source: 'RFC 6585 §4; OWASP API4:2023, unrestricted resource consumption',
  },
  'gateway.limits-never-forgotten': {
    claim:
      'nobody makes the gateway forget what it has counted, nor takes the room to count from others',
    source: 'CWE-770; a table that is full and forgets is a limit that is none',
  },
  'gateway.open-calls-given-back': {
    claim: 'what counts as open is given back when the call ends, whatever ends it, and not before',
    source: 'CWE-772, missing release of a resource',
  },
  'gateway.upstream-share': {
    claim: 'one identity cannot take an upstream from the others, whatever it leaves open',
    source: 'CWE-770, allocation of resources without limits',
  },
  'gateway.anchors-removed': {
    claim:
      'connections on either side end when the anchor of their certificate leaves the trust bundle',
    source: 'SPIFFE Federation §4.1; TLS judges a certificate at the handshake alone',
  },
  'gateway.anchors-of-their-domain': {
    claim: 'an anchor vouches for certificates of its own trust domain alone, on either side',
    source: 'SPIFFE Federation §7.3: OpenSSL takes any anchor of its pool',
  },
  'gateway.bad-input-told': {
    claim:
      'what is wrong with a request of any method is told to its sender and in one line of the log, and reaches no tool server',
    source: 'JSON-RPC 2.0 §5.1; CWE-209, messages that tell of others',
  },
  'gateway.refusals-logged-bounded': {
    claim: 'a caller that is refused again and again does not fill the log, and is counted there',
    source: 'CWE-779, logging of excessive data',
  },
  'gateway.upstream-verified': {
    claim: 'a tool server is talked to only as the SPIFFE ID that it is configured with',
    source: 'GHSA-g53w-w6mj-hrpp: authority rewrite',
  },
  'gateway.no-log-no-call': {
    claim: 'when decisions cannot be recorded, calls are refused',
    source: 'docs/AUTHORIZATION.md',
  },

  // Each class of attack that was seen on servers and gateways of MCP, as a whole; docs/THREATS.md says what is claimed against it
  'attack.two-readings': {
    claim: 'what two parsers could read in two ways reaches no tool server',
    source: 'GHSA-4gph-2hhr-5mwg; CVE-2026-27896, which folds U+017F and U+212A besides',
  },
  'attack.headers-against-body': {
    claim: 'a request whose headers and body disagree reaches no tool server',
    source: 'MCP 2026-07-28 transports, HeaderMismatch; CWE-436',
  },
  'attack.answers-crossed': {
    claim:
      'an answer reaches whoever asked for it, whatever ids are in use and whatever a tool server sends besides',
    source: 'CVE-2026-25536: answers to colliding ids',
  },
  'attack.handles-taken-over': {
    claim: 'a session, a cursor or a task of somebody else is of no use',
    source: 'CVE-2026-33946: streams taken over; CVE-2026-52870: tasks of others',
  },
  'attack.errors-taken-for-yes': {
    claim: 'no error, no silence and no odd answer of what is asked lets a call through',
    source: 'CVE-2026-12773: refusals that were swallowed',
  },
  'attack.made-up-authority': {
    claim: 'no secret has a default, and nothing in a request chooses where it goes',
    source: 'GHSA-g53w-w6mj-hrpp: a derivable secret, and an authority from a header',
  },
  'attack.hidden-but-callable': {
    claim: 'at every door and in both eras a tool can be called if it is listed, and else not',
    source: 'CWE-424, improper protection of an alternate path',
  },
  'attack.injection-by-translation': {
    claim: 'no octet of a call becomes a part of the line or of another header of a request',
    source: 'CVE-2026-29791: a name that became a path',
  },
  'attack.commands-by-request': {
    claim: 'nothing that serves a request can start a process, run a text or load what one names',
    source: 'CVE-2026-42271, CVE-2026-30623: commands by an API',
  },
  'attack.rebinding-and-open-ports': {
    claim: 'whoever has no certificate, or comes for another host or from another page, is refused',
    source: 'CVE-2025-66414, CVE-2025-64443, CVE-2026-11624',
  },
  'attack.server-side-requests': {
    claim:
      'connections go to configured tool servers alone: no redirect is followed, and no name to an address of the node',
    source: 'CVE-2026-27826; CVE-2026-44430: 6to4, NAT64 and site-local forms',
  },
  'attack.tokens-passed-on': {
    claim:
      'no credential of a caller reaches a tool server, and what is sent instead is of no use elsewhere',
    source: 'MCP 2025-11-25 security: token passthrough, confused deputy',
  },
  'attack.exhaustion-by-one': {
    claim: 'no caller takes time, memory, connections or places from the others',
    source: 'CVE-2026-0621: a pattern that backtracks; CWE-770',
  },
  'attack.tools-that-turn': {
    claim:
      'a changed tool, instructions of a tool server and its questions reach no model, and arguments that are not granted reach no tool',
    source: 'OWASP MCP Top 10: tool poisoning; MCP 2026-07-28: annotations are not trusted',
  },
  'attack.expired-but-served': {
    claim: 'a certificate that is over is of no use, whatever TLS still takes it for',
    source: 'a resumed session and an open connection stay authorized (Node, OpenSSL)',
  },

  // A certificate that is over, by what it is used for and what the listener gives
  'expired.handshake-with-tickets': {
    claim: 'a listener that gave tickets would let in no certificate that has expired',
    source: 'RFC 5280 §6.1.3; RFC 8446 §4.4.2',
  },
  'expired.handshake-without-tickets': {
    claim: 'the listener lets in no certificate that has expired, be it by its own clock alone',
    source: 'RFC 5280 §6.1.3; RFC 8446 §4.4.2',
  },
  'expired.resumption-with-tickets': {
    claim: 'a session that was resumed all the same is refused when its certificate has expired',
    source: 'a resumed session stays authorized (Node, OpenSSL); RFC 8446 §2.2',
  },
  'expired.resumption-without-tickets': {
    claim: 'a session that a client offers is not resumed: its certificate is shown anew',
    source: 'a resumed session stays authorized (Node, OpenSSL); RFC 8446 §2.2',
  },
  'expired.connection-with-tickets': {
    claim: 'no ticket keeps a connection or a stream open beyond the certificate of its caller',
    source: 'an open TLS connection stays authorized (Node, OpenSSL)',
  },
  'expired.connection-without-tickets': {
    claim: 'a connection and a stream that are open end with the certificate of their caller',
    source: 'an open TLS connection stays authorized (Node, OpenSSL)',
  },

  // Tokens and tool servers
  'token.caller-judged-after': {
    claim: 'a caller that ends to be acceptable while its token is signed is not spoken for',
    source: 'CWE-367, time of check, time of use',
  },
  'token.bound-to-gateway': {
    claim: 'a transaction token is worth nothing on another connection than that of its gateway',
    source: 'RFC 8705 §3, cnf x5t#S256',
  },
  'token.bound-to-call': {
    claim:
      'a transaction token is for one tool server by SPIFFE ID and name, one method, one tool, prompt, resource or task and one set of arguments',
    source: 'draft-ietf-oauth-transaction-tokens',
  },
  'token.for-what-has-a-name': {
    claim:
      'whatever has a name at a tool server, a tool, a prompt, a resource or a task, is asked of it with a token that says for whom, and demanded so',
    source: 'draft-ietf-oauth-transaction-tokens; docs/AUTHORIZATION.md',
  },
  'token.seconds-of-life': {
    claim: 'a transaction token lives for seconds, and one that claims longer is refused',
    source: 'draft-ietf-oauth-transaction-tokens',
  },
  'toolserver.only-through-gateway': {
    claim:
      'a tool is called through the gateway, or directly only by the roles that its server names',
    source: 'docs/AUTHORIZATION.md',
  },
  'toolserver.gateway-by-name': {
    claim: 'nobody speaks for others at a tool server but the gateways that it names by SPIFFE ID',
    source: 'docs/AUTHORIZATION.md',
  },
  'toolserver.peer-checked-each-request': {
    claim:
      'a tool server judges its peer on every request and resumes no session, so an open connection does not outlive its certificate',
    source: 'RFC 8446 §2.2',
  },
  'forward.no-page-speaks-as-the-pod': {
    claim:
      'countersign forward listens on loopback, and takes nothing that a page in a browser could send',
    source: 'MCP 2025-11-25 transports, security warning; docs/REACH.md',
  },
  'forward.socket-is-its-owners': {
    claim:
      'a Unix socket of countersign forward lets in its owner, and its group where it is told to, at no moment anybody else, and takes the place of nobody who answers',
    source: 'unix(7); CWE-276; docs/REACH.md',
  },
  'renewal.one-request': {
    claim:
      'an agent has never two requests at once: not after a lost answer, nor after it was started again; one that is over is followed by another with another key',
    source: 'docs/OPERATING.md, The agent; kubernetes certificates.k8s.io clean-up after 24 h',
  },
  'renewal.verified-before-written': {
    claim:
      'a certificate that is not of the key, or that no published anchor vouches for, is never written over the one before',
    source: 'DESIGN §2; docs/OPERATING.md, The agent',
  },
  'renewal.sources-in-order': {
    claim:
      'an agent uses the first of its sources that has a credential, tells of each that stands in, and keeps none of a source that is not configured; none signs itself in production',
    source: 'DESIGN §2; docs/OPERATING.md, agent configuration',
  },
  'renewal.memory-only': {
    claim: 'where the credential is to stay in memory, no key is written to a folder on a disk',
    source: 'docs/OPERATING.md, agent configuration; CWE-312',
  },
  'renewal.key-for-its-owner': {
    claim:
      'a key is readable for nobody but its owner, and the group where it is told to, at no moment',
    source: 'SPIFFE Filesystem Delivery; CWE-276',
  },
  'guard.verified-by-the-library': {
    claim:
      'the guard lets in whom the library lets in, and nobody else comes as far as the server inside',
    source: 'docs/REACH.md',
  },
  'guard.caller-from-the-token': {
    claim:
      'the server inside is told the caller whom the token names, and no header from outside can say another one',
    source: 'docs/REACH.md; RFC 3875 §4.1.18',
  },
  'guard.no-credential-inside': {
    claim: 'what passes in is a list of known headers: no token and no credential is among them',
    source: 'MCP 2026-07-28 security best practices, token passthrough',
  },
  'guard.one-door': {
    claim:
      'one path of the server inside is reached by its exact text, with the methods of MCP, and nothing else of it',
    source: 'docs/REACH.md',
  },
  'guard.framed-anew': {
    claim:
      'one request at the guard is at most one inside, framed anew from the octets that were judged',
    source: 'RFC 9112 §11.2',
  },
  'guard.streams-both-ways': {
    claim:
      'at the guard an event passes when it is said, a request that is given up is given up inside, and half an answer is not taken for whole',
    source: 'MCP 2025-11-25 and 2026-07-28 transports',
  },
  'guard.inside-on-loopback-only': {
    claim:
      'the guard hands on nothing while the port inside is bound to an address that others can reach',
    source: 'docs/REACH.md; proc(5)',
  },
  'guard.stdio-caller-from-the-token': {
    claim:
      'a server on standard input and output is told the caller whom the token names in `_meta`, and no member of ours from outside comes to it',
    source: 'docs/REACH.md; MCP 2025-11-25, `_meta`',
  },
  'guard.stdio-one-process-one-session': {
    claim:
      'a session at the guard is a process of its own: what that says is said to the caller of this session, under the ids of its requests, and to nobody else',
    source: 'docs/REACH.md; MCP 2025-11-25 transports, stdio',
  },
  'guard.stdio-environment-given': {
    claim:
      'a command of the guard has the variables that it was given by name, and no secret beside',
    source: 'docs/REACH.md',
  },
  'guard.stdio-ends-whole': {
    claim: 'with a session its process ends, and all that this has started',
    source: 'MCP 2025-11-25 lifecycle, shutdown',
  },
  'guard.stdio-sayings-bounded': {
    claim: 'of what a command says beside its messages so much is logged and no more',
    source: 'docs/REACH.md',
  },
  'guard.stdio-sessions-bounded': {
    claim: 'there are as many processes of a command as there may be, and no more',
    source: 'docs/REACH.md',
  },
  'guard.stdio-sessions-shared': {
    claim:
      'no caller, namespace or tenant holds so many processes of a command that none is left for the next',
    source: 'docs/REACH.md',
  },
  'agent.connections-bounded': {
    claim:
      'the fetch of a pod has so many connections and no more, says so to who has waited for one, and reads no faster than it is read',
    source: 'docs/QUICKSTART-AGENT.md',
  },
  'agent.bridge-passes-octets': {
    claim: 'the bridge passes messages as octets, both ways, however they come in pieces',
    source: 'docs/QUICKSTART-AGENT.md',
  },
  'agent.bridge-serves-at-once': {
    claim:
      'no request waits for the answer to another, a cancellation reaches its call while that is open, and what a stream says is told when it comes',
    source: 'MCP 2026-07-28 and 2025-11-25 transports and cancellation',
  },
  'agent.bridge-answers-all': {
    claim: 'every request that the bridge reads is answered with its id, whatever happens to it',
    source: 'JSON-RPC 2.0 §5',
  },
  'agent.bridge-bounded': {
    claim:
      'nobody makes the bridge hold more than it says: a line, an answer, and what is open and waits are bounded',
    source: 'docs/QUICKSTART-AGENT.md',
  },
  'agent.server-known': {
    claim: 'an agent talks only to the server whose SPIFFE ID it expects, whatever its address',
    source: 'X509-SVID §5.2',
  },

  // Chart
  'chart.rights-to-the-letter': {
    claim: 'the chart gives each program the rights that it uses, by name where RBAC knows names',
    source: 'docs/ISSUANCE.md, rights',
  },
  'chart.missing-right-named': {
    claim: 'a right that is missing is named, with what does not work without it',
    source: 'docs/ISSUANCE.md, rights',
  },
  'chart.only-kubelets-ask': {
    claim: 'with the admission policy in force, only the kubelet of the node creates our requests',
    source: 'a request does not say who made it; NodeRestriction checks node users only',
  },
  'chart.values-closed': {
    claim: 'a value that is unknown, misspelt or contradicts another one is an error that names it',
    source: 'charts/countersign/values.schema.json',
  },
  'chart.pods-restricted': {
    claim: 'our own pods are admitted at Pod Security level restricted',
    source: 'Pod Security Standards, restricted',
  },

  // Everywhere
  'kubernetes.tls-always': {
    claim: 'the API server is talked to over verified TLS only',
    source: 'kubeconfig insecure-skip-tls-verify',
  },
  'kubernetes.silent-kubeconfig': {
    claim:
      'an error about a kubeconfig, a key, a token or an exec plugin says no word of what it holds',
    source: 'errors are logged and shown',
  },
  'kubernetes.hostile-objects': {
    claim: 'no object of the cluster, whatever it holds, stops a watch or a list of the others',
    source: 'etcd stores 1.5 MiB, which are 9 MiB of JSON as Go escapes it',
  },
  'kubernetes.bounded-memory': {
    claim: 'what is kept of the cluster’s objects is bounded for each of them',
    source: 'docs/OPERATING.md, large and unreadable objects',
  },
  'kubernetes.fresh-is-told': {
    claim: 'a copy of the cluster is fresh only by what the API server told of its objects',
    source: 'kubernetes#129683 #35068, kube-rs#1615',
  },
  'kubernetes.forgiving-client': {
    claim:
      'a list or a watch that fails is asked for again ever more slowly, and a certificate comes all the same, once',
    source: 'kubernetes#129683, kube-rs#1615',
  },
  'kubernetes.absence-is-proved': {
    claim: 'only the API server’s own NotFound says that an object is not there',
    source: 'kubernetes#104748 #58070',
  },
  'errors.unknown-says-nothing': {
    claim: 'an error that nobody expected says nothing outside and everything in the log',
    source: 'Boulder errors and probs',
  },
  'gateway.handshakes-take-turns': {
    claim:
      'few handshakes are under way at a time, tenants take turns at them, and one that takes long keeps nobody waiting',
    source: 'RFC 8446: what a handshake costs is spent before anybody is known; CWE-770',
  },
  'gateway.bounded-strangers': {
    claim:
      'connections on which nobody has been let in are bounded, and one address with many of them keeps no other out',
    source: 'whoever reaches the port is not authenticated before the handshake is done',
  },
  'cli.evaluate-says-what-the-signer-says': {
    claim:
      'evaluate and preview judge by the rules of the signer, and issue, deny and record nothing',
    source: 'docs/ISSUANCE.md, before it is asked',
  },
  'cli.admin-stands': {
    claim: 'no octets sent to the admin listener end the process or keep it from the next request',
    source: 'whoever reaches the port is not authenticated',
  },
  'cli.configuration-closed': {
    claim: 'an unknown, doubled or malformed configuration field is an error that names it',
    source: 'docs/OPERATING.md',
  },
  'doctor.changes-nothing': {
    claim: 'the doctor reads, asks who may do what, and tries with dryRun=All; it writes nothing',
    source: 'docs/OPERATING.md',
  },
  'doctor.asks-for-no-secret': {
    claim: 'the doctor reads no Secret, makes no token and enters no container',
    source: 'docs/OPERATING.md',
  },
  'doctor.prints-plain-text': {
    claim:
      'what the doctor prints is bounded and holds no character that a terminal obeys, whoever wrote the objects',
    source: 'names and messages come from whoever may write objects',
  },
  'image.nothing-else-inside': {
    claim:
      'the image holds Node, the program, the policy and their licences, runs as a numeric user, and has nothing that this user may write',
    source: 'docs/IMAGE.md; Pod Security Standards, restricted',
  },
}

/** Cites a claim: the test whose body calls this proves it, or a part of it. */
export function requirement(id: string): void {
  if (requirements[id] === undefined) throw new Error(`no such requirement: ${id}`)
}
