import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, verify, type KeyObject } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { openToken, type Token } from '../../src/pkcs11/token-key.ts'
import { requirement } from '../requirements.ts'
import { message, startFakeToken, type FakeToken } from './fake-token.ts'

const keys = [1, 2].map(() => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey)
const [first, second] = keys.map((key) => createPublicKey(key)) as [KeyObject, KeyObject]
const octets = Buffer.from('to be signed')

interface World {
  readonly fake: FakeToken
  readonly token: Token
  readonly pinFile: string
}

async function openWorld(t: TestContext, answerSeconds = 60): Promise<World> {
  const fake = await startFakeToken(keys)
  const pinFile = join(fake.folder, 'pin')
  writeFileSync(pinFile, '1234\n')
  const { socket } = fake
  const token = openToken({ socket, token: 'ca', key: 'ca-key', pinFile, answerSeconds })
  t.after(async () => {
    token[Symbol.dispose]()
    await fake[Symbol.asyncDispose]()
  })
  return { fake, token, pinFile }
}

test('of the keys with its label each certificate finds its own, by what they sign', async (t) => {
  const { token } = await openWorld(t)
  for (const publicKey of [second, first]) {
    const signature = await token.keyOf(publicKey).sign(octets)
    assert.ok(verify('sha256', octets, publicKey, signature))
  }
})

test('signatures share one connection, and none is taken for another’s', async (t) => {
  const { fake, token } = await openWorld(t)
  const key = token.keyOf(first)
  const all = Array.from({ length: 20 }, (_, at) => Buffer.of(at))
  const signatures = await Promise.all(all.map(async (each) => key.sign(each)))
  for (const [at, signature] of signatures.entries()) {
    assert.ok(verify('sha256', all[at] ?? octets, first, signature))
  }
  assert.equal(fake.connections, 1)
})

test('mechanisms are written as either p11-kit reads them', async (t) => {
  const { fake, token } = await openWorld(t)
  fake.hasOctetsBehindMechanism = false
  const signature = await token.keyOf(first).sign(octets)
  assert.ok(verify('sha256', octets, first, signature))
  assert.equal(fake.connections, 1, 'what is not understood costs no connection')
})

test('a certificate of another key finds none', async (t) => {
  const { fake, token } = await openWorld(t)
  fake.keys = keys.slice(0, 1)
  await assert.rejects(async () => token.keyOf(second).sign(octets), {
    code: 'pki/authority',
    message: 'no key "ca-key" of token "ca" belongs to the certificate, looked at 1',
  })
  assert.throws(() => token.keyOf(generateKeyPairSync('ed25519').publicKey), {
    code: 'pki/authority',
    message: /want=P-256\|P-384\|P-521\|RSA got=Ed25519$/,
  })
})

test('a PIN that is refused is tried once, until its file has another: a token locks after a few', async (t) => {
  requirement('pki.token-pin-tried-once')
  const { fake, token, pinFile } = await openWorld(t)
  writeFileSync(pinFile, 'wrong')
  const key = token.keyOf(first)
  for (const message of [/CKR_PIN_INCORRECT/, /does not take the PIN$/, /does not take the PIN$/]) {
    await assert.rejects(
      async () => key.sign(octets),
      (error: Error) => {
        assert.match(error.message, message)
        assert.doesNotMatch(`${error.message} ${JSON.stringify(error)}`, /wrong/)
        return true
      },
    )
  }
  assert.deepEqual(fake.pins, ['wrong'])
  writeFileSync(pinFile, '1234')
  await key.sign(octets)
  assert.deepEqual(fake.pins, ['wrong', '1234'])
  for (const [content, message] of [
    ['', /empty or too long/],
    ['1'.repeat(300), /empty or too long/],
  ] as const) {
    writeFileSync(pinFile, content)
    using other = openToken({ socket: fake.socket, token: 'ca', key: 'ca-key', pinFile })
    await assert.rejects(async () => other.keyOf(first).sign(octets), { message })
  }
})

test('a connection that is lost is opened again for the next signature', async (t) => {
  const { fake, token } = await openWorld(t)
  const key = token.keyOf(first)
  await key.sign(octets)
  fake.instead = (call) => (call === 'C_Sign' ? 'nothing' : undefined)
  const lost = assert.rejects(async () => key.sign(octets), { code: 'pki/authority-unavailable' })
  await new Promise((resolve) => setImmediate(resolve))
  fake.drop()
  await lost
  fake.instead = undefined
  assert.ok(verify('sha256', octets, first, await key.sign(octets)))
  assert.equal(fake.connections, 2)
})

test('a key that is another one by now signs nothing, and that of the certificate is found again', async (t) => {
  requirement('pki.key-elsewhere')
  const { fake, token } = await openWorld(t)
  const key = token.keyOf(first)
  await key.sign(octets)
  fake.keys = keys.toReversed()
  await assert.rejects(async () => key.sign(octets), {
    code: 'pki/authority-unavailable',
    message: 'token has signed with another key than before',
  })
  assert.ok(verify('sha256', octets, first, await key.sign(octets)))
})

test('a token is left at once, also before it has answered at all', async (t) => {
  const { fake, token } = await openWorld(t)
  const asked = Promise.withResolvers<void>()
  fake.instead = () => {
    asked.resolve()
    return 'nothing'
  }
  const left = assert.rejects(async () => token.keyOf(first).sign(octets), {
    message: 'connection to the token is closed',
  })
  await asked.promise
  token[Symbol.dispose]()
  await left
})

test('a token that does not answer is not waited for', async (t) => {
  const { fake, token } = await openWorld(t, 0.2)
  fake.instead = (call) => (call === 'C_FindObjects' ? 'nothing' : undefined)
  await assert.rejects(async () => token.keyOf(first).sign(octets), {
    code: 'pki/authority-unavailable',
    message: 'token does not answer, want=..0.2s',
  })
})

const huge = Buffer.alloc(12)
huge.writeUInt32BE(0x7fffffff, 8)
const hostile: readonly (readonly [string, (tag: number) => Buffer, RegExp])[] = [
  ['of two gigabytes', () => huge, /^answer of the token is too large/],
  ['to another call', (tag) => message(tag, Buffer.alloc(0), 18, ''), /is to another call/],
  ['to a call of before', (tag) => message(tag - 1, Buffer.alloc(0), 27, 'au'), /to another call/],
  ['that ends too soon', (tag) => message(tag, Buffer.alloc(0), 27, 'au'), /ends too soon/],
  [
    'of more numbers than it has',
    (tag) => message(tag, Buffer.from('0100000008', 'hex'), 27, 'au'),
    /ends too soon/,
  ],
  [
    'of more numbers than there was room for',
    (tag) => {
      const handles = Buffer.from('01'.padEnd(2 * (5 + 9 * 8), '0'), 'hex')
      handles.writeUInt32BE(9, 1)
      return message(tag, handles, 27, 'au')
    },
    /has too many numbers, want=\.\.8 got=9$/,
  ],
  ['that is empty', (tag) => message(tag, Buffer.alloc(0), 0, ''), /is to another call/],
]
for (const [name, answer, expected] of hostile) {
  test(`an answer ${name} ends the connection`, async (t) => {
    const { fake, token } = await openWorld(t)
    fake.instead = (call, tag) => (call === 'C_FindObjects' ? answer(tag) : undefined)
    await assert.rejects(async () => token.keyOf(first).sign(octets), {
      code: 'pki/authority-unavailable',
      message: expected,
    })
  })
}

test('a token or a socket that is not there is said by name', async (t) => {
  const { fake, pinFile } = await openWorld(t)
  const { socket } = fake
  const cases = [
    [{ socket: `${socket}.no`, token: 'ca' }, /^token at ".*\.no" is not reached, got=ENOENT$/],
    [{ socket, token: 'other' }, /^token "other" is not there once, got=0$/],
    [{ socket, token: 'ca', pinFile: `${pinFile}.no` }, /cannot be read .*got=ENOENT$/],
    // A token shows no private key to whoever has not logged in.
    [{ socket, token: 'ca', pinFile: undefined }, /^token has no private key "ca-key"$/],
  ] as const
  for (const [place, message] of cases) {
    using token = openToken({ key: 'ca-key', pinFile, ...place })
    await assert.rejects(async () => token.keyOf(first).sign(octets), {
      code: 'pki/authority-unavailable',
      message,
    })
  }
})
