import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  cutToOctets,
  deniedStatus,
  issuedStatus,
  refusalMessage,
} from '../../../src/signer/verdict/condition.ts'
import { denied } from '../../../src/signer/verdict/evaluate.ts'
import { character } from '../../support/character.ts'

const now = new Date('2026-11-20T10:00:00.250Z')
const field = { field: 'role', asked: '"agent"', proved: 'none', change: 'set the label' }

test('an issued status carries the chain and whole seconds', () => {
  const patch = issuedStatus(
    {
      chainPem: 'PEM',
      serialNumber: '0a1b',
      notBefore: new Date('2026-11-20T09:58:30Z'),
      notAfter: new Date('2026-11-20T10:58:30Z'),
      beginRefreshAt: new Date('2026-11-20T10:28:30.999Z'),
    },
    now,
  )
  assert.deepEqual(patch, {
    conditions: [
      {
        type: 'Issued',
        status: 'True',
        reason: 'Issued',
        message: 'certificate 0a1b until 2026-11-20T10:58:30Z',
        lastTransitionTime: '2026-11-20T10:00:00Z',
      },
    ],
    certificateChain: 'PEM',
    notBefore: '2026-11-20T09:58:30Z',
    beginRefreshAt: '2026-11-20T10:28:30Z',
    notAfter: '2026-11-20T10:58:30Z',
  })
})

test('a denied status has a condition and no other field of status', () => {
  const patch = deniedStatus(denied({ reason: 'RoleNotProved', fields: [field] }), now)
  assert.deepEqual(patch, {
    conditions: [
      {
        type: 'Denied',
        status: 'True',
        reason: 'RoleNotProved',
        message: 'role: asked "agent"; proved none; to change: set the label',
        lastTransitionTime: '2026-11-20T10:00:00Z',
      },
    ],
  })
})

test('a refusal of many fields tells sixteen and counts the others', () => {
  const fields = Array.from({ length: 18 }, () => field)
  const message = refusalMessage({ reason: 'ModelNotGranted', fields })
  assert.equal(message.split('role: asked').length - 1, 16)
  assert.match(message, /\. and 2 more$/)
})

test('a message never passes the bound of the API server', () => {
  const long = { ...field, proved: 'é'.repeat(20_000) }
  const message = refusalMessage({ reason: 'ModelNotGranted', fields: [long] })
  assert.ok(Buffer.byteLength(message) <= 32_768)
  assert.ok(Buffer.byteLength(message) > 32_760)
  assert.ok(message.endsWith('é…'))
})

test('text is cut at characters, and short text is left alone', () => {
  fc.assert(
    fc.property(fc.string({ unit: character }), fc.integer({ min: 3, max: 40 }), (text, octets) => {
      const cut = cutToOctets(text.toWellFormed(), octets)
      assert.ok(Buffer.byteLength(cut) <= octets)
      assert.ok(!cut.includes('\ufffd') || text.toWellFormed().includes('\ufffd'))
      if (Buffer.byteLength(text.toWellFormed()) <= octets) assert.equal(cut, text.toWellFormed())
    }),
  )
})
