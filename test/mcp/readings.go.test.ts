import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { text as textOfStream } from 'node:stream/consumers'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import * as fc from 'fast-check'
import { askCall, textOf } from '../../src/policy/asked.ts'
import { modern } from '../gateway/world/client.ts'
import { answerBoth } from '../gateway/world/upstream.ts'
import { openWorld } from '../gateway/world/world.ts'
import { requirement } from '../requirements.ts'
import { buildTools } from '../tools/build.ts'
import { ToolchainError } from '../tools/toolchain-error.ts'
import { anyCall, inputSchema } from './any-call.ts'

/** What the fields of a tool server's structs hold, as the octets that they were read from; an absent one is empty. */
interface GoReading {
  /** Why Go reads nothing at all. */
  readonly fault: string
  readonly method: string
  readonly name: string
  readonly arguments: string
  readonly path: string
  readonly task: string
  readonly city: string
  readonly zip: string
}

interface PolicyInput {
  readonly action: { readonly name: string }
  readonly resource: { readonly id: string }
  readonly context: { readonly arguments?: Arguments }
}

interface Arguments {
  readonly path?: unknown
  readonly task?: unknown
  readonly place?: { readonly city?: unknown; readonly zip?: unknown }
}

/** A call that came through: what policy was asked, and the octets that its tool server got. */
interface Passed {
  readonly asked: string
  readonly argumentsText: string
  readonly body: string
}

const seed = 20260728

/** Go's own reader, built when it is not there; undefined, in one loud line, where there is no Go. In CI that is an error. */
async function goReader(): Promise<string | undefined> {
  try {
    return (await buildTools(['go-json'], () => {})).get('go-json')
  } catch (error) {
    if (!(error instanceof ToolchainError) || process.env['CI'] === 'true') throw error
    process.stderr.write(`NO GO: messages are not compared with what encoding/json reads\n`)
    return undefined
  }
}

async function readByGo(program: string, bodies: readonly string[]): Promise<GoReading[]> {
  const child = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.end(bodies.map((body) => `${Buffer.from(body).toString('base64')}\n`).join(''))
  const lines = (await textOfStream(child.stdout)).trimEnd().split('\n')
  assert.equal(lines.length, bodies.length)
  return lines.map((line) => JSON.parse(line) as GoReading)
}

/** Sends each to a tool, and gives those that policy was asked about and that reached it. */
async function sendAll(texts: readonly string[]): Promise<readonly Passed[]> {
  const tool = JSON.stringify({ name: 'read', inputSchema })
  const questions: { asked: string; argumentsText: string }[] = []
  await using world = await openWorld({
    answers: { files: answerBoth({ tools: [tool] }) },
    grants: { tenants: { acme: { files: { tools: { read: {} }, prefixes: {} } } }, subjects: {} },
    authorizer: (real) => ({
      ...real,
      decide(texts) {
        const asked = textOf(askCall(texts))
        questions.push({ asked, argumentsText: texts.arguments?.text ?? '' })
        return real.decide(texts)
      },
    }),
  })
  const agent = await world.agent({ toolScopes: 'files:read' })
  const { headers } = modern('tools/call', { name: 'read' })
  const passed: Passed[] = []
  for (const text of texts) {
    questions.length = 0
    world.upstreams['files']?.received.splice(0)
    await agent.post('/mcp/files', text, headers)
    const { received = [] } = world.upstreams['files'] ?? {}
    const [call, ...others] = received.filter((one) => one.headers['mcp-method'] === 'tools/call')
    assert.deepEqual(others, [])
    if (call === undefined) continue
    const [question, ...more] = questions
    assert.ok(question, 'nothing reaches a tool server that policy was not asked about')
    assert.deepEqual(more, [])
    passed.push({ ...question, body: call.body })
  }
  return passed
}

/** What decisions depend on, as somebody reads it. */
interface Seen {
  readonly method: unknown
  readonly name: unknown
  readonly arguments: Arguments | undefined
}

function fieldsOf({ method, name, arguments: args }: Seen): object {
  const { path, task, place } = args ?? {}
  return { method, name, path, task, city: place?.city, zip: place?.zip }
}

function valueOf(text: string): unknown {
  return text === '' ? undefined : JSON.parse(text)
}

function goFields({ method, name, ...texts }: GoReading): object {
  const { path, task, city, zip } = texts
  const values = {
    path: valueOf(path),
    task: valueOf(task),
    city: valueOf(city),
    zip: valueOf(zip),
  }
  return { method, name, ...values }
}

function assertSame({ asked, argumentsText, body }: Passed, go: GoReading): void {
  const { action, resource, context } = JSON.parse(asked) as PolicyInput
  const seen = { method: action.name, name: resource.id, arguments: context.arguments }
  assert.equal(go.fault, '', body)
  assert.equal(go.arguments, argumentsText, body)
  assert.deepEqual(goFields(go), fieldsOf(seen), body)
}

/** Whether Go finds something else in a text than a reader that minds case; not, where one of them finds nothing at all. */
function isReadOtherwise(text: string, go: GoReading): boolean {
  if (go.fault !== '') return false
  const { method = '', params } = JSON.parse(text) as Partial<Seen> & { params?: Partial<Seen> }
  const { name = '', arguments: args } = params ?? {}
  return !isDeepStrictEqual(goFields(go), fieldsOf({ method, name, arguments: args }))
}

test('what policy is asked about a call is what a tool server in Go reads in it', async () => {
  requirement('attack.two-readings')
  requirement('gateway.one-reading')
  requirement('policy.octets-decided')
  const program = await goReader()
  if (program === undefined) return
  const texts = fc.sample(anyCall, { numRuns: 4000, seed })
  const passed = await sendAll(texts)
  const readings = await readByGo(
    program,
    passed.map(({ body }) => body),
  )
  for (const [at, one] of passed.entries()) assertSame(one, readings[at] ?? assert.fail())
  assert.ok(passed.length > 1000, `only ${passed.length} of ${texts.length} were let through`)
  // Had nothing been refused, Go would have read many of them otherwise.
  const all = await readByGo(program, texts)
  const differing = all.filter((go, at) => isReadOtherwise(texts[at] ?? '', go))
  assert.ok(differing.length > 40, `only ${differing.length} of ${texts.length} differ at all`)
})
