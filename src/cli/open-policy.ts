import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { openReloadingFiles } from '../pki/reloading-files.ts'
import { parseDataDocument } from '../policy/data-document.ts'
import { openPolicyBase, type PolicyEngine } from '../policy/engine.ts'
import type { Condition } from '../readiness.ts'
import type { PolicyConfig } from './shared-configuration.ts'

export interface OpenPolicy extends AsyncDisposable {
  /** Follows the data: each evaluation is by what was last good. */
  readonly engine: PolicyEngine
  condition(): Condition
}

/** Grants of a large platform; the module takes some sixteen times as much memory. */
const dataOctetsMax = 16 * 1024 * 1024

/**
 * Opens the policy bundle with the configured data documents beside its own, and follows those: a change counts at once, and one that
 * is not good leaves the last good data in force. Throws `policy/bundle`, `policy/data`.
 */
export async function openPolicy(
  config: PolicyConfig,
  { log, metrics }: { readonly log: Log; readonly metrics: Metrics },
): Promise<OpenPolicy> {
  const { bundle: folder, engine } = config
  const base = await openPolicyBase({ folder, engine, metrics })
  if (base.reason !== undefined) {
    log.warn({ reason: base.reason }, 'policy runs as a module, which has no limit of steps')
  }
  const files = await openReloadingFiles({
    files: config.data,
    code: 'policy/data',
    octetsMax: dataOctetsMax,
    parse: (texts) =>
      base.engineWith(texts.map((text, at) => parseDataDocument(text, config.data[at] ?? ''))),
    log,
    onReload: (outcome) => metrics.count('countersign_policy_reloads_total', { outcome }),
  })
  return {
    engine: {
      get revision() {
        return files.current().revision
      },
      get digest() {
        return files.current().digest
      },
      evaluate: (entrypoint, input, document) =>
        files.current().evaluate(entrypoint, input, document),
    },
    condition() {
      const { problem } = files
      const { revision, digest } = files.current()
      if (problem === undefined) {
        return { name: 'policy', ok: true, reason: `revision ${revision}, with its data ${digest}` }
      }
      const reason = `the last good data stays in force: ${problem.message}`
      return { name: 'policy', ok: false, optional: true, reason }
    },
    [Symbol.asyncDispose]: () => files[Symbol.asyncDispose](),
  }
}
