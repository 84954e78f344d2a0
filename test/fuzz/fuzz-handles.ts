/**
 * Shows a real gateway handles that are nearly right, of every kind and in everybody's hands: `node test/fuzz/fuzz-handles.ts [--seconds=60]
 * [--seed=1]`. The same seed shows the same ways of going wrong, and each case is known by its number; `--only=<number>` shows that one alone.
 */
import assert from 'node:assert/strict'
import { legacy, modern, type Reply, type TestClient } from '../gateway/world/client.ts'
import { handleAnswers, handleRows, type HandleRow } from '../gateway/world/handles.ts'
import { openSession } from '../gateway/world/session.ts'
import { openWorld, type World } from '../gateway/world/world.ts'
import { casesAsked } from './cases-asked.ts'
import { createRandom, type Random } from './random.ts'

export interface FuzzedHandles {
  readonly cases: number
  /** Of these, the ones in which a handle was what it was given as, in the hands of who has it. */
  readonly worked: number
  /** How many of each kind were shown. */
  readonly kinds: ReadonlyMap<string, number>
}

const scopes = { toolScopes: 'files:*,web:*' }
const own = { ...scopes, podUid: '6c9bde4d-0d4c-4a57-8f5d-9d3a3d6c1a00' }

/** Whoever shows one: its owner, and those who have found it somewhere. */
const strangers = [
  { ...scopes },
  { ...scopes, serviceAccount: 'thief' },
  { ...scopes, tenant: 'zeta', namespace: 'elsewhere' },
] as const

/** What the servers themselves call what they give: no caller is ever told. */
const secrets = /task-1|page-2|its own|session-of-files|"theirs"/

/**
 * A handle counts for its owner, whole, as the kind that it is, at the door where it was given; each other way it is refused as one that is
 * not known, and what it was sealed from is in no answer. Without a seal of their own are the id of a subscription and the token of progress:
 * whatever a client says of those reaches no server in its name.
 */
export async function fuzzHandles({
  seed,
  cases,
}: {
  readonly seed: number
  readonly cases: Iterable<number>
}): Promise<FuzzedHandles> {
  const asks = { elicitation: { form: true } }
  const tools = { echo: {}, big: {}, work: {} }
  await using world = await openWorld({
    answers: { files: handleAnswers, web: handleAnswers },
    grants: { tenants: { acme: { files: { tools, asks } } }, subjects: {} },
  })
  const agent = await world.agent(own)
  const others = await Promise.all(strangers.map((each) => world.agent(each)))
  const rows = handleRows({ world: () => world, again: () => world.agent(own) })
  const all = { ...rows, ...(await unsealed(world, agent)) }
  const stage = { world, agent, others, rows: all, held: new Map<string, string>() }
  const kinds = new Map<string, number>()
  let worked = 0
  for (const number of cases) {
    const random = createRandom(seed * 1_000_003 + number)
    const shown = await showOne(stage, random).catch((cause: unknown) => {
      throw new Error(`--seed=${seed} --only=${number}`, { cause })
    })
    kinds.set(shown.kind, (kinds.get(shown.kind) ?? 0) + 1)
    if (shown.worked) worked += 1
  }
  return { cases: [...kinds.values()].reduce((sum, each) => sum + each, 0), worked, kinds }
}

/** Those that count for nobody. */
const unsealedKinds = { subscription: true, 'progress token': true }

interface Stage {
  readonly world: World
  readonly agent: TestClient
  readonly others: readonly TestClient[]
  readonly rows: Readonly<Record<string, HandleRow>>
  /** What the owner has, by kind: it counts until it is used up. */
  readonly held: Map<string, string>
}

async function take({ agent, rows, held }: Stage, kind: string): Promise<string> {
  const handle = held.get(kind) ?? (await rows[kind]?.take(agent)) ?? ''
  held.set(kind, handle)
  return handle
}

async function showOne(
  stage: Stage,
  random: Random,
): Promise<{ readonly kind: string; readonly worked: boolean }> {
  const { agent, others, rows, held } = stage
  const kind = random.pick(Object.keys(rows))
  const row = rows[kind]
  assert.ok(row !== undefined)
  const right = await take(stage, kind)
  const isOther = random.oneIn(4)
  const names = Object.keys(rows).filter((each) => each !== kind)
  const foreign = isOther ? await take(stage, random.pick(names)) : undefined
  const handle = foreign ?? (random.oneIn(3) ? right : changed(right, random))
  const isOwner = random.oneIn(2)
  const reply = await row.use(isOwner ? agent : random.pick(others), handle)
  const isRight = isOwner && handle === right && !(kind in unsealedKinds)
  const why = `${kind} ${isOwner ? 'own' : 'foreign'} ${JSON.stringify(handle.slice(0, 400))}: ${reply.text}`
  assert.equal(row.worked(reply), isRight, why)
  if (isRight && row.again !== 'works') held.delete(kind)
  if (!isRight) {
    assert.ok(reply.status < 500, why)
    assert.doesNotMatch(reply.text, secrets, why)
  }
  return { kind, worked: isRight }
}

const alphabet: readonly string[] =
  'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'.split('')

/** One that is nearly the same, and never the very same. */
function changed(handle: string, random: Random): string {
  const at = random.below(handle.length)
  const letter = random.pick(alphabet.filter((each) => each !== handle[at]))
  const ways: readonly (() => string)[] = [
    () => `${handle.slice(0, at)}${letter}${handle.slice(at + 1)}`,
    () => handle.slice(0, at),
    () => handle.slice(at + 1),
    () => `${handle}${letter}`,
    () => `${letter}${handle}`,
    () => `${handle.slice(0, at)}${handle.slice(at + 1)}`,
    () => `${handle}${handle}`,
    () => `${handle}=`,
    () => Array.from({ length: 1 + random.below(600) }, () => random.pick(alphabet)).join(''),
    () => Buffer.from(handle).toString('base64url'),
    () => 'A'.repeat(random.pick([1, 43, 4096])),
  ]
  const other = random.pick(ways)()
  return other === handle || other === '' ? `${handle}${letter}` : other
}

/** What names no state of the gateway's: what a client says of it is not passed on. */
async function unsealed(
  world: World,
  agent: TestClient,
): Promise<Readonly<Record<string, HandleRow>>> {
  const session = await openSession(agent, '/mcp/files')
  const nothing = { status: 202, why: '' }
  const reached = (text: string): boolean =>
    Object.values(world.upstreams).some(({ received }) =>
      received.some(({ body }) => body.includes(text)),
    )
  const judge = (reply: Reply, text: string): Reply => {
    assert.equal(reached(JSON.stringify(text)), false, 'a server was told')
    return reply
  }
  const plain = {
    unknown: nothing,
    foreign: nothing,
    elsewhere: nothing,
    again: nothing,
    worked: () => true,
  }
  let count = 0
  const take = (): Promise<string> => Promise.resolve(`a name of nothing ${(count += 1)}`)
  return {
    subscription: {
      ...plain,
      take,
      worked: ({ json }) => json.error?.code !== -32602,
      async use(client, id) {
        const meta = { 'io.modelcontextprotocol/subscriptionId': id }
        const { body, headers } = modern('tools/call', { name: 'echo', _meta: { ...meta } })
        return judge(await client.post('/mcp/files', body, headers), id)
      },
    },
    'progress token': {
      ...plain,
      take,
      worked: ({ status }) => status !== 202 && status !== 403,
      async use(client, progressToken) {
        const params = { progressToken, progress: 1 }
        const { body, headers } = legacy('notifications/progress', params, { session })
        return judge(await client.post('/mcp/files', body, headers), progressToken)
      },
    },
  }
}

if (import.meta.main) {
  const { kinds, ...counted } = await fuzzHandles(casesAsked())
  const told = { ...counted, kinds: Object.fromEntries(kinds) }
  process.stdout.write(`${JSON.stringify(told)}\n`)
}
