import { readFile, stat } from 'node:fs/promises'
import { parseAllDocuments, type Document } from 'yaml'
import { CountersignError, quoted } from '../../errors.ts'
import { requesterIn, type Protection } from '../../signer/preview/protection.ts'
import { modesOf } from '../../signer/verdict/enforcement.ts'
import type { Requester } from '../../signer/verdict/check.ts'
import { silentLog } from '../../log.ts'
import { silentMetrics } from '../../metrics.ts'
import { createProfile } from '../../pki/profile.ts'
import { createIssuancePolicy } from '../../policy/issuance-policy.ts'
import type { Judge } from '../../signer/preview/judge.ts'
import {
  parseObjects,
  type FileObjects,
  type WrittenObject,
} from '../../signer/preview/parse-objects.ts'
import type { ClaimsConfig } from '../claims-configuration.ts'
import { lookAtPolicy } from '../open-policy.ts'
import type { PolicyConfig } from '../shared-configuration.ts'
import type { SignerConfig } from '../signer/signer-configuration.ts'

/*
 * What the commands share that say what a signer would say: its configuration and policy, and objects of the cluster or of files.
 */

/** YAML of so many octets takes seconds to read and hundreds of times its memory; JSON is read in one go. */
const octetsMax = { yaml: 2 * 1024 * 1024, json: 128 * 1024 * 1024 } as const

/** Opens a policy beside the rest of the signer's configuration; what it judges with holds until it is disposed. */
export async function openJudge(
  config: SignerConfig,
  policyConfig: PolicyConfig,
  {
    requester,
    now,
    signal,
  }: {
    readonly requester: Requester
    readonly now: () => number
    readonly signal: AbortSignal
  },
): Promise<Judge & AsyncDisposable> {
  const policy = await lookAtPolicy(policyConfig, {
    log: silentLog,
    metrics: silentMetrics,
    signal,
  })
  const issuancePolicy = createIssuancePolicy(policy.engine)
  const { trustDomain, cluster, production, identityExtensionOid, clusterDomain, claims } = config
  const { keyTypes, lifetimeSecondsMax, backdateSeconds } = config.profile
  const profile = createProfile({
    trustDomain,
    cluster,
    production,
    lifetimeSecondsMax,
    backdateSeconds,
    identityExtensionOid,
    ...(keyTypes === undefined ? {} : { keyTypes }),
  })
  return {
    profile: { ...profile, clusterDomain, ...(claims && { unclaimed: claims.unclaimed }) },
    modeOf: modesOf(config.enforcement.namespaces),
    policy: { decide: (...asked) => issuancePolicy.decide(...asked), requester, now: now() },
    [Symbol.asyncDispose]: () => policy[Symbol.asyncDispose](),
  }
}

/** What a signer of this configuration says of who makes the next request. */
export async function requesterOf(
  { admissionPolicy: name, signerName }: SignerConfig,
  protection: (name: string) => Promise<Protection | undefined>,
): Promise<Requester> {
  return name === undefined
    ? 'not-shown'
    : requesterIn(await protection(name), { name, signerName })
}

/** Objects of files as `kubectl get -o yaml` writes them. Throws `cli/usage`. */
export async function readObjectFiles(
  files: readonly string[],
  claims?: ClaimsConfig,
): Promise<FileObjects> {
  const written: WrittenObject[] = []
  for (const file of files) written.push(...(await readObjectFile(file)))
  return parseObjects(written, claims?.owners)
}

async function readObjectFile(file: string): Promise<readonly WrittenObject[]> {
  if (file.endsWith('.json')) return [{ file, raw: parseJson(await readText(file, 'json'), file) }]
  const documents = parseAllDocuments(await readText(file, 'yaml'), {
    uniqueKeys: true,
    strict: true,
  })
  if ('empty' in documents) return []
  return documents.map((document) => {
    const [problem] = document.errors
    if (problem !== undefined) {
      const what = problem.message.split('\n', 1)[0]
      throw new CountersignError('cli/usage', `${quoted(file, 200)}: ${what}`)
    }
    return { file, raw: valueOf(document, file) }
  })
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new CountersignError('cli/usage', `${quoted(file, 200)}: want=JSON`, { cause })
  }
}

/** No aliases: kubectl writes none, and nested ones expand without bound. */
function valueOf(document: Document.Parsed, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 0 })
  } catch (cause) {
    throw new CountersignError('cli/usage', `${quoted(file, 200)}: want=no aliases`, { cause })
  }
}

async function readText(file: string, form: keyof typeof octetsMax): Promise<string> {
  try {
    const { size } = await stat(file)
    if (size <= octetsMax[form]) return await readFile(file, 'utf8')
  } catch (cause) {
    throw new CountersignError('cli/usage', `file cannot be read, got=${quoted(file, 200)}`, {
      cause,
    })
  }
  const message = `${quoted(file, 200)}: larger than ${octetsMax[form]} octets`
  const hint = 'kubectl get -o json, into a file that is named .json'
  throw new CountersignError('cli/usage', message, { hint })
}
