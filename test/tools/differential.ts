/**
 * Sends requests through a gateway and asks `opa eval` about the same: `npm run test:differential [-- --seed <n>] [--requests <n>]`. What
 * policy has answered in the gateway has to be what OPA says of the rules as they are written, of each request and each list.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual, parseArgs } from 'node:util'
import { textOf } from '../../src/policy/asked.ts'
import { openWorld, type World } from '../gateway/world/world.ts'
import { toolPath } from './build.ts'
import {
  answer,
  approvals,
  callers,
  createChance,
  createSender,
  grants,
  limits,
  methods,
  sendOne,
  stream,
} from './differential-requests.ts'

const policies = join(import.meta.dirname, '..', '..', 'policies')
interface Question {
  readonly rule: 'decision' | 'list'
  readonly input: { readonly action: { readonly name: string } }
  readonly answer: unknown
}

/** What policy was asked in the gateway, and what it has said. What was refused before it was asked is none of it. */
function questionsOf(events: World['events']): readonly Question[] {
  return events.flatMap(({ path, evaluated }) => {
    const rule = /^countersign\/mcp\/(decision|list)$/.exec(path)?.[1] as
      Question['rule'] | undefined
    if (rule === undefined) return []
    return [
      {
        rule,
        input: JSON.parse(textOf(evaluated.asked)) as Question['input'],
        answer: evaluated.result,
      },
    ]
  })
}

const program = `package differential

answers[index] := answer if {
	some index, question in data.differential_questions
	question.rule == "decision"
	answer := data.countersign.mcp.decision with input as question.input
}

answers[index] := answer if {
	some index, question in data.differential_questions
	question.rule == "list"
	answer := data.countersign.mcp.list with input as question.input
}
`

/** The answers of the real OPA, by the number of the question; what it leaves undefined is not there. */
function askOpa(opa: string, questions: readonly Question[]): ReadonlyMap<number, unknown> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-differential-'))
  try {
    const asked = questions.map(({ rule, input }) => ({ rule, input }))
    writeFileSync(
      join(folder, 'data.json'),
      JSON.stringify({ differential_questions: asked, grants, limits, approvals }),
    )
    writeFileSync(join(folder, 'differential.rego'), program)
    const others = ['issuance', 'log'].map((root) => [root, {}])
    writeFileSync(join(folder, 'others.json'), JSON.stringify(Object.fromEntries(others)))
    const data = [
      join(policies, 'countersign'),
      ...['data.json', 'others.json', 'differential.rego'].map((name) => join(folder, name)),
    ]
    const words = ['eval', '--format', 'json', ...data.flatMap((each) => ['--data', each])]
    const done = spawnSync(opa, [...words, 'data.differential.answers'], {
      encoding: 'utf8',
      maxBuffer: 256 * 1024 * 1024,
    })
    if (done.status !== 0) throw new Error(`opa eval: ${done.stderr}${done.stdout}`)
    const { result } = JSON.parse(done.stdout) as {
      readonly result: readonly { readonly expressions: readonly { readonly value: object }[] }[]
    }
    const value = result[0]?.expressions[0]?.value ?? {}
    return new Map(Object.entries(value).map(([index, answered]) => [Number(index), answered]))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** What came from a set has no order. */
function inOrder(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (!Array.isArray(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, inOrder(each)]))
  }
  return value
    .map(inOrder)
    .toSorted((one, other) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1))
}

/** What servers do and what becomes of calls is decided on, too. */
const askedAbout = [
  'elicitation/create',
  'sampling/createMessage',
  'roots/list',
  'approvals/approve',
  'approvals/deny',
  'subscriptions/listen',
  'tasks/get',
]
const obligations = ['rate-limit', 'concurrency-limit', 'approval']

function standsUnder({ answer }: Question, type: string): boolean {
  const { obligations: all = [] } = answer as { readonly obligations?: readonly object[] }
  return all.some((each) => (each as { readonly type?: unknown }).type === type)
}

async function ask(seed: number, requests: number): Promise<readonly Question[]> {
  const chance = createChance(seed)
  await using world = await openWorld({
    grants,
    policyLimits: limits,
    policyApprovals: approvals,
    answers: { files: answer, web: answer },
    streams: { files: stream, web: stream },
    limits: { listSecondsMax: 0 },
  })
  const agents = await Promise.all(callers.map((wanted) => world.agent(wanted)))
  const sender = createSender(chance, agents)
  const sent = new Set<string>()
  for (let at = 0; at < requests; at += 1) sent.add(await sendOne(sender))
  const questions = questionsOf(world.events)
  const missing = [
    ...methods.filter((method) => !sent.has(method)),
    ...askedAbout.filter((name) => !questions.some(({ input }) => input.action.name === name)),
    ...obligations.filter((type) => !questions.some((each) => standsUnder(each, type))),
  ]
  if (missing.length > 0) throw new Error(`nothing was asked about ${missing.join(', ')}`)
  return questions
}

async function compare(opa: string, seed: number, requests: number): Promise<boolean> {
  const questions = await ask(seed, requests)
  const answers = askOpa(opa, questions)
  const differing = questions.filter(({ answer: ours }, index) => {
    return !isDeepStrictEqual(inOrder(ours), inOrder(answers.get(index)))
  })
  for (const question of differing.slice(0, 5)) {
    const theirs = answers.get(questions.indexOf(question))
    console.error(JSON.stringify({ ...question, opa: theirs }))
  }
  const allowed = questions.filter(
    ({ answer: ours }) => (ours as { allow?: boolean }).allow === true,
  )
  const lists = questions.filter(({ rule }) => rule === 'list')
  console.log(
    `seed ${seed}: ${requests} requests, ${questions.length} decided by policy, of them ${lists.length} lists and ${allowed.length} permits; ${differing.length} differ from opa eval`,
  )
  return differing.length === 0 && questions.length > requests / 2 && allowed.length > 0
}

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    requests: { type: 'string', default: '1000' },
  },
})
const path = toolPath('opa')
if (path === undefined) {
  console.error('opa is not built: npx node test/tools/build.ts opa')
  process.exitCode = 1
} else if (!(await compare(path, Number(values.seed), Number(values.requests))))
  process.exitCode = 1
