import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { archiveOf, shippedFiles } from '../../../policy/archive.ts'
import { runPolicy } from './run-policy.ts'

let folder: string
/** Where nothing is to be made. */
let output: string
const named = (file: string): string => join(folder, file)

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-policy-malformed-'))
  output = named('output.tar.gz')
  const whole = await archiveOf(await shippedFiles())
  await writeFile(named('good.tar.gz'), whole)
  await writeFile(named('none.tar.gz'), 'what is no archive')
  await writeFile(named('short.tar.gz'), whole.subarray(0, whole.length / 2))
  for (const [name, changed] of Object.entries({
    manifest: { '.manifest': '{"revision":"a",}' },
    data: { 'data.json': '{"a":\n1,,}' },
    plan: { 'plan.json': '{"static" 1}' },
    module: { 'policy.wasm': 'elf' },
  })) {
    await writeFile(named(`${name}.tar.gz`), await archiveOf(await shippedFiles(changed)))
  }
  await writeFile(named('data.json'), '{"grants": {}\n,}')
  await writeFile(named('empty.jsonl'), '')
})

after(() => rm(folder, { recursive: true, force: true }))

const broken: Readonly<Record<string, RegExp>> = {
  'none.tar.gz': /bundle is no gzip archive, or is cut short/,
  'short.tar.gz': /bundle is no (?:gzip|tar) archive, or is cut short/,
  'absent.tar.gz': /bundle cannot be read/,
  'manifest.tar.gz': /\.manifest is not JSON, line 1 column 17, want=a name in double quotes/,
  'data.tar.gz': /data\.json is not JSON, line 2 column 3, want=a name in double quotes/,
  'plan.tar.gz': /plan\.json is not JSON, line 1 column 11, want=:/,
  'module.tar.gz': /policy\.wasm is not a WebAssembly module, got="elf"/,
}

/** Each command that takes a bundle, asked for one that it cannot read. */
const commands: Readonly<Record<string, (place: string) => readonly string[]>> = {
  check: (place) => ['check', place],
  'check --json': (place) => ['check', place, '--json'],
  eval: (place) => ['eval', place, '--query', 'data.x'],
  test: (place) => ['test', place],
  replay: (place) => ['replay', '--log', named('empty.jsonl'), '--candidate', place],
  bench: (place) => ['bench', '--log', named('empty.jsonl'), '--bundle', place],
  sign: (place) => ['sign', place, '--key', named('absent.pem'), '--output', output],
}

for (const [command, wordsOf] of Object.entries(commands)) {
  test(`${command} ends with 2 for what is no bundle, and names the file and what was expected`, async () => {
    for (const [file, message] of Object.entries(broken)) {
      const { code, out, err } = await runPolicy(...wordsOf(named(file)))
      const said = (out + err).replaceAll('\\"', '"')
      assert.equal(code, 2, `${file}: ${said}`)
      assert.ok(said.includes(named(file)), said)
      assert.match(said, message)
      assert.match(said, /policy\/malformed/)
    }
    await assert.rejects(readFile(output), { code: 'ENOENT' })
  })
}

test('data that is no JSON ends with 2, with file, line and column', async () => {
  const { code, err } = await runPolicy('check', named('good.tar.gz'), '--data', named('data.json'))
  assert.equal(code, 2)
  assert.ok(err.includes(`${named('data.json')}: is not JSON, line 2 column 2, want=`), err)
})
