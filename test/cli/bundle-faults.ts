/** What may be wrong with a bundle, or with the way that it comes, by the step of activation that it meets. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import type { createSelfTest } from '../../src/cli/bundle-process.ts'
import type { Files } from '../policy/archive.ts'
import type { Answer } from '../policy/bundle-server.ts'
import { assembleModule } from '../policy/policy-module.ts'
import { signedFirst, type author } from './service-parts.ts'

const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' })

/** What is wrong, and where; what is not said is as it would be in a good bundle. */
export interface Fault {
  /** The step of activation that it meets. */
  readonly step:
    | 'transport'
    | 'limits'
    | 'signature'
    | 'manifest'
    | 'builtins'
    | 'entrypoints'
    | 'module'
    | 'data'
    | 'self-test'
  readonly files?: (two: Files) => Files
  /** After it is signed. */
  readonly tampered?: (signed: Files) => Files
  readonly by?: typeof author | 'nobody'
  readonly claims?: object
  readonly octets?: (archive: Buffer) => Buffer
  readonly answer?: Answer
  /** In a process of its own. */
  readonly selfTest?: Omit<Parameters<typeof createSelfTest>[0], 'program'>
  readonly why: RegExp
  /** Of these sources alone. */
  readonly of?: readonly string[]
}

export const served: readonly string[] = ['a bundle server', 'a registry']

/** A server that says a little of its answer again and again, and never all of it. */
const drip: Answer = ({ socket }, response) => {
  socket.write('HTTP/1.1 200 OK\r\n')
  const timer = setInterval(() => socket.write('x'), 20)
  socket.once('close', () => clearInterval(timer))
  response.once('close', () => clearInterval(timer))
}

const withText =
  (name: string, change: (text: string) => string) =>
  (files: Files): Files => {
    const text = Buffer.from(files[name] ?? '').toString()
    const changed = change(text)
    assert.notEqual(changed, text, name)
    return { ...files, [name]: changed }
  }

export const faults: Readonly<Record<string, Fault>> = {
  'a server that answers 500': {
    step: 'transport',
    of: served,
    answer: (_, response) => void response.writeHead(500).end('no'),
    why: /answers 500, want=200 or 304/,
  },
  'a slow drip': {
    step: 'transport',
    of: served,
    answer: drip,
    why: /want=|ended|Parse Error|timeout|time/,
  },
  'a digest that lies': {
    step: 'transport',
    of: ['a registry'],
    answer: (_, response) =>
      void response
        .writeHead(200, { 'docker-content-digest': `sha256:${'0'.repeat(64)}` })
        .end('{}'),
    why: /manifest is not what its digest names/,
  },
  'an ETag of something else': {
    step: 'signature',
    of: ['a bundle server'],
    by: stranger,
    why: /signature/,
  },
  'half of an archive': {
    step: 'limits',
    octets: (archive) => archive.subarray(0, archive.length / 2),
    why: /archive|gzip|bundle/,
  },
  'more files than a bundle may have': {
    step: 'limits',
    files: (two) => ({
      ...two,
      ...Object.fromEntries(Array.from({ length: 1024 }, (_, index) => [`more/${index}`, ''])),
    }),
    why: /files/,
  },
  'a signature of a stranger': { step: 'signature', by: stranger, why: /signature/ },
  'a key that was rotated': {
    step: 'signature',
    by: stranger,
    claims: { keyid: 'author-2027' },
    why: /author-2027|key/,
  },
  'no signature': { step: 'signature', by: 'nobody', why: /not signed|no signature|signature/ },
  'a file that was changed after it was signed': {
    step: 'signature',
    tampered: withText('data.json', (text) => text.replace('"acme"', '"globex"')),
    why: /data\.json/,
  },
  'a file that was added after it was signed': {
    step: 'signature',
    tampered: (signed) => ({ ...signed, 'more.rego': '' }),
    why: /more\.rego/,
  },
  'an older revision': {
    step: 'signature',
    claims: { iat: signedFirst - 1 },
    why: /signed before the one in force/,
  },
  'a revision of the future': {
    step: 'signature',
    of: served,
    claims: { iat: signedFirst + 86_400 },
    why: /to come|future|clock/,
  },
  'a manifest without a revision': {
    step: 'manifest',
    files: (two) => ({ ...two, '.manifest': '{"roots":[""]}' }),
    why: /revision/,
  },
  'a delta': {
    step: 'manifest',
    files: (two) => ({ ...two, 'patch.json': '{"data":[]}' }),
    why: /patch\.json|delta/,
  },
  'a builtin of nobody': {
    step: 'builtins',
    files: withText('plan.json', (text) =>
      text
        .replace('"name":"lower"', '"name":"http.send"')
        .replaceAll('"func":"lower"', '"func":"http.send"'),
    ),
    why: /builtins that are not provided, got=http\.send/,
  },
  'a statement of nobody': {
    step: 'builtins',
    files: withText('plan.json', (text) => text.replace('"type":"CallStmt"', '"type":"EvalStmt"')),
    why: /plan\.json cannot be run/,
  },
  'an entrypoint less': {
    step: 'entrypoints',
    files: withText('plan.json', (text) =>
      text.replace('"name":"countersign/log/mask"', '"name":"countersign/log/other"'),
    ),
    why: /countersign\/log\/mask/,
  },
  'a module that is none': {
    step: 'module',
    files: (two) => ({ ...two, 'policy.wasm': 'none' }),
    why: /policy\.wasm|module/,
  },
  'data that rules cannot read': {
    step: 'data',
    files: withText('data.json', (text) =>
      text.replace('"lifetime_seconds_max":{}', '"lifetime_seconds_max":{"agent":"long"}'),
    ),
    why: /does not answer an empty input, got=countersign\/issuance\/decision/,
  },
  'data that has a member twice': {
    step: 'data',
    files: withText('data.json', (text) => text.replace('"limits":{}', '"limits":{},"limits":{}')),
    why: /twice|two ways|data\.json/,
  },
  'a trap in the test': {
    step: 'self-test',
    files: (two) => ({ ...two, 'policy.wasm': assembleModule({ behaviour: { trap: true } }) }),
    why: /do not answer alike/,
  },
  'an endless loop': {
    step: 'self-test',
    files: (two) => ({
      ...two,
      'policy.wasm': assembleModule({ behaviour: { loop: true, early: true } }),
    }),
    selfTest: { deadlineMilliseconds: 500 },
    why: /does not pass its test in time/,
  },
  'a memory bomb': {
    step: 'self-test',
    // V8 takes its time before it gives up.
    of: ['a bundle server'],
    files: (two) => ({ ...two, 'data.json': `{"bomb":[${'{},'.repeat(1_000_000)}{}]}` }),
    selfTest: { heapMegabytes: 48, deadlineMilliseconds: 60_000 },
    why: /test of the bundle ended early/,
  },
}
