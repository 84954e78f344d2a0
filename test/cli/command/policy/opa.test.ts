import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { buildBundle, checkTypes } from '../../../../src/cli/command/policy/build-plan.ts'
import { findOpa } from '../../../../src/cli/command/policy/opa.ts'

test('no name of a place is an option of opa', async (t) => {
  const place = await mkdtemp(join(tmpdir(), 'countersign-policy-opa-'))
  t.after(() => rm(place, { recursive: true }))
  await mkdir(join(place, 'schemas'))
  const places = ['--output=other.tar.gz', place]
  const asked: string[][] = []
  const opa = {
    run: (words: readonly string[]): Promise<string> => {
      asked.push(words.slice(-3))
      return Promise.reject(new Error('asked'))
    },
  }
  await assert.rejects(checkTypes(opa, places), /^Error: asked$/)
  await assert.rejects(
    buildBundle(opa, places, { target: 'plan', entrypoints: [] }),
    /^Error: asked$/,
  )
  assert.deepEqual(asked, [
    ['--', ...places],
    ['--', ...places],
  ])
})

test('names that no program can be given are refused as sources', async () => {
  const opa = findOpa(process.execPath, {}, new AbortController().signal)
  for (const names of [['a\0b'], ['a'.repeat(8 * 1024 * 1024)]]) {
    await assert.rejects(opa.run(['-e', '0', ...names]), { code: 'policy/source' })
  }
})

test('of an error the file, the row and the words are told, however opa writes it', async () => {
  const opa = findOpa(process.execPath, {}, new AbortController().signal)
  const error = 'a.rego:5: rego_parse_error: unexpected } token'
  for (const written of [`${error}\n\t}\n\t^\n`, String.raw`  ${error}\n\t}\n\t^",`]) {
    const program = `console.error(${JSON.stringify(written)}); process.exitCode = 1`
    await assert.rejects(opa.run(['-e', program]), { message: `opa says: ${error}` })
  }
})
