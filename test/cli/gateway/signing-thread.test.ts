import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { generateKeyPairSync, verify } from 'node:crypto'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { startSigningThreads } from '../../../src/cli/gateway/signing-thread.ts'
import { signOf } from '../../../src/token/algorithm.ts'
import { createLog } from '../../../src/cli/create-log.ts'

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const log = createLog({ level: 'silent' })

const texts = Array.from({ length: 50 }, (_, each) => `header.${'x'.repeat(each * 40)}é`)

/** A thread alone keeps no process alive. */
async function awake<T>(work: () => Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, 1000)
  try {
    return await work()
  } finally {
    clearInterval(timer)
  }
}

test('a thread signs each text in Latin-1, in their order', async () => {
  await awake(async () => {
    const thread = await startSigningThreads(log)(privateKey)
    const [first, second] = await Promise.all([thread.sign(texts), thread.sign(['a'])])
    assert.deepEqual([first.length, second.length], [texts.length, 1])
    for (const [index, text] of texts.entries()) {
      const octets = Buffer.from(text, 'latin1')
      assert.ok(verify('sha256', octets, publicKey, first[index] ?? Buffer.alloc(0)), text)
    }
    thread.close()
  })
})

test('a thread that is closed signs what it was given and then nothing more', async () => {
  await awake(async () => {
    const thread = await startSigningThreads(log)(privateKey)
    const last = thread.sign(['last'])
    thread.close()
    assert.equal((await last).length, 1)
    await assert.rejects(thread.sign(['later']), { code: 'token/sign' })
    await assert.rejects(thread.sign(['later still']), { code: 'token/sign' })
  })
})

test('tokens of P-256 that are asked for together are signed in a thread, and verify', async () => {
  await awake(async () => {
    const signed: string[] = []
    const start = startSigningThreads(log)
    const closing = Promise.withResolvers<void>()
    const signing = signOf(privateKey, async (key) => {
      const thread = await start(key)
      return {
        sign(some) {
          signed.push(...some)
          return thread.sign(some)
        },
        close() {
          thread.close()
          closing.resolve()
        },
      }
    })
    assert.ok(signing !== undefined)
    while (signed.length < 200) {
      const signatures: readonly Buffer[] = await Promise.all(texts.map(signing.sign))
      for (const [index, signature] of signatures.entries()) {
        assert.equal(signature.length, 64)
        const key = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const
        assert.ok(verify('sha256', Buffer.from(texts[index] ?? '', 'latin1'), key, signature))
      }
    }
    signing.close()
    await closing.promise
  })
})

test('a process ends with its last work, though its thread was not told to', async () => {
  const module = import.meta.resolve('../../../src/cli/gateway/signing-thread.ts')
  const script = `
    import { generateKeyPairSync } from 'node:crypto'
    import { startSigningThreads } from ${JSON.stringify(module)}
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const work = setInterval(() => {}, 1000)
    const thread = await startSigningThreads({})(privateKey)
    process.stdout.write(String((await thread.sign(['a', 'b'])).length))
    clearInterval(work)
  `
  const words = ['--input-type=module', '--eval', script]
  const { stdout } = await promisify(execFile)(process.execPath, words, { timeout: 60_000 })
  assert.equal(stdout, '2')
})
