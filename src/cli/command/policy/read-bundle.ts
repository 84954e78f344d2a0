import { CountersignError, quoted } from '../../../errors.ts'
import type { BundleContent } from '../../../policy/bundle-content.ts'
import { readBundle } from '../../../policy/bundle-place.ts'
import { parseDataDocument, type DataDocument } from '../../../policy/data-document.ts'
import { jsonFault } from '../../../policy/json-fault.ts'
import { readPolicyFile } from '../../policy-files.ts'

/** Reads a bundle that a command names. Throws `policy/malformed` where there is none that can be read. */
export async function readNamedBundle(place: string): Promise<BundleContent> {
  try {
    return await readBundle(place)
  } catch (error) {
    if (error instanceof CountersignError) throw malformed(place, error.message, error.cause)
    throw error
  }
}

/** The same, with its files looked at. Throws `policy/malformed`. */
export async function readWhole(place: string): Promise<BundleContent> {
  const content = await readNamedBundle(place)
  checkForms(content, place)
  return content
}

const jsonFiles = ['.manifest', 'data.json', 'plan.json', 'schemas.json', '.signatures.json']

/** Looks at each file of a bundle as what its name says that it is, and at nothing that is in it. Throws `policy/malformed`. */
export function checkForms({ files }: BundleContent, place: string): void {
  for (const name of jsonFiles) {
    const octets = files.get(name)
    const fault = octets === undefined ? undefined : jsonFault(octets.toString('utf8'))
    if (fault !== undefined) throw malformed(place, `${name} is not JSON, ${fault}`)
  }
  const magic = files.get('policy.wasm')?.subarray(0, 4).toString('latin1')
  if (magic === undefined || magic === '\0asm') return
  throw malformed(place, `policy.wasm is not a WebAssembly module, got=${quoted(magic)}`)
}

/** Reads data that a command names; a message has its file, line and column. Throws `policy/malformed`. */
export function readNamedData(files: readonly string[]): Promise<readonly DataDocument[]> {
  return Promise.all(
    files.map(async (file) => {
      try {
        return parseDataDocument(await readPolicyFile(file, 'policy/data'), file)
      } catch (error) {
        if (!(error instanceof CountersignError)) throw error
        throw new CountersignError('policy/malformed', error.message, { cause: error.cause })
      }
    }),
  )
}

function malformed(place: string, message: string, cause?: unknown): CountersignError {
  const said = message.includes(quoted(place, 200)) ? message : `${quoted(place, 200)}: ${message}`
  return new CountersignError('policy/malformed', said, { cause })
}
