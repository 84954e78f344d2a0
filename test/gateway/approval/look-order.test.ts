import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Approval } from '../../../src/gateway/approval/approval.ts'
import { inLookOrder } from '../../../src/gateway/approval/look-order.ts'
import { requirement } from '../../requirements.ts'

/** `<tenant>/<namespace>/<identity>/<when it was asked for>` */
function waits(text: string): Approval {
  const [tenant = '', namespace = '', name = '', askedAt] = text.split('/')
  const id = `spiffe://test.example/ns/${namespace}/sa/${name}`
  const properties = { ...(tenant === '' ? {} : { tenant }), namespace, serviceAccount: name }
  const subject = JSON.stringify({ id, properties })
  const request = { subject, askedAt: Number(askedAt) }
  return { ticket: text, request, verdict: undefined } as unknown as Approval
}

const orders: readonly { readonly says: string; readonly given: string; readonly order: string }[] =
  [
    { says: 'nothing', given: '', order: '' },
    {
      says: 'the newest first',
      given: 'a/n/x/1 a/n/x/3 a/n/x/2',
      order: 'a/n/x/3 a/n/x/2 a/n/x/1',
    },
    {
      says: 'tenants in turns, whatever each has',
      given: 'a/n/x/9 a/n/x/8 a/n/x/7 b/n/x/1 b/n/x/2',
      order: 'a/n/x/9 b/n/x/2 a/n/x/8 b/n/x/1 a/n/x/7',
    },
    {
      says: 'more namespaces and identities are no more turns of a tenant',
      given: 'a/n/x/9 a/m/x/8 a/n/y/7 a/n/z/6 b/n/x/2 b/n/x/1',
      order: 'a/n/x/9 b/n/x/2 a/m/x/8 b/n/x/1 a/n/y/7 a/n/z/6',
    },
    {
      says: 'namespaces without a tenant are each one of their own',
      given: '/n/x/9 /n/x/8 /m/x/1',
      order: '/n/x/9 /m/x/1 /n/x/8',
    },
  ]

for (const { says, given, order } of orders) {
  test(`what waits is looked at in order: ${says}`, () => {
    requirement('gateway.approvals-bounded')
    const all = given.split(' ').filter((each) => each !== '')
    assert.equal(
      inLookOrder(all.map(waits))
        .map(({ ticket }) => ticket)
        .join(' '),
      order,
    )
  })
}
