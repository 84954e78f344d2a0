import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '..', '..', '..')

function textOf(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

test('every reason of a refusal has its row in docs/ISSUANCE.md, and no other has', () => {
  const [, union = ''] =
    /type DenyReason =([^/]*)/.exec(textOf('src/signer/verdict/verdict.ts')) ?? []
  const reasons = [...union.matchAll(/'(\w+)'/g)].map(([, reason = '']) => reason)
  const [, section = ''] = /\n## Denied\n([^]*?)\n## /.exec(textOf('docs/ISSUANCE.md')) ?? []
  const rows = [...section.matchAll(/^\| `(\w+)`/gm)].map(([, reason = '']) => reason)
  assert.ok(reasons.length > 10)
  assert.deepEqual(rows.toSorted(), reasons.toSorted())
})

test('every reason is one that the API server takes', () => {
  const text = textOf('docs/ISSUANCE.md')
  for (const [, reason = ''] of text.matchAll(/^\| `([A-Z]\w+)`/gm)) {
    // certificates.k8s.io: `^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$`.
    assert.match(reason, /^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/)
  }
})
