import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { unpackBundle } from '../../src/policy/bundle-archive.ts'
import type { BundleContent } from '../../src/policy/bundle-content.ts'
import {
  verifyBundle,
  type BundleKey,
  type SignatureAlgorithm,
} from '../../src/policy/bundle-signature.ts'
import { requirement } from '../requirements.ts'
import { archiveOf, type Files } from './archive.ts'

interface Vector {
  readonly files: Files
  readonly keys: Readonly<Record<string, string>>
  readonly signatures: readonly {
    readonly algorithm: SignatureAlgorithm
    readonly key: string
    readonly scope: string
    readonly file: string
  }[]
}

const vectorFile = join(import.meta.dirname, '..', 'vectors', 'rego', 'signatures.json')
const vector = JSON.parse(readFileSync(vectorFile, 'utf8')) as Vector

const bundleOf = async (files: Files): Promise<BundleContent> =>
  unpackBundle(await archiveOf(files))

for (const { algorithm, key, scope, file } of vector.signatures) {
  const publicKey = createPublicKey(vector.keys[key] ?? '')
  const keys: readonly BundleKey[] = [{ id: 'author', algorithm, publicKey }]
  test(`what opa signs with ${algorithm} and the scope '${scope}' is verified, and no octet of it may be another`, async () => {
    requirement('policy.bundle-signed')
    const files = { ...vector.files, '.signatures.json': file }
    const issuedAt = scope === '' ? undefined : 1_700_000_000
    assert.deepEqual(verifyBundle(await bundleOf(files), { keys, scope }), { issuedAt })
    for (const [name, content] of Object.entries(vector.files)) {
      const other = { ...files, [name]: `${String(content)} ` }
      // Of structured documents a blank more is no other document.
      const isStructured = name === '.manifest' || name === 'data.json'
      const bundle = await bundleOf(isStructured ? { ...files, [name]: '{}' } : other)
      assert.throws(() => verifyBundle(bundle, { keys, scope }), {
        code: 'policy/signature',
        message: `file is not what was signed, got="${name}"`,
      })
      const { [name]: _, ...without } = files as Record<string, string>
      const less = await bundleOf(without)
      assert.throws(() => verifyBundle(less, { keys, scope }), {
        message: `signed file is not there, want="${name}"`,
      })
    }
    const more = await bundleOf({ ...files, 'a/c.rego': 'package a' })
    assert.throws(() => verifyBundle(more, { keys, scope }), {
      message: 'file is not signed, got="a/c.rego"',
    })
    const bundle = await bundleOf(files)
    assert.throws(() => verifyBundle(bundle, { keys, scope: 'other' }), {
      message: `scope of the signature: want="other" got="${scope}"`,
    })
    const rotated = keys.map((each) => ({ ...each, publicKey: publicKeyOfAnother(algorithm) }))
    assert.throws(() => verifyBundle(bundle, { keys: rotated, scope }), {
      message: 'signature is not by a key of policy.signature',
    })
    assert.ok(verifyBundle(bundle, { keys: [...rotated, ...keys], scope }))
  })
}

function publicKeyOfAnother(algorithm: SignatureAlgorithm): BundleKey['publicKey'] {
  const namedCurve = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }[algorithm as string]
  return namedCurve === undefined
    ? generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey
    : generateKeyPairSync('ec', { namedCurve }).publicKey
}

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const keys: readonly BundleKey[] = [{ id: 'k1', algorithm: 'ES256', publicKey }]

function signed(payload: string, header = '{"alg":"ES256"}'): string {
  const input = [header, payload].map((each) => Buffer.from(each).toString('base64url')).join('.')
  const octets = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return `${input}.${octets.toString('base64url')}`
}

const file = (token: string, more = ''): string => `{"signatures":["${token}"]${more}}`
const entry = `{"name":"a","hash":"${'0'.repeat(64)}","algorithm":"SHA-256"}`

const refused: Readonly<Record<string, readonly [string | undefined, RegExp]>> = {
  'no signature': [undefined, /^bundle is not signed, want=.signatures.json$/],
  'a signature file that is no JSON': ['x', /^.signatures.json is not JSON$/],
  'two signatures': ['{"signatures":["a","b"]}', /want=one signature$/],
  'no signature in its file': ['{"signatures":[]}', /want=one signature$/],
  'signatures said twice': ['{"signatures":["a"],"signatures":["b"]}', /is said twice$/],
  'a plugin': [file(signed('{"files":[]}'), ',"plugin":"mine"'), /^signature is of a plugin/],
  'no algorithm at all': [
    file(signed('{"files":[]}', '{"alg":"none"}')),
    /^signature is not by a key of policy.signature$/,
  ],
  'the public key taken for a secret': [
    file(signed('{"files":[]}', '{"alg":"HS256"}')),
    /^signature is not by a key of policy.signature$/,
  ],
  'a key that nobody knows': [
    file(signed('{"files":[]}', '{"alg":"ES256","kid":"k2"}')),
    /^key of the signature is not known, want=k1 got="k2"$/,
  ],
  'a critical header': [
    file(signed('{"files":[]}', '{"alg":"ES256","crit":["b64"]}')),
    /^signature has critical headers, want=none$/,
  ],
  'a signature cut off': [
    file(signed('{"files":[]}').replace(/\.[^.]*$/, '.')),
    /^signature is no compact JWS$/,
  ],
  'no list of files': [file(signed('{}')), /^signature lists no files$/],
  'a file twice': [
    file(signed(`{"files":[${entry},${entry}]}`)),
    /^signature lists a file twice, got="a"$/,
  ],
  MD5: [
    file(signed('{"files":[{"name":"a","hash":"00","algorithm":"MD5"}]}')),
    /^hash of a file: want=.* got="MD5"$/,
  ],
  'a time that is none': [file(signed('{"files":[],"iat":"now"}')), /^iat of the signature is no/],
  'itself among its files': [
    file(signed(`{"files":[${entry.replace('"a"', '".signatures.json"')}]}`)),
    /^file is not signed, got="a"$/,
  ],
}

for (const [what, [signatures, message]] of Object.entries(refused)) {
  test(`a bundle with ${what} is refused`, async () => {
    requirement('policy.bundle-signed')
    const files = {
      a: 'x',
      ...(signatures === undefined ? {} : { '.signatures.json': signatures }),
    }
    const bundle = await bundleOf(files)
    assert.throws(() => verifyBundle(bundle, { keys, scope: '' }), {
      code: 'policy/signature',
      message,
    })
  })
}
