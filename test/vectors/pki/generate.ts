/**
 * Writes the vector files of this folder, or with --check says which of them differ from what it would write.
 *
 *     node test/vectors/pki/generate.ts [--check]
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { bindingCases } from './binding-cases.ts'
import { caCases } from './ca-cases.ts'
import { leafCases } from './leaf-cases.ts'
import { requestCases } from './request-cases.ts'
import { formatVector } from './vector.ts'
import type { Vector } from './vector.ts'

const files: Readonly<Record<string, readonly [remark: string, cases: readonly Vector[]]>> = {
  'leaves.txt': ['X509-SVID §4-5, RFC 5280 §4.1-4.2, X.690 §10-11', leafCases()],
  'anchors.txt': ['X509-SVID §3.2, §4.1-4.3, RFC 5280 §4.2.1.9-10', caCases()],
  'bindings.txt': ['the identity extension, WorkloadBinding version 1', bindingCases()],
  'requests.txt': ['RFC 2986, KEP-4317 stubPKCS10Request', requestCases()],
}

for (const [file, [remark, cases]] of Object.entries(files)) {
  const text = [
    `# ${remark}. Made by generate.ts: name, message of the refusal (empty: valid), base64 of the DER.`,
    ...cases.map((one) => formatVector(one)),
    '',
  ].join('\n')
  const url = new URL(file, import.meta.url)
  if (!process.argv.includes('--check')) writeFileSync(url, text)
  else if (readFileSync(url, 'utf8') !== text) {
    process.stdout.write(`${file} differs from what generate.ts makes\n`)
    process.exitCode = 1
  }
}
