import { readFile } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { setTimeout as delay } from 'node:timers/promises'
import { CountersignError } from '../../src/errors.ts'
import { ApiError } from '../../src/kubernetes/api-error.ts'
import type { Cluster } from '../../dev/cluster.ts'
import { joinBlocks } from './vector-material.ts'
import {
  accessVector,
  bundleBody,
  bundleVector,
  createVector,
  oldVersionVector,
  requestBody,
  revocationVector,
  statusVector,
  type Json,
  type Sent,
  type Vector,
} from './vector-body.ts'
import {
  bundlesPath,
  createWorld,
  oldRequestsPath,
  requestsPath,
  revocationsPath,
  storedBundle,
  type World,
} from './vector-world.ts'

export interface VectorOutcome {
  readonly name: string
  readonly expected: Vector['want']
  /** In the shape of `expected`, so that the two can be compared as they are. */
  readonly got: object
}

async function readVectors(file: string): Promise<readonly Vector[]> {
  const text = await readFile(new URL(`../vectors/kubernetes/${file}`, import.meta.url), 'utf8')
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => JSON.parse(line) as Vector)
}

type Answer =
  | { readonly accepted: true; readonly body: unknown }
  | { readonly accepted: false; readonly error: CountersignError }

async function send(world: World, as: string, sent: Sent): Promise<Answer> {
  const client = world.clients.get(as)
  if (client === undefined) throw new Error(`no user ${as}`)
  try {
    return { accepted: true, body: await client.request(sent) }
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    return { accepted: false, error }
  }
}

async function demand(world: World, sent: Sent): Promise<Json> {
  const answer = await send(world, 'admin', sent)
  if (!answer.accepted) throw answer.error
  return answer.body as Json
}

function memberAt(body: unknown, path: string): unknown {
  let value = body
  for (const name of path.split('.')) value = (value as Json | null | undefined)?.[name]
  // Absent, null and empty are one and the same over the wire.
  return value === '' ? null : (value ?? null)
}

function matches(cause: object, wanted: object): boolean {
  const members = Object.entries(cause)
  return Object.entries(wanted).every(([name, value]) =>
    members.some((member) => isDeepStrictEqual(member, [name, value])),
  )
}

function judge(want: Vector['want'], answer: Answer): object {
  if (answer.accepted) {
    if (want.shows === undefined) return { answer: 'accepted' }
    const shown = Object.keys(want.shows).map((path) => [path, memberAt(answer.body, path)])
    return { answer: 'accepted', shows: Object.fromEntries(shown) as object }
  }
  const { error } = answer
  if (!(error instanceof ApiError)) return { answer: error.code }
  const { cause, without } = want
  const found = cause !== undefined && error.causes.some((one) => matches(one, cause))
  const stray = error.causes.some(({ field }) => field === without)
  const agrees =
    error.status === want.answer &&
    (cause === undefined || found) &&
    (without === undefined || !stray)
  if (agrees) return want
  return { answer: error.status, message: error.message, causes: error.causes }
}

/** Requests in the three states that a status can be written to. */
async function makeStored(world: World): Promise<void> {
  for (const name of ['pending', 'denied', 'issued'] as const) {
    const body = requestBody(world, { metadata: { name, generateName: null } })
    const stored = await demand(world, { method: 'POST', path: requestsPath, query: {}, body })
    if (name === 'pending') continue
    const vector: Vector = { name, like: name, want: { answer: 'accepted' } }
    await demand(world, { ...(await statusVector(vector, world, stored, Date.now())), query: {} })
  }
  const trustBundle = joinBlocks(world.material.blocks, ['root'])
  const body = bundleBody({ bundle: storedBundle }, trustBundle)
  await demand(world, { method: 'POST', path: bundlesPath, query: {}, body })
}

/** A request as a 1.35 kubelet writes it; false where v1beta1 is not served. */
async function makeOldRequest(world: World): Promise<boolean> {
  const served = await send(world, 'admin', { method: 'GET', path: oldRequestsPath, query: {} })
  if (!served.accepted) return false
  const vector: Vector = {
    name: 'old kubelet',
    proof: { key: 'ECDSAP256' },
    metadata: { name: 'old-kubelet', generateName: null },
    want: { answer: 'accepted' },
  }
  await demand(world, { ...oldVersionVector(vector, world, Date.now()), query: {} })
  return true
}

/** Rights and admission see new objects with a delay: about a second on a real API server. */
async function settle(world: World): Promise<void> {
  const accepted = { answer: 'accepted' } as const
  const pending = await readStored(world, 'pending')
  const probe = async (): Promise<readonly Answer[]> => {
    const now = Date.now()
    const status: Vector = { name: 'probe', like: 'denied', want: accepted }
    const leaving = { podName: 'leaving', podUID: { $uid: 'leaving' } }
    const node: Vector = { name: 'probe', spec: leaving, want: accepted }
    const bundle: Vector = { name: 'probe', signerName: null, bundle: 'plain', want: accepted }
    return [
      await send(world, 'node', createVector(node, world, now)),
      await send(
        world,
        'updater',
        await statusVector({ ...status, how: 'put' }, world, pending, now),
      ),
      await send(world, 'publisher', bundleVector(bundle, world, now)),
      await send(world, 'admin', { method: 'GET', path: revocationsPath, query: {} }),
    ]
  }
  for (let attempt = 1; ; attempt++) {
    const refused = (await probe()).find((answer) => !answer.accepted)
    if (refused === undefined) return
    if (attempt === 50) throw (refused as { error: Error }).error
    await delay(200)
  }
}

async function readStored(world: World, name: string): Promise<Json> {
  return demand(world, { method: 'GET', path: `${requestsPath}/${name}`, query: {} })
}

/**
 * Sends every vector to the control plane, as a dry run wherever it would change something, and says what came back.
 * Those of v1beta1 only where it is served. The names are unique over all files.
 */
export async function* runValidationVectors(cluster: Cluster): AsyncIterable<VectorOutcome> {
  const world = await createWorld(cluster)
  const outcome = async (group: string, vector: Vector, sent: Sent): Promise<VectorOutcome> => ({
    name: `${group}: ${vector.name}`,
    expected: vector.want,
    got: judge(vector.want, await send(world, vector.as ?? 'admin', sent)),
  })
  try {
    await makeStored(world)
    await settle(world)
    for (const vector of await readVectors('request-create.ndjson')) {
      yield outcome('request', vector, createVector(vector, world, Date.now()))
    }
    for (const vector of await readVectors('request-status.ndjson')) {
      const stored = await readStored(world, vector.to ?? 'pending')
      yield outcome('status', vector, await statusVector(vector, world, stored, Date.now()))
    }
    for (const vector of await readVectors('trust-bundle.ndjson')) {
      yield outcome('trust bundle', vector, bundleVector(vector, world, Date.now()))
    }
    for (const vector of await readVectors('revocation.ndjson')) {
      yield outcome('revocation', vector, revocationVector(vector, world, Date.now()))
    }
    for (const vector of await readVectors('access.ndjson')) {
      yield outcome('access', vector, accessVector(vector))
    }
    if (!(await makeOldRequest(world))) return
    for (const vector of await readVectors('request-v1beta1.ndjson')) {
      yield outcome('v1beta1', vector, oldVersionVector(vector, world, Date.now()))
    }
    for (const vector of await readVectors('conversion.ndjson')) {
      yield outcome('conversion', vector, accessVector(vector))
    }
  } finally {
    world.close()
  }
}
