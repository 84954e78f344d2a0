import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { createForeignDomains } from '../../../src/federation/foreign-domains.ts'
import { createCallers, type Callers } from '../../../src/gateway/caller/connections.ts'
import type { PodSource } from '../../../src/gateway/caller/workload-sources.ts'
import { defaultLimits } from '../../../src/gateway/limits.ts'
import { emptyCeiling } from '../../../src/identity/ceiling.ts'
import { parseTrustDomain } from '../../../src/identity/trust-domain.ts'
import { silentLog } from '../../../src/log.ts'
import { bundleOf } from '../../../src/pki/bundle.ts'
import type { Credential } from '../../../src/pki/credential.ts'
import { eventually } from '../../support/eventually.ts'
import { requirement } from '../../requirements.ts'
import { createTestAuthority } from '../../support/test-authority.ts'
import { watchTimerLists } from '../../support/timer-lists.ts'
import { modern, openAnswer, type OpenAnswer } from '../world/client.ts'
import { answerBoth, type Answer } from '../world/upstream.ts'
import { openWorld, type World } from '../world/world.ts'

const own = createTestAuthority()
const gateway = own.issue({ serviceAccount: 'gateway', role: 'tool-broker' }).credential
const theirs = createTestAuthority({ trustDomain: 'b.example' })
/** Signs names of ours. */
const impostor = createTestAuthority()

/** An upstream that begins a stream of events and never ends it. */
const endless: Answer = (message, response, request) => {
  if (message.method !== 'tools/call') return answerBoth()(message, response, request)
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(
    'data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}\n\n',
  )
}

interface Stage {
  /** What the API server says of callers. */
  says: boolean | Error
  /** So often it was asked. */
  asked: number
  aheadMilliseconds: number
  readonly serverPods: Set<string>
  readonly listeners: Set<() => void>
}

function openStage(): Stage & { readonly pods: PodSource } {
  const stage = {
    says: true as boolean | Error,
    asked: 0,
    aheadMilliseconds: 0,
    serverPods: new Set<string>(),
    listeners: new Set<() => void>(),
    pods: {
      alive(uid: string): boolean | Promise<boolean> {
        if (stage.serverPods.has(uid)) return true
        stage.asked += 1
        return typeof stage.says === 'boolean' ? stage.says : Promise.reject(stage.says)
      },
      staleSeconds: 0,
      onChange(listener: () => void) {
        stage.listeners.add(listener)
        return () => stage.listeners.delete(listener)
      },
    },
  }
  return stage
}

async function openStream(world: World): Promise<OpenAnswer> {
  const echo = modern('tools/call', { name: 'echo', arguments: {} })
  return openAnswer(await world.agent(), '/mcp/files', echo)
}

async function openUnknown(stage: ReturnType<typeof openStage>): Promise<World> {
  const world = await openWorld({
    answers: { files: endless },
    pods: stage.pods,
    now: () => Date.now() + stage.aheadMilliseconds,
  })
  for (const uid of world.podsOf('files')) stage.serverPods.add(uid)
  return world
}

test('nothing is kept of connections that have ended, however long their certificates would have been good', async (t) => {
  requirement('gateway.ended-connections-forgotten')
  const lists = watchTimerLists(t)
  const longest = 600_000
  {
    await using world = await openWorld({ answers: { files: answerBoth() } })
    await using agent = await world.agent()
    const { body, headers } = modern('tools/call', { name: 'echo', arguments: {} })
    assert.equal((await agent.post('/mcp/files', body, headers)).status, 200)
    assert.ok(lists.kept(longest).length >= 2, 'of the caller’s, and of that to its tool server')
  }
  await eventually('they have ended', () => lists.kept(longest).length === 0)
})

test('a caller of whom the API server could not tell is looked at again, and ends when it is gone', async () => {
  requirement('gateway.unknown-callers-looked-at-again')
  const stage = openStage()
  await using world = await openUnknown(stage)
  const stream = await openStream(world)
  stage.says = new Error('API server answers 429')
  const before = stage.asked
  for (const listener of stage.listeners) listener()
  await eventually('it is asked again', () => stage.asked > before + 1)
  stage.says = false
  assert.match((await stream.ended).text, /pod of the certificate is gone/)
})

test('what a caller has open ends when nobody could tell of it for too long, however often that changes', async () => {
  requirement('gateway.unknown-callers-looked-at-again')
  const stage = openStage()
  await using world = await openUnknown(stage)
  const stream = await openStream(world)
  stage.says = new Error('API server answers 429')
  const before = stage.asked
  for (const listener of stage.listeners) listener()
  await eventually('it could not be told', () => stage.asked > before)
  stage.aheadMilliseconds = 121_000
  for (const listener of stage.listeners) listener()
  assert.match((await stream.ended).text, /pods are not known/)
})

/** What is known of somebody who has shaken hands, in a gateway that knows one other trust domain. */
function acceptAs(
  credential: Credential,
  now = Date.now,
): ReturnType<Callers['accept']> & { connections: number } {
  const trustDomain = parseTrustDomain('b.example')
  const foreign = createForeignDomains(own.trustDomain, [
    {
      trustDomain,
      ceiling: emptyCeiling,
      bundle: () => bundleOf(trustDomain, [...theirs.bundle.anchors, ...impostor.bundle.anchors]),
      onChange: () => () => {},
    },
  ])
  const fresh = { staleSeconds: 0, onChange: () => () => {} }
  const callers = createCallers({
    credential: { current: () => gateway, onChange: () => () => {} },
    trustBundle: { current: () => own.bundle, onChange: () => () => {} },
    foreign,
    revocations: { find: () => undefined, ...fresh },
    pods: { alive: () => true, ...fresh },
    namespaces: { drift: () => undefined, ...fresh },
    staleSecondsMax: 120,
    limits: defaultLimits,
    log: silentLog,
    now,
  })
  const socket = Object.assign(new EventEmitter(), {
    getPeerX509Certificate: () => ({ raw: credential.svid.der }),
    getPeerCertificate: () => ({ raw: credential.svid.der }),
    destroySoon: () => {},
    destroy: () => {},
  })
  const accepted = callers.accept(socket as unknown as TLSSocket)
  const { connections } = callers.taken()
  callers.close()
  return { ...accepted, connections }
}

test('whose a connection is counts once its own trust domain stands behind it, and from then on', () => {
  requirement('federation.each-by-its-own-anchors')
  const role = 'agent'
  const tenant = 'acme'
  const ours = acceptAs(own.issue({ role, tenant }).credential)
  assert.deepEqual([ours.isAdmitted, ours.account?.[0], ours.connections], [true, tenant, 1])
  const known = acceptAs(theirs.issue({ role, tenant }).credential)
  assert.equal(known.account?.[0], 'trust domain b.example')
  for (const nobody of [
    impostor.issue({ role, tenant }).credential,
    createTestAuthority({ trustDomain: 'b.example' }).issue({ role, tenant }).credential,
    createTestAuthority({ trustDomain: 'c.example' }).issue({ role, tenant }).credential,
  ]) {
    const accepted = acceptAs(nobody)
    assert.deepEqual(accepted, { isAdmitted: false, account: undefined, connections: 0 })
  }
  const over = acceptAs(own.issue({ role, tenant }).credential, () => Date.now() + 86_400_000)
  assert.deepEqual([over.isAdmitted, over.account], [false, undefined])
})
