import { CountersignError, quoted } from '../errors.ts'
import type { TrustDomain } from '../identity/trust-domain.ts'
import type { CertificateSigningRequest } from '../kubernetes/certificate-signing-request.ts'
import { parseCertificateRequestPem } from '../pki/certificate-request.ts'
import { namesOfCa } from '../pki/certificate-request-write.ts'
import { intermediateSecondsMin } from '../pki/intermediate.ts'
import type { KeyType, SubjectKey } from '../pki/subject-key.ts'

/** What is registered for one cluster. Whoever asks chooses nothing of it. */
export interface IntermediateRules {
  readonly signerName: string
  readonly trustDomain: TrustDomain
  /** Below which every DNS name is that the CA may sign for. */
  readonly dnsSuffixes: readonly string[]
  /** Whose requests are answered, of all that ask in that cluster. */
  readonly requester: { readonly namespace: string; readonly serviceAccount: string }
  readonly keyTypes: readonly KeyType[]
  readonly lifetimeSecondsMax: number
}

/** What the cluster says now of who has asked. */
export interface RequesterEvidence {
  /** UID of the service account; undefined where there is none. */
  readonly accountUid: string | undefined
  readonly pod:
    | { readonly uid: string; readonly serviceAccountName: string; readonly isOver: boolean }
    | undefined
}

export type DenyReason =
  | 'RequestMalformed'
  | 'RequesterNotProved'
  | 'NamesNotAllowed'
  | 'UsagesNotAllowed'
  | 'KeyTypeNotAllowed'
  | 'KeyAlreadyIssued'
  | 'LifetimeNotAllowed'

export interface Denial {
  readonly kind: 'deny'
  readonly reason: DenyReason
  /** What was asked, and what is allowed. */
  readonly message: string
}

/** What is asked for, as far as it may be chosen. */
export interface Asked {
  readonly kind: 'asked'
  readonly key: SubjectKey
  readonly lifetimeSeconds: number
  readonly podName: string
  readonly podUid: string
}

/** In the words of certificates.k8s.io, sorted. */
const usages: readonly string[] = ['cert sign', 'crl sign']

const podKey = 'authentication.kubernetes.io/pod-name'
const podUidKey = 'authentication.kubernetes.io/pod-uid'

/** All others are nobody's here: they are left as they are. */
export function isOfRequester(username: string, { requester }: IntermediateRules): boolean {
  return username === `system:serviceaccount:${requester.namespace}:${requester.serviceAccount}`
}

/** Reads a request of the registered account. What it says of a CA is compared with what is registered, and none of it is used. */
export function readAsked(
  { spec }: Pick<CertificateSigningRequest, 'spec'>,
  rules: IntermediateRules,
): Asked | Denial {
  const got = spec.usages.toSorted()
  if (got.join() !== usages.join()) {
    const asked = quoted(got.join(','), 256)
    return deny('UsagesNotAllowed', `usages: want=${usages.join(',')} got=${asked}`)
  }
  const { expirationSeconds = rules.lifetimeSecondsMax } = spec
  if (expirationSeconds < intermediateSecondsMin) {
    const want = `${intermediateSecondsMin}..${rules.lifetimeSecondsMax}`
    return deny('LifetimeNotAllowed', `expirationSeconds: want=${want} got=${expirationSeconds}`)
  }
  const podName = statedOf(spec, podKey)
  const podUid = statedOf(spec, podUidKey)
  if (podName === undefined || podUid === undefined || ![podName, podUid].every(isName)) {
    return deny('RequesterNotProved', 'the token of the service account is not bound to a pod')
  }
  const key = keyOf(spec.request, rules)
  if ('kind' in key) return key
  const lifetimeSeconds = Math.min(expirationSeconds, rules.lifetimeSecondsMax)
  return { kind: 'asked', key, lifetimeSeconds, podName, podUid }
}

function isName(text: string): boolean {
  return /^[a-z0-9.-]{1,253}$/.test(text)
}

function keyOf(request: string, rules: IntermediateRules): SubjectKey | Denial {
  try {
    const pem = Buffer.from(request, 'base64').toString('utf8')
    const { key, subject, alternativeNames, others } = parseCertificateRequestPem(pem)
    if (!rules.keyTypes.includes(key.keyType)) {
      const want = rules.keyTypes.join('|')
      return deny('KeyTypeNotAllowed', `key: want=${want} got=${key.keyType}`)
    }
    const allowed = namesOfCa(rules.trustDomain, key.spki)
    const isAllowed =
      (subject.length === 0 || subject.equals(allowed.subject)) &&
      alternativeNames.length <= 1 &&
      alternativeNames.every((each) => each.equals(allowed.alternativeNames)) &&
      others.every((each) => each === allowed.other)
    if (isAllowed) return key
    return deny(
      'NamesNotAllowed',
      `request asks for other names or extensions than a CA of ${rules.trustDomain} has, want=those, or none`,
    )
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    return deny('RequestMalformed', `${error.message} (${error.code})`)
  }
}

/** Undefined where the cluster proves it. What is stated of a pod may have been said by whoever impersonates, and a token outlives its pod. */
export function judgeRequester(
  asked: Asked,
  { spec }: Pick<CertificateSigningRequest, 'spec'>,
  { evidence, rules }: { readonly evidence: RequesterEvidence; readonly rules: IntermediateRules },
): Denial | undefined {
  const { namespace, serviceAccount } = rules.requester
  const { accountUid, pod } = evidence
  const refused = (message: string): Denial => deny('RequesterNotProved', message)
  const account = `service account ${namespace}/${serviceAccount}`
  if (accountUid === undefined) return refused(`there is no ${account}`)
  if (accountUid !== spec.uid) {
    return refused(`${account} is another one: want=${accountUid} got=${quoted(spec.uid, 64)}`)
  }
  const name = `pod ${namespace}/${asked.podName}`
  if (pod === undefined) return refused(`there is no ${name} any more`)
  if (pod.uid !== asked.podUid) return refused(`${name} is another one by now`)
  if (pod.isOver) return refused(`${name} is over`)
  if (pod.serviceAccountName !== serviceAccount) {
    return refused(`${name} runs as another service account`)
  }
  return undefined
}

/** The same key for two requests is one that was copied, or kept where it is to be made anew. */
export function judgeKey(
  { key }: Asked,
  request: { readonly uid: string },
  keys: ReadonlyMap<string, string>,
): Denial | undefined {
  const before = keys.get(key.sha256)
  if (before === undefined || before === request.uid) return undefined
  const message = `a CA for the key ${key.sha256} was issued to another request, want=a new key for each`
  return deny('KeyAlreadyIssued', message)
}

function statedOf({ extra }: CertificateSigningRequest['spec'], what: string): string | undefined {
  const values = extra[what] ?? []
  return values.length === 1 ? values[0] : undefined
}

function deny(reason: DenyReason, message: string): Denial {
  return { kind: 'deny', reason, message }
}
