import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { CountersignError } from '../../src/errors.ts'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { parseBundle } from '../../src/pki/bundle.ts'
import { parseCertificateRequest } from '../../src/pki/certificate-request.ts'
import { parseIdentityExtension } from '../../src/pki/identity-extension.ts'
import { formatPem } from '../../src/pki/pem.ts'
import { parseX509Svid } from '../../src/pki/x509-svid.ts'
import { parseVectors } from '../vectors/pki/vector.ts'
import type { Vector } from '../vectors/pki/vector.ts'
import { requirement } from '../requirements.ts'

const trustDomain = parseTrustDomain('test.example')

const kinds: readonly {
  readonly file: string
  readonly what: string
  readonly codes: readonly string[]
  readonly parse: (der: Buffer) => unknown
  /** What no single flipped bit may turn into something that is accepted: what a signature of its own covers. */
  readonly selfSigned: boolean
}[] = [
  {
    file: 'leaves.txt',
    what: 'leaf',
    codes: ['pki/svid'],
    parse: (der) => parseX509Svid(der),
    selfSigned: false,
  },
  {
    file: 'anchors.txt',
    what: 'anchor',
    codes: ['pki/bundle'],
    parse: (der) => parseBundle(formatPem('CERTIFICATE', der), trustDomain),
    selfSigned: true,
  },
  {
    file: 'bindings.txt',
    what: 'identity extension',
    codes: ['pki/identity-extension'],
    parse: (der) => parseIdentityExtension(der),
    selfSigned: false,
  },
  {
    file: 'requests.txt',
    what: 'certificate request',
    codes: ['pki/csr-malformed', 'pki/csr-signature', 'pki/key-type', 'pki/key-malformed'],
    parse: (der) => parseCertificateRequest(der),
    selfSigned: true,
  },
]

for (const { file, what, codes, parse, selfSigned } of kinds) {
  const vectors = parseVectors(
    readFileSync(new URL(`../vectors/pki/${file}`, import.meta.url), 'utf8'),
  )
  const valid = vectors.filter((vector) => vector.message === '')

  for (const vector of vectors) {
    test(`the ${what} ${vector.name} is ${vector.message === '' ? 'valid' : 'refused'}`, () => {
      requirement('gateway.anchors-of-their-domain')
      requirement('pki.svid-rules')
      requirement('pki.extension-fails-closed')
      assert.equal(refusalOf(vector, parse), vector.message)
    })
  }

  test(`every refusal of a ${what} has a code of its own`, () => {
    for (const { name, message, der } of vectors) {
      if (message === '') continue
      assert.throws(
        () => parse(der),
        (error) => error instanceof CountersignError && codes.includes(error.code),
        name,
      )
    }
  })

  test(`every truncation of a valid ${what} is refused`, () => {
    requirement('pki.der-strict')
    for (const { name, der } of valid) {
      for (let length = 0; length < der.length; length++) {
        assert.throws(
          () => parse(der.subarray(0, length)),
          CountersignError,
          `${name} at ${length}`,
        )
      }
    }
  })

  test(`one more octet after a valid ${what} is refused`, () => {
    requirement('pki.der-strict')
    for (const { name, der } of valid) {
      for (const octet of [0x00, 0x05, 0x30]) {
        const longer = Buffer.concat([der, Buffer.from([octet])])
        assert.throws(() => parse(longer), CountersignError, name)
      }
    }
  })

  test(`a flipped bit in a valid ${what} ${selfSigned ? 'is refused' : 'never escapes the refusals'}`, () => {
    for (const { name, der } of valid.slice(0, 2)) {
      for (let bit = 0; bit < der.length * 8; bit++) {
        const flipped = Buffer.from(der)
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        const refusal = refusalOf({ name, message: '', der: flipped }, parse)
        if (selfSigned) assert.notEqual(refusal, '', `${name}, bit ${bit}`)
      }
    }
  })
}

test('the vector files are what their generator makes', () => {
  const script = fileURLToPath(new URL('../vectors/pki/generate.ts', import.meta.url))
  execFileSync(process.execPath, [script, '--check'], { stdio: 'pipe' })
})

/** The message of the refusal, empty when there is none. Anything thrown that is no CountersignError fails the test. */
function refusalOf(vector: Vector, parse: (der: Buffer) => unknown): string {
  try {
    parse(vector.der)
    return ''
  } catch (error) {
    assert.ok(error instanceof CountersignError, `${vector.name}: ${String(error)}`)
    return error.message
  }
}
