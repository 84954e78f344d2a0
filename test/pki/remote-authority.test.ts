import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { CountersignError } from '../../src/errors.ts'
import { silentLog } from '../../src/log.ts'
import type { AuthoritySource } from '../../src/pki/authority.ts'
import { parseCaKey, type CaKey } from '../../src/pki/ca-key.ts'
import { openRemoteAuthority } from '../../src/pki/remote-authority.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { createTestAuthority, type TestAuthority } from '../support/test-authority.ts'

const octets = Buffer.from('to be signed')

interface World {
  readonly authorities: AuthoritySource
  /** What the keys of the device are now. */
  readonly device: { sign: CaKey['sign']; asked: number }
  readonly publish: (ca: TestAuthority) => Promise<void>
  readonly inForce: (ca: TestAuthority) => Promise<void>
}

function signingAs(ca: TestAuthority): CaKey['sign'] {
  const key = parseCaKey(ca.privateKeyPem)
  return (signed) => Promise.resolve(key.sign(signed))
}

function sha256Of(authorities: AuthoritySource): string {
  try {
    return authorities.current().certificate.sha256
  } catch (error) {
    return String(error)
  }
}

async function openWorld(t: TestContext, ca: TestAuthority, sign = signingAs(ca)): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-remote-'))
  const certificateFile = join(folder, 'ca.crt')
  await writeFile(certificateFile, ca.certificatePem)
  const device: World['device'] = { sign, asked: 0 }
  const authorities = await openRemoteAuthority({
    certificateFile,
    keyOf: (publicKey) => ({
      publicKey,
      algorithm: parseCaKey(ca.privateKeyPem).algorithm,
      sign: (signed) => {
        device.asked += 1
        return device.sign(signed)
      },
    }),
    trustDomain: ca.trustDomain,
    now: Date.now,
    log: silentLog,
    retrySeconds: 0.02,
    pollSeconds: 0.05,
  })
  t.after(async () => {
    await authorities[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })
  return {
    authorities,
    device,
    publish: (next) => writeFile(certificateFile, next.certificatePem),
    inForce: (wanted) =>
      eventually('the CA of the file', () => sha256Of(authorities) === sha256Of(wanted.source)),
  }
}

test('a CA signs once its key has proved to be the one of its certificate', async (t) => {
  requirement('pki.key-elsewhere')
  const [ca, other] = [createTestAuthority(), createTestAuthority()]
  const { authorities, device, inForce } = await openWorld(t, ca, signingAs(other))
  assert.throws(() => authorities.current(), { code: 'pki/authority-unavailable' })
  await eventually('the key is asked again', () => device.asked > 2)
  assert.throws(() => authorities.current(), {
    code: 'pki/authority-unavailable',
    message: 'authority has a key that does not belong to its certificate',
  })
  device.sign = signingAs(ca)
  await inForce(ca)
  assert.equal(authorities.current().certificate.sha256, ca.authority.certificate.sha256)
  assert.deepEqual(authorities.anchors(), ca.authority.anchors)
  assert.equal(authorities.problem, undefined)
})

test('a certificate whose key does not prove itself leaves the one before in force', async (t) => {
  const [ca, next] = [createTestAuthority(), createTestAuthority()]
  const { authorities, device, publish, inForce } = await openWorld(t, ca)
  await inForce(ca)
  const before = authorities.current()
  await publish(next)
  await eventually('the next one is looked at', () => authorities.problem !== undefined)
  assert.equal(authorities.current(), before)
  assert.match(authorities.problem?.message ?? '', /key that does not belong to its certificate$/)
  device.sign = signingAs(next)
  await inForce(next)
  assert.equal(authorities.current().certificate.sha256, next.authority.certificate.sha256)
})

test('a key that fails signs nothing before it has proved itself again, and then for the same CA', async (t) => {
  const ca = createTestAuthority()
  const { authorities, device, inForce } = await openWorld(t, ca)
  await inForce(ca)
  const before = authorities.current()
  device.sign = () =>
    Promise.reject(new CountersignError('pki/authority-unavailable', 'token is gone'))
  await assert.rejects(async () => before.sign(octets), { message: 'token is gone' })
  assert.throws(() => authorities.current(), {
    code: 'pki/authority-unavailable',
    message: 'token is gone',
  })
  assert.deepEqual(authorities.anchors(), ca.authority.anchors, 'what it signed stays trusted')
  device.sign = signingAs(ca)
  await inForce(ca)
  assert.equal(authorities.current(), before, 'what was prepared for it is still good')
})

test('the one before signs again when it has failed, though the next has not proved itself', async (t) => {
  const [ca, next] = [createTestAuthority(), createTestAuthority()]
  const { authorities, device, publish, inForce } = await openWorld(t, ca)
  await inForce(ca)
  const before = authorities.current()
  await publish(next)
  await eventually('the next one is looked at', () => authorities.problem !== undefined)
  const { sign } = device
  device.sign = () =>
    Promise.reject(new CountersignError('pki/authority-unavailable', 'token is gone'))
  await assert.rejects(async () => before.sign(octets), { message: 'token is gone' })
  device.sign = sign
  await inForce(ca)
  assert.notEqual(authorities.problem, undefined)
})
