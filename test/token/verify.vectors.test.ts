import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CountersignError } from '../../src/errors.ts'
import { parseSpiffeId } from '../../src/identity/spiffe-id.ts'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { argumentsSha256 } from '../../src/mcp/edits.ts'
import { parseMessage } from '../../src/mcp/message.ts'
import { isProblem } from '../../src/mcp/problem.ts'
import { parsePem } from '../../src/pki/pem.ts'
import { parseX509Svid } from '../../src/pki/x509-svid.ts'
import { createTokenVerifier, type VerifiedCall } from '../../src/token/verify.ts'
import { faults, readVectors, type Vector, type VectorFile } from './vectors.ts'

const file = readVectors()

for (const vector of file.vectors) {
  test(`a transaction token, ${vector.name}: ${vector.want}`, async () => {
    const verifying = verify(file, vector)
    if (vector.want === 'valid') {
      assert.equal((await verifying).caller.spiffeId.trustDomain, file.trustDomain)
      return
    }
    await assert.rejects(
      verifying,
      (error: unknown) =>
        error instanceof CountersignError && error.code === `token/${vector.want}`,
    )
  })
}

test('the vectors have each thing that can be wrong, and each algorithm', () => {
  const wanted = new Set(file.vectors.map(({ want }) => want))
  assert.deepEqual([...wanted].toSorted(), ['valid', ...faults].toSorted())
  assert.deepEqual(Object.keys(file.peers), ['ES256', 'ES384', 'ES512', 'Ed25519', 'PS256'])
})

async function verify(
  { trustDomain, audience, server, now, peers }: VectorFile,
  vector: Vector,
): Promise<VerifiedCall> {
  const [leaf] = parsePem(peers[vector.peer] ?? '', {
    code: 'pki/credential',
    what: 'peer',
    charactersMax: 65_536,
  })
  const body = Buffer.from(vector.body)
  const headers = Object.entries({
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2025-11-25',
  }).flat()
  const message = parseMessage(body, headers, { bodyBytesMax: body.length })
  assert.ok(leaf !== undefined)
  // A body that two readers take for two requests is none that a token could be for.
  if (isProblem(message)) throw new CountersignError('token/call', message.message)
  assert.equal(message.kind, 'request')
  const verifier = createTokenVerifier({
    trustDomain: parseTrustDomain(trustDomain),
    audience: () => parseSpiffeId(audience),
    server: vector.server === undefined ? server : (vector.server ?? undefined),
    now: () => (vector.now ?? now) * 1000,
  })
  return verifier.verify(vector.token, {
    peer: parseX509Svid(leaf.der),
    method: message.method,
    target: message.name ?? assert.fail(),
    argumentsSha256: argumentsSha256(message.body, message.offsets),
  })
}
