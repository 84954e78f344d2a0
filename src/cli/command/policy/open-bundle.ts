import { CountersignError } from '../../../errors.ts'
import { readBundle } from '../../../policy/bundle-place.ts'
import { parseDataDocument } from '../../../policy/data-document.ts'
import { openPolicyBase } from '../../../policy/engine.ts'
import type { PolicyEngine } from '../../../policy/engine.ts'
import { openSelfTest, readPolicyFile } from '../../policy-files.ts'
import { madeNoCode } from './makes-code.ts'

/** Opens a bundle with its data as a gateway does, its test in a process of its own before. Throws `policy/…`. */
export async function openBundle(
  place: string,
  data: readonly string[],
  signal: AbortSignal,
): Promise<PolicyEngine> {
  const documents = await Promise.all(
    data.map(async (file) => parseDataDocument(await readPolicyFile(file, 'policy/data'), file)),
  )
  const content = await readBundle(place)
  await openSelfTest()({ content, documents, engine: undefined }, signal)
  const base = await openPolicyBase({ content })
  if (base.engine === 'plan') return base.engineWith(documents, { tested: true })
  if (content.files.has('plan.json')) throw madeNoCode()
  throw new CountersignError('policy/bundle', 'bundle has no plan.json', {
    hint: 'countersign policy build makes one',
  })
}
