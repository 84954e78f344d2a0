import { CountersignError } from '../../../errors.ts'
import { openPolicyBase } from '../../../policy/engine.ts'
import { openTenantPolicy } from '../../../policy/tenant/tenant-policy.ts'
import { openTrust } from '../../policy-files.ts'
import { Answered, Refused } from '../../run-program.ts'
import type { Terminal } from '../../terminal.ts'
import { algorithmOf } from './algorithm.ts'
import { isOfSources, lintSources } from './lint-sources.ts'
import { findOpa } from './opa.ts'
import { readTested } from './open-bundle.ts'
import { printableName, printableText } from './printable.ts'

export interface PolicyCheckOptions {
  readonly data?: readonly string[]
  readonly publicKey?: string
  readonly algorithm?: string
  readonly keyId?: string
  readonly scope?: string
  readonly tenant?: string
  readonly opa?: string
  readonly strict?: boolean
  readonly json?: boolean
}

interface Checked {
  readonly revision: string
  /** With the data that was given. */
  readonly digest: string
  readonly engine: string
  readonly files: number
  readonly signed: boolean
}

/**
 * Takes a bundle through everything that a gateway takes it through, but for the last step; of sources it tells which rules do not do what
 * they say. Throws `Refused` and `policy/…`.
 */
export async function runPolicyCheck(
  place: string,
  options: PolicyCheckOptions,
  terminal: Terminal,
): Promise<void> {
  try {
    if (await isOfSources(place)) return await checkSources(place, options, terminal)
    const { revision, digest, engine, files, signed } = await check(place, options, terminal.signal)
    const document = { version: 1, ok: true, revision, digest, engine, files, signed }
    if (options.json === true) terminal.out(`${JSON.stringify(document)}\n`)
    else {
      const by = signed ? 'signed' : 'not signed, or nobody asked'
      terminal.out(`revision ${revision}, with its data ${digest}\n`)
      terminal.out(`${files} files, ${by}; it passes its test, and its ${engine} is enforced\n`)
    }
  } catch (error) {
    if (options.json !== true || !(error instanceof CountersignError)) throw error
    if (error.code === 'cli/usage') throw error
    const { code, message, hint } = error
    terminal.out(`${JSON.stringify({ version: 1, ok: false, error: { code, message, hint } })}\n`)
    if (code === 'policy/malformed') throw new Answered(2)
    throw new Refused()
  }
}

const ofBundles = ['data', 'publicKey', 'tenant'] as const

async function checkSources(
  place: string,
  options: PolicyCheckOptions,
  terminal: Terminal,
): Promise<void> {
  const wrong = ofBundles.find((name) => options[name] !== undefined)
  if (wrong !== undefined) {
    throw new CountersignError('cli/usage', `${wrong}: is for a bundle, and these are sources`)
  }
  const warnings = await lintSources(findOpa(options.opa, process.env, terminal.signal), place)
  const ok = options.strict !== true || warnings.length === 0
  if (options.json === true) {
    terminal.out(`${JSON.stringify({ version: 1, ok, warnings })}\n`)
  } else {
    for (const { file, row, rule, message, hint, code } of warnings) {
      terminal.out(
        `${printableName(file)}:${row}: ${printableName(rule)} ${printableText(message)} (${code})\n`,
      )
      terminal.out(`  hint: ${printableText(hint)}\n`)
    }
    const count = warnings.length === 0 ? 'no warning' : `${warnings.length} warnings`
    terminal.out(`sources parse, with ${count}; policy build makes a bundle of them\n`)
  }
  if (!ok) throw new Refused()
}

async function check(
  place: string,
  options: PolicyCheckOptions,
  signal: AbortSignal,
): Promise<Checked> {
  const { data = [], publicKey, keyId = 'given', scope = '', tenant } = options
  if (tenant !== undefined && data.length > 0) {
    throw new CountersignError('cli/usage', '--data: the bundle of a tenant has its own alone')
  }
  const algorithm = algorithmOf(options)
  const keys = publicKey === undefined ? [] : [{ id: keyId, algorithm, publicKey }]
  const trust = keys.length > 0 ? await openTrust({ keys, scope }) : undefined
  const { content, documents } = await readTested(place, data, signal, {
    admit: (read) => void trust?.admit(read),
    tenant,
  })
  const signed = keys.length > 0
  if (tenant !== undefined) {
    const { revision, digest } = await openTenantPolicy(content, tenant)
    return { revision, digest, engine: 'plan', files: content.files.size, signed }
  }
  const base = await openPolicyBase({ content })
  const { revision, digest } = base.engineWith(documents, { tested: true })
  return { revision, digest, engine: base.engine, files: content.files.size, signed }
}
