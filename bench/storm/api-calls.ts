import type { PlainClient } from '../../test/support/plain-client.ts'

/** What signers ask for: evidence, requests and their status, and what they say on pods. */
const asked = new Set([
  'podcertificaterequests',
  'events',
  'pods',
  'namespaces',
  'serviceaccounts',
  'nodes',
  'services',
])

/** Those of the driver, and streams, which are counted when they end. */
const others = new Set(['WATCH', 'LIST', 'DELETECOLLECTION', 'DELETE'])

/** How many calls the API server has answered that a signer makes for a request; those of its own controllers are among them. */
export async function countCalls(admin: PlainClient): Promise<number> {
  const { body } = await admin({ path: '/metrics', accept: 'text/plain' })
  let calls = 0
  for (const line of String(body).split('\n')) {
    const found = /^apiserver_request_total\{(.*)\} ([\d.e+]+)$/.exec(line)
    if (found === null) continue
    const [, labels = '', count] = found
    const label = (name: string): string =>
      new RegExp(`(?:^|,)${name}="([^"]*)"`).exec(labels)?.[1] ?? ''
    if (!asked.has(label('resource')) || others.has(label('verb'))) continue
    const isCreation = label('verb') === 'POST' && label('resource') !== 'events'
    // Requests are made by the driver, and a node's status is written by its kubelet.
    if (isCreation || label('resource') === 'nodes') continue
    calls += Number(count)
  }
  return calls
}
