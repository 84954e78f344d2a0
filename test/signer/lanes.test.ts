import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import { createBoard } from '../../src/readiness.ts'
import { untilOtherVersion } from '../../src/signer/lanes.ts'
import { requirement } from '../requirements.ts'
import { FakeCluster } from '../support/fake-cluster.ts'

requirement('signer.follows-the-version-that-is-served')

const plurals = ['podcertificaterequests']

/** What is served at each look in turn, or that nobody answers; then the signer is told to end. Gives what came of it, and after how many looks. */
async function looks(
  ...turns: readonly (readonly ('v1' | 'v1beta1')[] | 'silent')[]
): Promise<readonly [boolean, number]> {
  const cluster = new FakeCluster()
  const ending = new AbortController()
  let looked = 0
  const delay = (): Promise<void> => {
    const turn = turns[looked]
    if (turn === undefined) ending.abort()
    looked += 1
    cluster.served.clear()
    if (turn === 'silent') cluster.fail(() => true, { kind: 'drop' })
    else
      for (const version of turn ?? [])
        cluster.served.set(`certificates.k8s.io/${version}`, plurals)
    return Promise.resolve()
  }
  const options = { client: cluster, signingRequests: undefined, board: createBoard([]) }
  const parts = { ...options, log: silentLog, delay, signal: ending.signal }
  return [await untilOtherVersion(parts, 'v1beta1'), looked]
}

test('what is followed no more is noticed at the second look', async () => {
  assert.deepEqual(await looks(['v1beta1'], ['v1'], ['v1'], ['v1']), [true, 3])
})

test('API servers that are upgraded one after the other change nothing while they disagree', async () => {
  const turns = [['v1'], ['v1beta1'], ['v1'], ['v1beta1']] as const
  assert.deepEqual(await looks(...turns), [false, 5])
})

test('an API server that does not answer, or serves neither, says nothing', async () => {
  assert.deepEqual(await looks(['v1'], 'silent', ['v1'], [], ['v1']), [false, 6])
})
