import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PodSource } from '../../../src/gateway/caller/workload-sources.ts'
import { eventually } from '../../support/eventually.ts'
import { requirement } from '../../requirements.ts'
import { modern, openAnswer, type OpenAnswer } from '../world/client.ts'
import { answerBoth, type Answer } from '../world/upstream.ts'
import { openWorld, type World } from '../world/world.ts'

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
