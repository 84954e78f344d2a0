import { readLedger } from '../../ledger/ledger.ts'
import { generateSubjectKey } from '../../pki/generate-key.ts'
import { keyTypes, type KeyType, type SubjectKey } from '../../pki/subject-key.ts'
import type { PodCertificateRequest } from '../../kubernetes/pod-certificate-request.ts'
import { historySince, readHistory } from '../issue/history.ts'
import type { CheckInput, EvaluationProfile } from '../verdict/check.ts'
import { claimsWithKey, parseClaims, type ParsedClaims } from '../verdict/claims.ts'
import { leftAlone, type ModeOf } from '../verdict/enforcement.ts'
import { denied, evaluate } from '../verdict/evaluate.ts'
import type { Verdict } from '../verdict/verdict.ts'
import type { AskedOfPod } from './asked-of-pod.ts'
import { evidenceIn, type SnapshotIndex } from './snapshot.ts'

export interface Judge {
  readonly profile: EvaluationProfile
  readonly policy: CheckInput['policy']
  readonly modeOf: ModeOf
  /** The UID of the pod that a key was certified for, as the ledger knows. */
  readonly ownerOf?: (spkiSha256: string) => string | undefined
  /** The UID of the request that it was certified for first. */
  readonly requestOf?: (spkiSha256: string) => string | undefined
}

/** The owners of keys as a ledger has them. Throws `ledger/unavailable` where it cannot be read. */
export async function readKeyOwners(
  ledgerFile: string,
  now: () => number,
): Promise<Required<Pick<Judge, 'ownerOf' | 'requestOf'>>> {
  const { keys } = await readHistory(
    readLedger(ledgerFile, { heldSince: historySince(now()) }),
    now,
  )
  return {
    ownerOf: (sha256) => keys.ownerOf(sha256),
    requestOf: (sha256) => keys.requestOf(sha256),
  }
}

/** What a signer says of a request as it stands, without saying it to anybody. */
export function judgeRequest(
  asked: PodCertificateRequest,
  index: SnapshotIndex,
  judge: Judge,
): Verdict {
  return judgeClaims(asked, parseClaims(asked), { index, judge })
}

/** What a signer will say when kubelet asks. */
export function judgePod(
  { asked, keyType }: AskedOfPod,
  index: SnapshotIndex,
  judge: Judge,
): Verdict {
  const known = keyTypes.find((each) => each === keyType)
  // The API server takes no pod that asks for another one; what is read from files may.
  if (known === undefined) {
    const why = `keyType: want=${keyTypes.join('|')} got=${keyType}`
    return { kind: 'wait', why, findings: [] }
  }
  return judgeClaims(asked, claimsWithKey(asked, anyKey(known)), { index, judge })
}

function judgeClaims(
  { metadata: { namespace } }: PodCertificateRequest,
  parsed: ParsedClaims,
  { index, judge }: { readonly index: SnapshotIndex; readonly judge: Judge },
): Verdict {
  const mode = judge.modeOf(namespace)
  if (mode === 'off') return { kind: 'wait', why: leftAlone(namespace), findings: [] }
  if ('wait' in parsed) return { kind: 'wait', why: parsed.wait, findings: [] }
  if ('refused' in parsed) return denied(parsed.refused)
  const { profile, policy, ownerOf, requestOf } = judge
  const claims = parsed.ok
  const evidence = evidenceIn(index, claims.asked)
  return evaluate({
    claims,
    evidence,
    profile,
    policy,
    mode,
    keyOwner: ownerOf?.(claims.key.sha256),
    keyRequest: requestOf?.(claims.key.sha256),
  })
}

const keys = new Map<KeyType, SubjectKey>()

/** One of each type does for all pods: no check compares them. */
function anyKey(keyType: KeyType): SubjectKey {
  const known = keys.get(keyType) ?? generateSubjectKey(keyType)
  keys.set(keyType, known)
  return known
}
