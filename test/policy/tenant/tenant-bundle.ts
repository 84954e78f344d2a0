import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BundleContent } from '../../../src/policy/bundle-content.ts'
import { contentWith } from '../archive.ts'
import { assembleModule } from '../policy-module.ts'

/**
 * OPA's plan of `deny contains {"code": "frozen", …} if { input.resource.id == "issues_create"; input.context.arguments.repository in
 * data.tenants.acme.frozen }` in the package `tenants.acme`.
 */
const planText = await readFile(
  join(import.meta.dirname, '..', '..', 'vectors', 'tenant', 'plan.json'),
  'utf8',
)

/** The module says of the samples what the plan does. */
const nothing = '[{"result":[]}]'

/** The bundle of acme, or of another one whose rules are the same; with other files in their place. */
export function tenantBundle(
  options: {
    readonly tenant?: string
    readonly manifest?: object
    readonly data?: object
    readonly plan?: (text: string) => string
    readonly wasm?: Uint8Array
  } = {},
): BundleContent {
  const { tenant = 'acme', manifest = {}, plan = (text) => text } = options
  const module = assembleModule({
    entrypoints: [`tenants/${tenant}/deny`],
    probe: nothing,
    behaviour: { answer: nothing },
  })
  const own = { tenants: { [tenant]: { frozen: ['acme/handbook'] } } }
  return contentWith({
    '.manifest': JSON.stringify({ revision: 'r1', roots: [`tenants/${tenant}`], ...manifest }),
    'plan.json': plan(
      planText.replaceAll('acme', tenant).replaceAll(`${tenant} writes`, 'acme writes'),
    ),
    'policy.wasm': options.wasm ?? module,
    'data.json': JSON.stringify(options.data ?? own),
  })
}
