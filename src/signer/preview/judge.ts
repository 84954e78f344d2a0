import { readLedger } from '../../ledger/ledger.ts'
import { generateSubjectKey } from '../../pki/generate-key.ts'
import { keyTypes, type KeyType, type SubjectKey } from '../../pki/subject-key.ts'
import type { PodCertificateRequest } from '../../kubernetes/pod-certificate-request.ts'
import { readHistory } from '../issue/history.ts'
import type { CheckInput, EvaluationProfile } from '../verdict/check.ts'
import { claimsWithKey, parseClaims, type ParsedClaims } from '../verdict/claims.ts'
import { denied, evaluate } from '../verdict/evaluate.ts'
import type { Verdict } from '../verdict/verdict.ts'
import type { AskedOfPod } from './asked-of-pod.ts'
import { evidenceIn, type SnapshotIndex } from './snapshot.ts'

export interface Judge {
  readonly profile: EvaluationProfile
  readonly policy: CheckInput['policy']
  /** The UID of the pod that a key was certified for, as the ledger knows. */
  readonly ownerOf?: (spkiSha256: string) => string | undefined
}

/** The owners of keys as a ledger has them. Throws `ledger/unavailable` where it cannot be read. */
export async function readKeyOwners(
  ledgerFile: string,
  now: () => number,
): Promise<Required<Pick<Judge, 'ownerOf'>>> {
  const { keys } = await readHistory(readLedger(ledgerFile), now)
  return { ownerOf: (sha256) => keys.ownerOf(sha256) }
}

/** What a signer says of a request as it stands, without saying it to anybody. */
export function judgeRequest(
  asked: PodCertificateRequest,
  index: SnapshotIndex,
  judge: Judge,
): Verdict {
  return judgeClaims(parseClaims(asked), index, judge)
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
  return judgeClaims(claimsWithKey(asked, anyKey(known)), index, judge)
}

function judgeClaims(parsed: ParsedClaims, index: SnapshotIndex, judge: Judge): Verdict {
  if ('wait' in parsed) return { kind: 'wait', why: parsed.wait, findings: [] }
  if ('refused' in parsed) return denied(parsed.refused)
  const { profile, policy, ownerOf = () => undefined } = judge
  const claims = parsed.ok
  const evidence = evidenceIn(index, claims.asked)
  return evaluate({ claims, evidence, profile, policy, keyOwner: ownerOf(claims.key.sha256) })
}

const keys = new Map<KeyType, SubjectKey>()

/** One of each type does for all pods: no check compares them. */
function anyKey(keyType: KeyType): SubjectKey {
  const known = keys.get(keyType) ?? generateSubjectKey(keyType)
  keys.set(keyType, known)
  return known
}
