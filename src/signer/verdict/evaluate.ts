import { lifetimeSecondsMin } from '../../pki/profile.ts'
import { quoted } from '../../errors.ts'
import { holderUid } from './asked-key.ts'
import { evidenceDigest } from './evidence.ts'
import { policyAgrees } from './policy-check.ts'
import { attributeChecks, dnsNamesSelected } from './attribute-checks.ts'
import { claimFollowed } from './claim-proof.ts'
import type { Check, CheckInput, Granted } from './check.ts'
import { noted, proved, provedIdentity, refused, toldOf } from './check.ts'
import { refusalMessage } from './condition.ts'
import { isWaivable } from './enforcement.ts'
import { issuedCertificateDeclared } from './issued-certificate-check.ts'
import type {
  DenyVerdict,
  FieldRefusal,
  Finding,
  NamedFinding,
  Refusal,
  RefusedFinding,
  Verdict,
} from './verdict.ts'
import {
  namespaceIsLive,
  nodeIsLive,
  podBoundToNode,
  podExists,
  podRuns,
  podRunsServiceAccount,
  serviceAccountIsLive,
  signingRequestDeclared,
  volumeDeclared,
} from './workload-checks.ts'

const keyTypeAllowed: Check = {
  name: 'key-type-allowed',
  run: ({ claims, profile }) => {
    const { keyType } = claims.key
    if (profile.keyTypes.includes(keyType)) {
      return { findings: [proved('keyType', keyType, 'key of the request')] }
    }
    const allowed = profile.keyTypes.join('|')
    const refusal: FieldRefusal = {
      field: 'keyType',
      asked: keyType,
      proved: `allowed are ${allowed}`,
      change: `set keyType of the podCertificate source, want=${allowed}`,
    }
    return { findings: [refused('UnsupportedKeyType', refusal)] }
  },
}

const lifetimeBounded: Check = {
  name: 'lifetime-bounded',
  run: ({ claims, profile }) => {
    const { maxExpirationSeconds } = claims.asked.spec
    const lifetimeSeconds = Math.min(maxExpirationSeconds, profile.lifetimeSecondsMax)
    if (lifetimeSeconds < lifetimeSecondsMin) {
      const why = `want=${lifetimeSecondsMin}.. got=${lifetimeSeconds}`
      return { findings: [{ kind: 'undecided', field: 'maxExpirationSeconds', why }] }
    }
    const finding = noted(
      'maxExpirationSeconds',
      `asked ${maxExpirationSeconds}, given ${lifetimeSeconds}`,
    )
    return { findings: [finding], granted: { lifetimeSeconds } }
  },
}

/** A key that moves to another pod was copied. A pod that asks by itself makes one for each request, as kubelet does. */
const keyOfNoOtherPod: Check = {
  name: 'key-of-no-other-pod',
  run: ({ claims, keyOwner, keyRequest, keyAsked }) => {
    const { stated, metadata } = claims.asked
    if (keyOwner === undefined || keyOwner === holderUid(claims.asked)) {
      const isAgain =
        stated !== undefined && keyRequest !== undefined && keyRequest !== metadata.uid
      if (isAgain) return { findings: [keyAskedAgain(claims.key.sha256)] }
      return { findings: keyAsked === undefined ? [] : [keyAskedBefore(keyAsked)] }
    }
    const refusal: FieldRefusal = {
      field: 'publicKey',
      asked: `a certificate for the key ${claims.key.sha256}`,
      proved: 'a certificate for this key was issued to another pod',
      change: 'let kubelet make a key for each pod, and look for a copied private key',
    }
    return { findings: [refused('KeyAlreadyIssued', refusal)] }
  },
}

/** Only one of the two can have it, and another replica may be about to sign for the other. */
function keyAskedBefore(request: string): Finding {
  const why = `request ${quoted(request, 320)} was made before for this key and is not answered yet`
  return { kind: 'undecided', field: 'publicKey', why }
}

function keyAskedAgain(sha256: string): Finding {
  return refused('KeyAlreadyIssued', {
    field: 'publicKey',
    asked: `a certificate for the key ${sha256}`,
    proved: 'a certificate for this key was issued to another request of this pod',
    change: 'make a new key for each request',
  })
}

/**
 * Every check there is, in the order in which a reader wants to hear of them: who asks first, then what for. Each row reads
 * claims and evidence for itself, so their order decides nothing but which reason names the refusal; but policy is asked last, about
 * what all the others have proved.
 */
export const checks: readonly Check[] = [
  podExists,
  podRuns,
  podBoundToNode,
  nodeIsLive,
  podRunsServiceAccount,
  serviceAccountIsLive,
  namespaceIsLive,
  volumeDeclared,
  signingRequestDeclared,
  issuedCertificateDeclared,
  keyTypeAllowed,
  lifetimeBounded,
  claimFollowed,
  ...attributeChecks,
  dnsNamesSelected,
  keyOfNoOtherPod,
  policyAgrees,
]

/**
 * Claims × evidence × profile × policy → verdict. Pure. One refused field refuses the request, unless `warn` waives it; a refusal on
 * evidence that is not live, and anything undecided, waits instead.
 */
export function evaluate(input: CheckInput): Verdict {
  const { claims, evidence } = input
  const { findings, granted } = runChecks(input)
  // What a restarted kubelet asks for ended pods is nobody's fault; anything else that is refused is, and names the refusal.
  const refusals = findings
    .filter((finding) => finding.kind === 'refused')
    .toSorted((a, b) => Number(a.reason === 'PodEnded') - Number(b.reason === 'PodEnded'))
  const [first] = refusals
  if (first !== undefined) {
    if (!evidence.live) {
      return { kind: 'wait', why: `evidence against ${first.field} is not live yet`, findings }
    }
    const standing = input.mode === 'warn' ? refusals.filter((each) => !isWaivable(each)) : refusals
    const refusal = refusalOf(standing)
    if (refusal !== undefined) return denied(refusal, findings)
  }
  const undecided = findings.find((finding) => finding.kind === 'undecided')
  if (undecided !== undefined) {
    const { field, why, grave, seconds, cause } = undecided
    const more = {
      ...(grave === undefined ? {} : { grave }),
      ...(seconds === undefined ? {} : { seconds }),
      ...(cause && { cause }),
    }
    return { kind: 'wait', why: `${field}: ${why}`, ...more, findings }
  }
  const identity = provedIdentity(input, granted)
  const { lifetimeSeconds, policy, dnsNames = [], projectedPaths = [] } = granted
  if (identity === undefined || lifetimeSeconds === undefined || policy === undefined) {
    return { kind: 'wait', why: 'evidence is not complete', findings }
  }
  const digest = evidenceDigest(evidence)
  const requester = toldOf(input.policy.requester)
  const given = { lifetimeSeconds, policy, requester, dnsNames, projectedPaths }
  const wouldDeny = refusalOf(refusals)
  return {
    kind: 'issue',
    claims,
    evidence,
    ...identity,
    ...given,
    evidenceDigest: digest,
    ...(wouldDeny === undefined ? {} : { wouldDeny }),
    findings,
  }
}

function refusalOf(refusals: readonly RefusedFinding[]): Refusal | undefined {
  const [first] = refusals
  if (first === undefined) return undefined
  const fields = refusals.map(({ field, asked, proved: shown, change }) => ({
    field,
    asked,
    proved: shown,
    change,
  }))
  return { reason: first.reason, fields }
}

/** A refusal as a verdict, with the message that its reader needs. */
export function denied(refusal: Refusal, findings: readonly NamedFinding[] = []): DenyVerdict {
  return { kind: 'deny', ...refusal, message: refusalMessage(refusal), findings }
}

function runChecks(input: CheckInput): {
  readonly findings: readonly NamedFinding[]
  readonly granted: Granted
} {
  const findings: NamedFinding[] = []
  let granted: Granted = {}
  for (const check of checks) {
    const result = check.run(input, { findings, granted })
    granted = { ...granted, ...result.granted }
    for (const finding of result.findings) findings.push({ ...finding, check: check.name })
  }
  return { findings, granted }
}
